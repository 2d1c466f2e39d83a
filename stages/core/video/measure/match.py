"""Whether two pictures show the same scene, however it moved and whatever the light did between them."""

from functools import cache
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.core.video.read.frames import Image

Floats = NDArray[np.float32]

BLOCK_PX = 8
NOISE = 6.0  # variance below which a block has no texture: grain and coding at 128 pixels of width
GAIN = 6.0  # how much brighter or darker light may make a picture
PLAIN = 20.0  # levels of contrast from which on a block counts as much as any other
BARE = 0.15  # mean weight of blocks below which neither picture shows anything

COARSE = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
FINE = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
FINE.setFinestScale(1)
# What differs by less, or by more, after the coarse flow need not be looked at again: of 4,300 matches of the truth
# corpus that differed by more than 0.95, the fine flow took one in 900 below 0.5.
SAME, UNLIKE = 0.15, 0.95


class Match(NamedTuple):
    """How two pictures compare.

    `other` is the share of what can be seen in either that the other one has nowhere near, 0 (one scene) to about 1;
    `shift` is how far half of the picture moved at least, in widths.
    """

    other: float
    shift: float


def match(first: Image, second: Image) -> Match:
    """Two pictures compared, uint8 [height, width] luma of about 128 pixels of width.

    The second is moved onto the first by dense flow, and made as bright; what is left is compared block by block.
    """
    found = matched(first, second, COARSE.calc(first, second, None))  # type: ignore[call-overload]
    if not SAME <= found.other < UNLIKE:
        return found
    return matched(first, second, FINE.calc(first, second, None))  # type: ignore[call-overload]


def matched(first: Image, second: Image, flow: Floats) -> Match:
    a, b = first.astype(np.float32), moved(second, flow).astype(np.float32)
    mean_a, mean_b = blocks(a), blocks(b)
    spread_a = np.maximum(blocks(a * a) - mean_a * mean_a, 0)
    spread_b = np.maximum(blocks(b * b) - mean_b * mean_b, 0)
    common = blocks(a * b) - mean_a * mean_b
    gain = min(max((deviation(mean_a) + 1) / (deviation(mean_b) + 1), 1 / GAIN), GAIN)
    off = mean_a - gain * mean_b
    off -= middle(off)
    local = np.minimum(np.maximum(np.sqrt((spread_a + 1) / (spread_b + 1)), 1 / GAIN), GAIN)
    seen = spread_a + local**2 * spread_b + off * off + NOISE
    left = seen - NOISE - 2 * local * common
    weight = np.minimum(1, np.sqrt(seen) / PLAIN)
    shift = middle(np.hypot(flow[::4, ::4, 0], flow[::4, ::4, 1])) / first.shape[1]
    if float(weight.mean()) < BARE:  # two plain colours are two scenes: nothing tells them from one under another light
        return Match(min(1.0, abs(float(mean_a.mean() - mean_b.mean())) / PLAIN), shift)
    return Match(float((weight * left / seen).sum() / weight.sum()), shift)


def moved(picture: Image, flow: Floats, step: int = 1) -> Image:
    """The picture as it was before a flow of pixels, float32 [height, width, 2], that led to it: each `step`th line."""
    maps = places(*picture.shape)[::step] + flow[::step]
    back = cv2.remap(picture, maps, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)  # type: ignore[call-overload]
    return np.asarray(back, dtype=np.uint8)


def deviation(values: Floats) -> float:
    return float(cv2.meanStdDev(values)[1][0, 0])  # numpy's takes ten times as long for so few


def middle(values: Floats) -> float:
    """The median, the upper one of two; numpy's own takes ten times as long for so few."""
    flat = values.ravel()
    return float(np.partition(flat, len(flat) // 2)[len(flat) // 2])


def correlation(one: NDArray[np.generic], other: NDArray[np.generic]) -> float:
    """Correlation of two very small pictures, -1 to 1: light alone leaves it near 1, and so do small motions."""
    a, b = (picture.ravel().astype(np.float32) for picture in (one, other))
    a, b = a - a.mean(), b - b.mean()
    return float(a @ b / (np.sqrt((a @ a) * (b @ b)) + 1e-6))


def blocks(values: Floats) -> Floats:
    """The mean of each block."""
    size = (max(1, values.shape[1] // BLOCK_PX), max(1, values.shape[0] // BLOCK_PX))
    return np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_AREA), dtype=np.float32)


@cache
def places(height_px: int, width_px: int) -> Floats:
    """Where each pixel is, float32 [height, width, 2] of x and y."""
    y, x = np.mgrid[:height_px, :width_px].astype(np.float32)
    return np.dstack([x, y])
