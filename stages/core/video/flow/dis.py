"""The mean motion between two pictures, by OpenCV's DIS flow (Kroeger et al. 2016) and what it leaves unexplained.

Dense flow alone is wrong where there is nothing to see (a clear sky, grain on a wall), at the borders of the picture,
where what moves leaves it, and for what moves further than it searches. So a coarse search goes before it, and each
block of the picture has one of three motions: that of the flow, that of the camera, or none.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from stages.core.video.flow.meter import Pair, View
from stages.core.video.measure.match import warp
from stages.core.video.measure.motion import GRID_PX, Flow, camera_flow, difference, length, shrunk, texture
from stages.core.video.read.frames import BLACK, Image, shrink

Blocks = NDArray[np.float32]

SCALE = 2  # frames are measured at half their size: it is as right, and costs two thirds
SOFTENED_PX = 1.0  # sigma of a Gaussian: takes the grain, which else moves by itself
# Of DIS. 1 px is off by 3 % to 6 %, from 3 px on by less than 2 %. A stride of 4 px costs twice as much, is no better;
# finest 0 halves the error of 1 px, for four times as much.
FINEST, STRIDE_PX = 1, 6
REACH = 8  # blocks that the coarse search looks in each direction: 128 px of the frame
WINDOW = 5  # blocks on each side of what it compares

# Mean squared differences are in levels of 255 squared.
ROUNDING = 0.3  # what rounding alone makes
BETTER = 0.8  # a motion that leaves more than this share of what another leaves is no better
FITS, SHARE = 4, 0.2  # a motion fits that leaves at most so many times the noise, and this share of the texture
SEEN = 10  # texture is seen, and tells motion from none, where it is so many times the noise
REST_PX = 0.12  # a camera that moves less stands still: coding and grain make nearly as much of it
MOST = 0.3  # of what is seen: a camera that explains less than this better than standing still does is chance
SAME_PX = 0.25  # flow and camera that differ by less are the same
GRAIN, LOST = 20.0, 0.5  # of most blocks a larger share of their texture and grain is unlike: no motion was found
FEW = 2  # blocks that move on their own, of 3 x 3: fewer are chance
DARK = BLACK + 8  # luma of black bars, with what coding makes of it beside a picture


class DisMeter:
    """A Meter: about 9 ms a pair on one core."""

    name = "dis"
    batch = 1

    def __init__(self) -> None:
        self._dense = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        self._dense.setFinestScale(FINEST)
        self._dense.setPatchStride(STRIDE_PX)

    def prepare(self, frame: VideoFrame, view: View) -> Image:
        """Luma at half the size of the view, smoothed. Raises ItemError corrupt."""
        luma = shrink(frame, (view.width_px // SCALE, view.height_px // SCALE), view.orientation).luma
        return np.asarray(cv2.GaussianBlur(luma, (0, 0), SOFTENED_PX), dtype=np.uint8)

    def measure(self, pairs: Sequence[Pair[Image]]) -> list[float]:
        return [SCALE * mean_speed(first, second, self._dense) for first, second in pairs]


def mean_speed(first: Image, second: Image, dense: cv2.DISOpticalFlow) -> float:
    """The mean length of the motion from the first to the second picture, uint8 [height, width], in their pixels.

    A block has the flow's motion if it alone explains the change, else the camera's (the affine motion that fits most
    of the picture), or none if only that explains it. Where nothing is to be seen, or only in one of the pictures, the
    blocks around decide.
    """
    # always with a first guess: an object that had one once uses it again in calls without one (OpenCV 5.0)
    flow = np.asarray(dense.calc(first, second, search(first, second)), np.float32)
    lines, warped = first[::2], warp(second, flow, 2)
    spread, light = texture(lines), mean_light(lines)
    stood, left = difference(lines, second[::2]), difference(lines, warped)
    unlike = left - np.square(light - mean_light(warped))  # whatever the light does meanwhile
    if np.median(unlike / (spread + GRAIN)) > LOST:
        return float(length(flow).mean())  # a guess: nearly all of it moves further than is looked for
    noise = float(np.median(np.minimum(stood, left)))
    bearable = FITS * noise + SHARE * spread + ROUNDING
    seen = spread > SEEN * noise + 1
    own = shrink_to_blocks(flow, spread.shape)
    camera = camera_flow(own[None], (seen & (left < bearable))[None])[0]
    panned = difference(lines, warp(second, enlarge(camera, first.shape), 2))
    if length(camera).mean() < REST_PX or np.mean(panned[seen] < BETTER * stood[seen] - ROUNDING) < MOST:
        camera, panned = np.zeros_like(camera), stood
    other = np.minimum(stood, panned)

    stays = inside(camera, first.shape)
    alike = length(own - camera) <= SAME_PX
    moves = seen & stays & ~alike & (left < np.minimum(bearable, BETTER * other - ROUNDING))
    moves &= 9 * around(moves) > FEW - 0.5
    rests = seen & ~moves & (alike | (other < np.minimum(bearable, BETTER * left - ROUNDING)))
    near = around(moves)
    edges = stays & ~moves & ~rests & (near > 0)
    none = seen & stays & (stood < BETTER * panned - ROUNDING)

    speeds = shrink_to_blocks(length(flow), spread.shape)
    at_edges = np.minimum(speeds, around(speeds * moves) / np.maximum(near, 1 / 9))
    found = np.select([moves, edges, none], [speeds, at_edges, np.zeros_like(speeds)], length(camera))
    return float((found * shrink_to_blocks(shown(first, second), spread.shape)).mean())


def search(first: Image, second: Image) -> Flow:
    """For each pixel the shift, in whole blocks, by which the blocks around it match best; float32 [height, width, 2].

    It finds what the coarsest scale of DIS is too small for: things that move further than their own size.
    """
    size = (first.shape[1] // GRID_PX, first.shape[0] // GRID_PX)
    wide, high, side = *size, 2 * REACH + 1
    ours, theirs = (cv2.resize(picture, size, interpolation=cv2.INTER_AREA) for picture in (first, second))
    padded = np.pad(theirs, REACH, mode="edge")
    shifted = np.lib.stride_tricks.sliding_window_view(padded, (high, wide))  # [down, right, row, column]
    rows = shifted.transpose(2, 0, 1, 3).reshape(high, -1)  # a row: all its shifts
    costs = cv2.absdiff(rows, np.tile(ours, side * side))
    costs = cv2.boxFilter(costs.reshape(-1, wide), cv2.CV_16U, (WINDOW, 1), normalize=False)
    costs = cv2.boxFilter(costs.reshape(high, -1), cv2.CV_16U, (1, WINDOW), normalize=False)
    best = costs.reshape(high, side * side, wide).argmin(axis=1)
    shifts = np.dstack([best % side - REACH, best // side - REACH]).astype(np.float32) * GRID_PX
    return np.asarray(cv2.resize(shifts, first.shape[::-1], interpolation=cv2.INTER_NEAREST), np.float32)


def mean_light(lines: Image) -> Blocks:
    """The mean of each block, of every second line."""
    return shrunk(lines.astype(np.float32))


def shown(first: Image, second: Image) -> NDArray[np.float32]:
    """1 for each pixel, 0 in lines and columns that are black from end to end in both pictures: bars move nowhere."""
    dark = np.maximum(first, second) < DARK
    return np.asarray(~(dark.all(axis=1, keepdims=True) | dark.all(axis=0, keepdims=True)), np.float32)


def inside(camera: Flow, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Whether what a block shows is still in the picture after the camera's motion, bool [rows, columns] of blocks."""
    rows, columns = camera.shape[:2]
    x, y = np.meshgrid((np.arange(columns) + 0.5) / columns * shape[1], (np.arange(rows) + 0.5) / rows * shape[0])
    x, y, half = x + camera[..., 0], y + camera[..., 1], GRID_PX / 2
    return np.asarray((x > half) & (x < shape[1] - half) & (y > half) & (y < shape[0] - half))


def shrink_to_blocks(values: NDArray[np.float32], shape: tuple[int, ...]) -> Blocks:
    """The mean of each block, of [height, width, …]."""
    return np.asarray(cv2.resize(values, shape[::-1], interpolation=cv2.INTER_AREA), np.float32)


def enlarge(camera: Flow, shape: tuple[int, ...]) -> Flow:
    """The camera's motion of each pixel."""
    return np.asarray(cv2.resize(camera, shape[::-1], interpolation=cv2.INTER_LINEAR), np.float32)


def around(values: NDArray[np.generic]) -> Blocks:
    """The mean of the 3 x 3 blocks around each; what lies outside the picture is 0."""
    return np.asarray(cv2.blur(values.astype(np.float32), (3, 3), borderType=cv2.BORDER_CONSTANT), np.float32)
