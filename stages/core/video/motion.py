"""How fast the picture moves: dense optical flow at a few moments a second, of camera and objects apart."""

from bisect import bisect_right
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.core.video.frames import Image
from stages.core.video.match import moved

Flow = NDArray[np.float32]

GRID_PX = 8  # side of a block
ROUNDING = 0.3  # squared levels that rounding alone makes of a difference
BETTER = 0.7  # a flow that leaves more than this share of the squared difference explains nothing; grain leaves 0.8
CHANGED = 6  # times the noise: what differs by more has changed, even where no flow explains how (it was covered)
STILL = 0.03  # share of a block's variance by which it may differ and yet be the same
KNOWN = 0.02  # of the blocks that must show something before the camera can be told
MOVING = 0.01  # widths per second: five times what codec noise makes of a still picture
AT_ONCE = 24  # pairs: after a frame was decoded the caches hold nothing of this, one alone takes twice as long
ROUNDS = 3  # of the camera's fit; the third changes it by less than a hundredth


class Sample(NamedTuple):
    """Speeds between two times in frame widths per second, never negative; of pixels where nothing else is said.

    `camera` is the mean speed of the motion that fits the whole picture (pan, zoom, rotation), `object` that of what is
    left beside it; `moving` is the share of the picture that moves at all, 0 to 1.
    """

    start_s: float
    end_s: float
    mean: float
    median: float
    p90: float
    moving: float
    camera: float
    object: float


class MotionMeter:
    """Feed it every frame in order; it measures `per_s` times a second, each time between two frames `gap_s` apart.

    A fixed gap in time makes the numbers independent of the frame rate. Flow is DIS (Kroeger et al. 2016, "Fast optical
    flow using dense inverse search"), preset ultrafast.
    """

    def __init__(self, per_s: float, gap_s: float) -> None:
        self._every_s = 1 / per_s
        self._gap_s = gap_s
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        self._first: tuple[float, Image] | None = None
        self._next_s = float("-inf")
        self._pairs: list[tuple[float, float, Image, Image]] = []
        self._samples: list[Sample] = []

    def add(self, time_s: float, luma: Image) -> None:
        """`luma` is uint8 [height, width], of one size for the whole video; it is kept and must not be written to."""
        if self._first is None:
            if time_s >= self._next_s:
                self._first = (time_s, luma)
                self._next_s = time_s + self._every_s
            return
        start_s, first = self._first
        if time_s - start_s < self._gap_s - 1e-6:
            return
        self._pairs.append((start_s, time_s, first, luma))
        if len(self._pairs) == AT_ONCE:
            self._measure()
        # where frames are rarer than the gap, this one begins the next pair
        self._first = None
        if time_s >= self._next_s:
            self.add(time_s, luma)

    def finish(self) -> list[Sample]:
        """All samples, in order."""
        self._measure()
        return self._samples

    def _measure(self) -> None:
        for start_s, end_s, first, second in self._pairs:
            # an array here would be taken for a first guess; OpenCV's stub does not know that it may be left out
            flow = self._flow.calc(first, second, None)  # type: ignore[call-overload]
            self._samples.append(sample(start_s, end_s, first, second, np.asarray(flow, dtype=np.float32)))
        self._pairs.clear()


def sample(start_s: float, end_s: float, first: Image, second: Image, flow: Flow) -> Sample:
    """What a flow of pixels, float32 [height, width, 2], between two pictures at two times in seconds says.

    In each block of GRID_PX the flow is taken for what it is only where it explains what changed; where nothing
    changed the block stands still; where neither can be told, as in a clear sky or in grain, it goes with the camera.
    """
    per_px = 1 / flow.shape[1] / (end_s - start_s)
    stood, left = difference(first, second), difference(first, moved(second, flow))
    moves = (left < BETTER * stood - ROUNDING) | (stood > CHANGED * (1 + np.median(left)))
    stands = ~moves & (stood < STILL * texture(first))
    high, wide = moves.shape
    middles = flow[GRID_PX // 2 :: GRID_PX, GRID_PX // 2 :: GRID_PX][:high, :wide]  # it is smooth within a block
    blocks = middles * moves[..., None]
    camera = camera_flow(blocks, moves | stands)
    if stands.any() and camera.any():
        whole = np.asarray(cv2.resize(camera, first.shape[::-1], interpolation=cv2.INTER_LINEAR), dtype=np.float32)
        stands &= stood < BETTER * difference(first, moved(second, whole)) - ROUNDING
    told = np.where((moves | stands)[..., None], blocks, camera)
    speed = np.hypot(told[..., 0], told[..., 1]).ravel() * per_px
    own = told - camera
    ordered = np.sort(speed)
    return Sample(
        start_s,
        end_s,
        mean=float(speed.mean()),
        median=float(ordered[len(ordered) // 2]),
        p90=float(ordered[len(ordered) * 9 // 10]),
        moving=float(np.count_nonzero(speed > MOVING)) / len(speed),
        camera=float(np.hypot(camera[..., 0], camera[..., 1]).mean()) * per_px,
        object=float(np.hypot(own[..., 0], own[..., 1]).mean()) * per_px,
    )


def difference(first: Image, second: Image) -> NDArray[np.float32]:
    """The mean squared difference in each block."""
    return shrunk(np.square(cv2.absdiff(first, second).astype(np.float32)))


def texture(picture: Image) -> NDArray[np.float32]:
    """The variance in each block."""
    values = picture.astype(np.float32)
    return shrunk(np.square(values)) - np.square(shrunk(values))


def shrunk(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """The mean of each block."""
    size = (values.shape[1] // GRID_PX, values.shape[0] // GRID_PX)
    return np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_AREA), dtype=np.float32)


def camera_flow(flow: Flow, known: NDArray[np.bool_]) -> Flow:
    """The affine flow (pan, zoom, rotation, shear) that most of what is known of the picture follows; 0 if little is.

    Least squares, weighed anew each round by how well each place fits (Geman-McClure), so that what moves on its own
    does not drag the camera along.
    """
    inside = known.ravel()
    if np.count_nonzero(inside) < KNOWN * inside.size:
        return np.zeros_like(flow)
    grid = _grid(*flow.shape[:2])
    seen, at = flow.reshape(-1, 2)[inside].astype(np.float64), grid[inside]
    fitted = np.broadcast_to(np.median(seen, axis=0), seen.shape)
    for _ in range(ROUNDS):
        off = np.square(seen - fitted).sum(axis=1)
        scale = max(float(np.partition(off, len(off) // 2)[len(off) // 2]), 0.01)  # a tenth of a pixel squared
        weighed = at * (1 / np.square(1 + off / scale))[:, None]
        found = np.linalg.solve(at.T @ weighed + 1e-9 * np.eye(3), weighed.T @ seen)
        fitted = at @ found
    return (grid @ found).reshape(flow.shape).astype(np.float32)


@cache
def _grid(height: int, width: int) -> NDArray[np.float64]:
    """1, x and y of every place of a grid, from -1 to 1, [height * width, 3]."""
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    return np.stack([np.ones(x.size), x.ravel(), y.ravel()], axis=1)


def within_shots(samples: Sequence[Sample], cuts_s: Sequence[float]) -> list[Sample]:
    """The samples without those that span a cut: flow between two shots means nothing. `cuts_s` is sorted."""
    return [s for s in samples if bisect_right(cuts_s, s.start_s) == bisect_right(cuts_s, s.end_s)]
