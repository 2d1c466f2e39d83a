"""Finds the black bars of a clip in key frames, to a pixel of these."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stages.core.video.crop.box import Box
from stages.core.video.read.frames import Image

DARK = 28  # levels of 255: black, with what coding leaves beside an edge
LEAST = 0.01  # share of the width or height: what is narrower is no bar
LEAST_OWN = 0.03  # … of a clip in a video without bars, where they must also be a pair
LINE = 1 / 128  # share of the width or height by which what `analyze` found may be off: a line of its small frames
STRAIGHT = 0.5  # share of a bar's edge beside which something is lit, else it is a dark scene: a globe in space
EDGE_PX = 3
BLUR_PX = 1  # coding blurs an edge by so much


def inside_bars(own: Sequence[Image], others: Sequence[Image], never_black: Box, hidden: Sequence[Box]) -> Box:
    """What is left of the picture beside black bars, in pixels of the frames, uint8 [height, width] of one size.

    `own` are the clip's frames, `others` those of shots beside it. A side has a bar if `analyze` found one of the whole
    video there (`never_black`, in shares) that is black in all these frames, too, and ends in a straight edge; or if
    the clip's own frames have such a bar and an equal one on the other side, as a film of another shape has within a
    video. What is in the boxes of `hidden` counts as black: subtitles are also put on bars.
    """
    high, wide = own[0].shape
    known = never_black.scaled(wide, high)
    of_video = [known.left, known.top, wide - known.right, high - known.bottom]
    clip_bars, all_bars = find_bars(own, hidden), find_bars([*own, *others], hidden)
    ends: list[float] = []
    for side, length in enumerate((wide, high, wide, high)):
        shared, mine, opposite = all_bars[side], clip_bars[side], clip_bars[(side + 2) % 4]
        is_shared = shared >= LEAST * length and abs(shared - of_video[side]) <= LINE * length + 1
        is_pair = min(mine, opposite) >= LEAST_OWN * length and abs(mine - opposite) <= 2 * LINE * length
        bar = max(shared if is_shared else 0, mine if is_pair else 0)
        ends.append(bar + BLUR_PX if bar else 0)
    return Box(ends[0], ends[1], wide - ends[2], high - ends[3])


def find_bars(frames: Sequence[Image], hidden: Sequence[Box]) -> list[int]:
    """Columns and rows at the left, top, right and bottom that are black in all frames, if their edge is straight."""
    lit: NDArray[np.bool_] = np.max(np.stack(frames), axis=0) > DARK
    for box in hidden:
        left, top, right, bottom = (max(0, round(side)) for side in box)
        lit[top:bottom, left:right] = False
    left, right = _ends(lit.mean(0))
    top, bottom = _ends(lit.mean(1))
    inside = lit[top : len(lit) - bottom, left : lit.shape[1] - right]
    if not inside.size:
        return [0, 0, 0, 0]
    edges = inside[:, :EDGE_PX], inside[:EDGE_PX].T, inside[:, -EDGE_PX:], inside[-EDGE_PX:].T
    straight = [edge.any(axis=1).mean() >= STRAIGHT for edge in edges]
    return [bar if is_straight else 0 for bar, is_straight in zip((left, top, right, bottom), straight, strict=True)]


def _ends(lit: NDArray[np.float64]) -> tuple[int, int]:
    """How many lines are black at both ends, of the share of each that is lit; 0 if all are."""
    there = np.flatnonzero(lit > LEAST)
    return (int(there[0]), len(lit) - 1 - int(there[-1])) if len(there) else (0, 0)
