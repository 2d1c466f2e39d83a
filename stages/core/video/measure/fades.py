"""Fades to black, to white or to any plain colour, and from it: where the texture of the picture vanishes."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

BLANK = 1.5  # texture of a picture with nothing to be seen: grain and coding at 64 pixels of width
FAINT = 0.02  # or this share of what it was and will be
SEEN = 6.0  # texture of what can be seen in a dark picture
RISE = 1.05  # it has come to its height where it does not rise so much within a fifth of a second


def fades(
    texture: NDArray[np.float64], begin: int, end: int, longest: int, cuts: Sequence[int]
) -> Iterator[tuple[int, int]]:
    """Last frame before and first frame after each fade whose plainest frame is followed by one in [begin, end).

    On one side it may be a hard cut (fade out, cut in). A plain picture at the start or the end of a video is no
    change, one between two hard cuts is a shot.
    """
    for after in range(max(2, begin), end):
        plain = texture[after - 1]
        around = texture[max(0, after - 1 - longest) : after + longest]
        if not plain < texture[after] or plain > max(BLANK, FAINT * around.max()):
            continue
        near = cuts[bisect_left(cuts, after - 2 * longest - 2) : bisect_right(cuts, after + longest + 1)]
        hard = {cut for cut in near if not is_turn(texture, cut, 3 * max(BLANK, FAINT * around.max()))}
        first = after - 1
        while first > 0 and first not in hard and texture[first - 1] <= max(BLANK, plain):
            first -= 1
        if first == 0 or after - first > longest or (first in hard and after in hard):
            continue
        start, stop = walk(texture, first - 1, -1, longest, hard), walk(texture, after, 1, longest, hard)
        least = min(texture[start], texture[stop])
        if least >= SEEN and plain <= max(BLANK, FAINT * least):
            yield start, stop


def is_turn(texture: NDArray[np.float64], cut: int, faint: float) -> bool:
    """Whether what looks like a cut is where a fade turns: hardly anything can be seen, and more and more after it."""
    rising = texture[min(cut + 2, len(texture) - 1)] > 1.2 * texture[cut]
    return bool(rising and max(texture[cut - 1 : cut + 1]) <= faint)


def walk(texture: NDArray[np.float64], at: int, step: int, longest: int, cuts: set[int]) -> int:
    """The frame where the texture has come to its height, going from a blank one; a cut on the way stops it."""
    soon = max(2, longest // 16)
    for _ in range(longest):
        ahead = texture[at + 1 : at + 1 + soon] if step > 0 else texture[max(0, at - soon) : at]
        if not len(ahead) or (at + 1 if step > 0 else at) in cuts or ahead.max() < RISE * max(texture[at], BLANK):
            break
        at += step
    return at
