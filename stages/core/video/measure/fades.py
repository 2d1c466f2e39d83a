"""Finds fades through black, white or any plain colour: where the texture of the picture vanishes.

Texture is the mean squared gradient of a frame, float64 [frames].
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

BLANK = 1.5  # texture of a plain picture: what grain and coding leave at 64 pixels of width
FAINT = 0.02  # a picture is also plain with less than this share of the texture around it
SEEN = 6.0  # least texture of a picture that shows something, if dark
RAMP = 3  # least frames of a fade that has plain frames alone on its other side
RISE = 1.05  # the fade is over where texture does not rise by this factor within a fifth of a second


def fades(
    texture: NDArray[np.float64], begin: int, end: int, longest: int, cuts: Sequence[int]
) -> Iterator[tuple[int, int]]:
    """The last frame before and the first frame after each fade whose plainest frame is in [begin - 1, end - 1).

    `longest` is the longest half of a fade in frames; `cuts` are the frames of hard cuts, sorted. One half may be a cut
    (fade out, cut in). Plain frames between two hard cuts are a shot, and so are those that last for more than
    `longest`: there the fade begins at the last of them. Those that begin the video are a part of the fade from them,
    whose last frame before it is -1.
    """
    for after in places_of_plain(texture, max(1, begin - 1), end - 1, longest) + 1:
        plain = texture[after - 1]
        around = texture[max(0, after - 1 - longest) : after + longest]
        if not plain < texture[after] or plain > max(BLANK, FAINT * around.max()):
            continue
        near = cuts[bisect_left(cuts, after - 2 * longest - 2) : bisect_right(cuts, after + longest + 1)]
        hard = {cut for cut in near if not is_turn(texture, cut, 3 * max(BLANK, FAINT * around.max()))}
        first = after - 1
        while first > 0 and first not in hard and texture[first - 1] <= max(BLANK, plain):
            first -= 1
        lasting = after - first > longest
        if first in hard and after in hard:
            continue
        stop = walk(texture, after, 1, longest, hard)
        if first == 0 or lasting:
            if (
                stop - after >= RAMP
                and after not in hard
                and texture[stop] >= SEEN
                and texture[first] <= FAINT * texture[stop]
            ):
                yield after - 1 if lasting else -1, stop
            continue
        start = walk(texture, first - 1, -1, longest, hard)
        least = min(texture[start], texture[stop])
        if least >= SEEN and plain <= max(BLANK, FAINT * least):
            yield start, stop


def fades_out(
    texture: NDArray[np.float64], begin: int, end: int, longest: int, cuts: Sequence[int], *, ended: bool
) -> Iterator[tuple[int, int]]:
    """The last frame before and the first after each fade to plain frames that end the video, or last for `longest`.

    Of these the first is in [begin - longest, end - longest), and is the first after the fade; plain frames that end
    the video are a part of the fade. `ended`: there are no more frames than `end`.
    """
    for at in places_of_plain(texture, max(1, begin - longest), end if ended else end - longest, longest):
        faint = max(BLANK, FAINT * texture[max(0, at - longest) : at + 1].max())
        plain = texture[at : at + longest]
        if texture[at - 1] <= faint or plain.max() > faint or at in cuts:
            continue
        start = walk(texture, at - 1, -1, longest, set(cuts))
        if at - start >= RAMP and texture[start] >= SEEN and plain.min() <= FAINT * texture[start]:
            yield start, end if ended and at + longest >= end else at


def places_of_plain(texture: NDArray[np.float64], begin: int, end: int, longest: int) -> NDArray[np.int64]:
    """The frames in [begin, end) that may be plain, beside what is seen `longest` frames before and after them."""
    around = texture[max(0, begin - longest) : end + longest]
    limit = max(BLANK, FAINT * around.max()) if len(around) else 0.0
    return np.flatnonzero(texture[begin : max(begin, end)] <= limit) + begin


def is_turn(texture: NDArray[np.float64], cut: int, faint: float) -> bool:
    """Whether a supposed cut is the middle of a fade: texture is at most `faint` there, and rises after it."""
    rising = texture[min(cut + 2, len(texture) - 1)] > 1.2 * texture[cut]
    return bool(rising and max(texture[cut - 1 : cut + 1]) <= faint)


def walk(texture: NDArray[np.float64], at: int, step: int, longest: int, cuts: set[int]) -> int:
    """The frame where the texture stops rising, from the plain frame `at` on, in the direction of `step` (1 or -1).

    It goes `longest` frames at most, and stops at a cut.
    """
    soon = max(2, longest // 16)
    for _ in range(longest):
        ahead = texture[at + 1 : at + 1 + soon] if step > 0 else texture[max(0, at - soon) : at]
        if not len(ahead) or (at + 1 if step > 0 else at) in cuts or ahead.max() < RISE * max(texture[at], BLANK):
            break
        at += step
    return at
