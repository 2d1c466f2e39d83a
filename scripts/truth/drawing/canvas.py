"""Canvases of the ground-truth corpus: textures that repeat in both directions, seen through a window at any scale.

Canvases of one mood share colours, mean luma and contrast, so that a cut between two of them is hard to see.
"""

from dataclasses import dataclass
from functools import lru_cache
from math import ceil

import numpy as np
from numpy.typing import NDArray

from scripts.truth.drawing.picture import Picture, Plane, halved
from scripts.truth.drawing.textures import KINDS
from scripts.truth.sheet import HEIGHT_PX, MOODS, WIDTH_PX, Sheet, palette

SPAN_PX = 1280  # canvas pixels along the longer side of a frame at zoom 1, whatever the frame's own size
SOFTEST = 1.4  # canvas pixels that a frame's pixel gathers at least, so that its sharpness does not depend on its phase


@dataclass(frozen=True)
class Backdrop:
    """Which canvas: a kind (a key of KINDS), a mood (a key of MOODS) and a seed."""

    kind: str
    mood: str
    seed: int


@lru_cache(32)
def canvas(backdrop: Backdrop) -> tuple[NDArray[np.uint8], ...]:
    """Luma and two half-sized chroma planes, each repeated once to the right, so that a window may cross the edge."""
    rng = np.random.default_rng([backdrop.seed, *backdrop.kind.encode()])
    planes = tuple(np.zeros((HEIGHT_PX, WIDTH_PX), np.float32) for _ in range(3))
    sheet = Sheet((planes[0], planes[1], planes[2]), palette(backdrop.mood, backdrop.seed // 10), rng)
    KINDS[backdrop.kind](sheet)
    mean, deviation = MOODS[backdrop.mood][6:]
    luma = sheet.planes[0]
    luma -= luma.mean()
    luma *= deviation / max(float(luma.std()), 1)
    luma += mean
    full = (luma, halved(sheet.planes[1]), halved(sheet.planes[2]))
    return tuple(np.tile(np.clip(np.rint(plane), 16, 238).astype(np.uint8), (1, 2)) for plane in full)


def taps(start: float, step: float, count: int) -> tuple[NDArray[np.intp], Plane]:
    """Which canvas pixels each of `count` pixels of size `step` gathers, and how much: two arrays (taps, count)."""
    wide = max(step, SOFTEST)
    left = start + step * (np.arange(count) + 0.5) - wide / 2
    pixels = np.floor(left).astype(np.intp) + np.arange(ceil(wide) + 1)[:, None]
    overlap = np.minimum(pixels + 1, left + wide) - np.maximum(pixels, left)
    return pixels, (np.clip(overlap, 0, None) / wide).astype(np.float32)


def window(plane: NDArray[np.uint8], left: float, top: float, step: float, size: tuple[int, int]) -> Plane:
    """A window of the canvas: each frame pixel is the mean over `step` x `step` canvas pixels; sub-pixel corners."""
    height, period = plane.shape[0], plane.shape[1] // 2
    columns, column_weights = taps(left % period, step, size[0])
    rows, row_weights = taps(top, step, size[1])
    first = int(columns.min())
    if first < 0:  # the filter reaches over the left edge
        columns, first = columns + period, first + period
    last = int(columns.max())
    if last >= 2 * period:  # a view so wide that the canvas repeats in it
        columns, first, last = columns % period, 0, period - 1
    slab = plane[:, first : last + 1]
    tall = sum(slab[pixels % height] * weight[:, None] for pixels, weight in zip(rows, row_weights, strict=True))
    columns = columns - first
    return sum(  # type: ignore[no-any-return]
        np.take(tall, pixels, axis=1) * weight for pixels, weight in zip(columns, column_weights, strict=True)
    )


def turned(plane: NDArray[np.uint8], x: Plane, y: Plane) -> Plane:
    """The canvas around given points, each the mean over about two pixels: for cameras that roll."""
    height, period = plane.shape[0], plane.shape[1] // 2
    total = np.zeros(x.shape, np.float32)
    for dx, dy in ((-0.5, -0.5), (0.5, -0.5), (-0.5, 0.5), (0.5, 0.5)):
        column, row = np.floor(x + (dx - 0.5)), np.floor(y + (dy - 0.5))
        right, low = x + (dx - 0.5) - column, y + (dy - 0.5) - row
        c, r = column.astype(np.intp) % period, row.astype(np.intp) % height
        below = (r + 1) % height
        upper = plane[r, c] * (1 - right) + plane[r, c + 1] * right
        total += upper * (1 - low) + (plane[below, c] * (1 - right) + plane[below, c + 1] * right) * low
    return total * np.float32(0.25)


@lru_cache(4)
def seen(backdrop: Backdrop, centre: tuple[float, float], step: float, size: tuple[int, int], angle: float) -> Picture:
    """The canvas around a point (canvas pixels), `step` canvas pixels to a frame pixel, rotated; read-only."""
    planes = []
    for plane, part in zip(canvas(backdrop), (1, 2, 2), strict=True):
        wide, high = size[0] // part, size[1] // part
        x, y = centre[0] / part, centre[1] / part
        if not angle:
            planes.append(window(plane, x - step * wide / 2, y - step * high / 2, step, (wide, high)))
            continue
        across = ((np.arange(wide) + 0.5 - wide / 2) * step).astype(np.float32)[None]
        down = ((np.arange(high) + 0.5 - high / 2) * step).astype(np.float32)[:, None]
        cosine, sine = np.float32(np.cos(angle)), np.float32(np.sin(angle))
        planes.append(
            turned(plane, across * cosine - down * sine + np.float32(x), across * sine + down * cosine + np.float32(y))
        )
    return Picture(*planes)
