"""How the picture looks: brightness and sharpness at a few moments a second."""

from typing import NamedTuple

import cv2

from stages.core.video.frames import BLACK, WHITE, Image


class Look(NamedTuple):
    """One moment: luma 0 (black) to 1 (white), sharpness from 0 upwards."""

    time_s: float
    luma: float
    sharpness: float


class LookMeter:
    """Feed it every frame in order; it looks `per_s` times a second."""

    def __init__(self, per_s: float) -> None:
        self._every_s = 1 / per_s
        self._next_s = float("-inf")
        self.samples: list[Look] = []

    def add(self, time_s: float, luma: Image) -> None:
        """`luma` is uint8 [height, width], 16 to 235."""
        if time_s >= self._next_s:
            self._next_s = time_s + self._every_s
            self.samples.append(Look(time_s, brightness(luma), sharpness(luma)))


def brightness(luma: Image) -> float:
    """Mean luma as a share of white, 0 to 1."""
    return min(1.0, max(0.0, (cv2.mean(luma)[0] - BLACK) / (WHITE - BLACK)))


def sharpness(luma: Image) -> float:
    """Variance of the Laplacian (Pech-Pacheco et al. 2000); it depends on the size, so compare one width only."""
    _, deviation = cv2.meanStdDev(cv2.Laplacian(luma, cv2.CV_16S))
    return float(deviation[0, 0]) ** 2
