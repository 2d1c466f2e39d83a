"""Cameras of the ground-truth corpus: moves that add up to a gaze at each instant, and the true flow that they cause.

A move is a function of the seconds since its shot began: how far the gaze has gone right and down (in frame widths at
zoom 1), the natural logarithm of the zoom, and the roll (radians).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import cos, exp, pi, sin, tau

import numpy as np

from scripts.truth.drawing.canvas import SPAN_PX
from scripts.truth.drawing.picture import Plane

Offset = tuple[float, float, float, float]
Move = Callable[[float], Offset]


@dataclass(frozen=True)
class Gaze:
    """Where a camera looks: the frame centre on the canvas, canvas pixels to a frame pixel, roll; the frame's size."""

    centre: tuple[float, float]
    step: float
    angle: float
    size: tuple[int, int]

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Where on the frame (pixels) a point of the canvas is seen; a camera that does not roll."""
        return (x - self.centre[0]) / self.step + self.size[0] / 2, (y - self.centre[1]) / self.step + self.size[1] / 2


def gaze(at: tuple[float, float], moves: Iterable[Move], t: float, size: tuple[int, int]) -> Gaze:
    """The gaze `t` seconds into a shot that starts around a point of the canvas."""
    right, down, zoom, angle = (
        sum(parts) for parts in zip((0.0, 0.0, 0.0, 0.0), *(move(t) for move in moves), strict=True)
    )
    step = SPAN_PX / max(size)
    return Gaze((at[0] + right * step * size[0], at[1] + down * step * size[0]), step * exp(-zoom), angle, size)


def speed(before: Gaze, after: Gaze) -> Plane:
    """How far the content of each pixel moves from one gaze to the next, in frame widths."""
    wide, high = before.size
    x = ((np.arange(wide) + 0.5 - wide / 2) * before.step)[None]
    y = ((np.arange(high) + 0.5 - high / 2) * before.step)[:, None]
    cosine, sine = cos(before.angle), sin(before.angle)
    right = x * cosine - y * sine + before.centre[0] - after.centre[0]
    down = x * sine + y * cosine + before.centre[1] - after.centre[1]
    cosine, sine = cos(after.angle) / after.step, sin(after.angle) / after.step
    moved_x = right * cosine + down * sine - x / before.step
    moved_y = down * cosine - right * sine - y / before.step
    return (np.hypot(moved_x, moved_y) / wide).astype(np.float32)


def pan(right: float, down: float = 0) -> Move:
    """A steady pan in frame widths a second; the content moves the other way."""
    return lambda t: (right * t, down * t, 0, 0)


def zoom(rate: float) -> Move:
    """A steady zoom: the logarithm of the scale grows by `rate` each second."""
    return lambda t: (0, 0, rate * t, 0)


def closer(by: float) -> Move:
    """A fixed zoom."""
    return lambda _: (0, 0, by, 0)


def roll(rate: float) -> Move:
    """A steady turn about the frame's centre, in radians a second."""
    return lambda t: (0, 0, 0, rate * t)


def swing(reach: float, period_s: float) -> Move:
    """Back and forth along a sine, `reach` widths to each side."""
    return lambda t: (reach * sin(tau * t / period_s), 0, 0, 0)


def sway(reach: float, seed: int, pace: float = 1, turn: float = 0) -> Move:
    """A hand-held camera: slow drift and faster tremble of about `reach` frame widths, and `turn` radians of roll."""
    rng = np.random.default_rng([seed, 991])
    rates = pace * np.array([0.23, 0.6, 1.3, 2.7])
    sizes = np.array([1, 0.55, 0.3, 0.13]) * rng.uniform(0.6, 1.2, (4, 4))
    phases = rng.uniform(0, tau, (4, 4))

    def move(t: float) -> Offset:
        x, y, near, angle = (sizes * np.sin(tau * rates * t + phases)).sum(1).tolist()
        return reach * x, reach * 0.7 * y, reach * 0.5 * near, turn * angle

    return move


def eased(t: float, start_s: float, length_s: float) -> float:
    """0 before the start, 1 after the end, smoothly accelerating and slowing between."""
    share = min(max((t - start_s) / length_s, 0), 1)
    return 0.5 - 0.5 * cos(pi * share)


def whip(start_s: float, length_s: float, widths: float) -> Move:
    """A whip pan between two rests."""
    return lambda t: (widths * eased(t, start_s, length_s), 0, 0, 0)


def snap(start_s: float, length_s: float, by: float) -> Move:
    """A fast zoom between two rests."""
    return lambda t: (0, 0, by * eased(t, start_s, length_s), 0)
