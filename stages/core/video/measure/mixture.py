"""Tells a gradual transition from motion and from a change of light, which may make as much of a picture new."""

from collections.abc import Sequence
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.core.video.measure.match import BLOCK_PX, FINE, NOISE, middle, warp
from stages.core.video.read.frames import Image, halve

STEPS = 8  # most steps of a change that are compared
LEVELS = 12  # of brightness, for the tone curve
SAME = 0.78  # a tone curve that explains so much of the contrast is a change of light, whatever else speaks
SEEN = 0.1  # least share of the blocks that show something: mere gradients of colour can be told by nothing
# Weights of `evidence`, fitted to 270 windows of real and drawn films of which 63 held no transition.
OTHER, NEW, LIGHT, LEAST = 5.6, 8.4, 4.3, 7.6


def evidence(other: float, pictures: Sequence[Image]) -> float:
    """Above 0 if one scene turns into another in these pictures, in order, uint8 [height, width], some 128 pixels wide.

    `other` is the share of the picture that is another scene in the last of them (match.py). Beside it two things
    speak. In one scene motion explains the steps from picture to picture; in a dissolve or wipe it leaves them as large
    as they are. And where only the light changes, a tone curve makes the last of the first, or the first of the last.
    """
    light = tone(pictures[0], pictures[-1])
    sure = OTHER * other - LIGHT * light - LEAST
    if sure + NEW <= 0 or light > SAME or min(uneven(pictures[0]), uneven(pictures[-1])) < SEEN:
        return min(0.0, sure)
    left, whole = map(sum, zip(*(step(a, b) for a, b in pairwise(pictures)), strict=True))
    return float(sure + NEW * min(1.0, left / max(whole, 1e-6)))


def step(one: Image, other: Image) -> tuple[float, float]:
    """The mean difference of two pictures that motion does not explain, and that without motion; light set aside."""
    moved = warp(other, FINE.calc(one, other, None))  # type: ignore[call-overload]
    left, whole = (one.astype(np.float32) - each for each in (moved, other))
    return float(np.abs(left - middle(left)).mean()), float(np.abs(whole - middle(whole)).mean())


def tone(one: Image, other: Image) -> float:
    """The share of one picture's contrast that a tone curve of the other explains, 0 to 1: the larger of both ways."""
    a, b = (halve(picture, 1).ravel().astype(np.float64) for picture in (one, other))
    return max(explained(a, b), explained(b, a))


def uneven(picture: Image) -> float:
    """The share of blocks that hold more than a plane of brightness and noise."""
    height, width = (max(1, length // BLOCK_PX) for length in picture.shape)
    size = (width * BLOCK_PX, height * BLOCK_PX)
    whole = picture if picture.shape == size[::-1] else cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    values = whole.reshape(height, BLOCK_PX, width, BLOCK_PX).transpose(0, 2, 1, 3).astype(np.float32)
    values -= values.mean((2, 3), keepdims=True)
    along = np.arange(BLOCK_PX, dtype=np.float32) - (BLOCK_PX - 1) / 2
    slopes = (values * along).mean((2, 3)), (values * along[:, None]).mean((2, 3))
    left = np.square(values).mean((2, 3)) - sum(np.square(slope) for slope in slopes) / np.square(along).mean()
    return float((left > NOISE).mean())


def explained(values: NDArray[np.float64], by: NDArray[np.float64]) -> float:
    """The correlation ratio: the share of the variance of `values` that lies between LEVELS groups of `by`."""
    group = np.searchsorted(np.quantile(by, np.linspace(0, 1, LEVELS + 1)[1:-1]), by)
    counts = np.bincount(group, minlength=LEVELS)
    means = np.bincount(group, values, LEVELS) / np.maximum(1, counts)
    return float((counts * (means - values.mean()) ** 2).sum() / max(1.0, len(values) * values.var()))
