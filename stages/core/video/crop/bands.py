"""Finds bands along the picture's edges, such as a news ticker's: a straight border, and a plain colour beyond it."""

from collections.abc import Sequence

import numpy as np

from stages.core.video.crop.box import Box
from stages.core.video.read.frames import Image

STEP = 8  # levels by which a border's two sides differ, in every frame
LONG = 0.6  # share of the border that must be seen in all frames together
PLAIN = 0.4  # share of the band that is the same in all frames: all but the letters
ALIKE = 10  # levels within which it is the same
CHANGED = 0.5  # share of the rest that must not be the same, else the picture itself stands still
LEAST_PX = 4


def find_bands(frames: Sequence[Image], inside: Box, near_edge: float) -> list[Box]:
    """The boxes of bands in frames of different places, uint8 [height, width] of one size; `inside` is without bars."""
    left, top, right, bottom = (round(side) for side in inside)
    stack = np.stack([frame[top:bottom, left:right] for frame in frames]).astype(np.int16)
    same = np.ptp(stack, axis=0) <= ALIKE
    found = []
    for axis in (1, 2):  # bands above and below, then at the left and the right
        across = stack if axis == 1 else stack.transpose(0, 2, 1)
        steps = (np.abs(across[:, 2:] - across[:, :-2]) >= STEP).mean(axis=(0, 2))  # a border is two pixels wide
        alike = (same if axis == 1 else same.T).mean(axis=1)
        length = len(alike)
        far = round(near_edge * length)
        for flipped in (False, True):
            border, plain = (values[::-1] if flipped else values for values in (steps, alike))
            places = np.flatnonzero(border[LEAST_PX:far] >= LONG) + LEAST_PX
            wide = [int(at) + 2 for at in places if plain[: at + 1].mean() >= PLAIN]
            if not wide or plain[max(wide) :].mean() > 1 - CHANGED:
                continue
            start, end = (length - max(wide), length) if flipped else (0, max(wide))
            found.append(
                Box(left, top + start, right, top + end) if axis == 1 else Box(left + start, top, left + end, bottom)
            )
    return found
