"""Props in front of the backdrops: people, things, weather.

A prop paints on a picture what is there `t` seconds into the shot, seen by a gaze.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import sin, tau

import numpy as np

from scripts.truth.drawing.camera import Gaze
from scripts.truth.drawing.canvas import SPAN_PX, Backdrop, seen
from scripts.truth.drawing.picture import WHITE, Colour, Picture, Plane, cover, shape, stamp, yuv

Prop = Callable[[Picture, float, Gaze], None]
Path = Callable[[float], tuple[float, float]]


@dataclass(frozen=True)
class Thing:
    """A textured box or ellipse on a path; its centre (from the frame's centre) and radii are in frame widths."""

    backdrop: Backdrop
    path: Path
    radii: tuple[float, float]
    box: bool = True
    soft_px: float = 1

    def mask(self, t: float, size: tuple[int, int]) -> tuple[int, int, Plane]:
        """Even corner and alpha of the thing in a frame of this size."""
        x, y = self.path(t)
        centre = size[0] * (0.5 + x), size[1] / 2 + size[0] * y
        radii = self.radii[0] * size[0], self.radii[1] * size[0]
        return shape(centre, radii, box=self.box, soft_px=self.soft_px)

    def __call__(self, picture: Picture, t: float, gaze: Gaze) -> None:
        left, top, alpha = self.mask(t, gaze.size)
        high, wide = alpha.shape
        x, y = self.path(t)
        step = SPAN_PX / max(gaze.size)
        off_x = left + wide / 2 - gaze.size[0] * (0.5 + x)
        off_y = top + high / 2 - gaze.size[1] / 2 - gaze.size[0] * y
        texture = seen(self.backdrop, (1500 + off_x * step, 700 + off_y * step), step, (wide, high), 0)
        cover(picture, left, top, alpha, texture.planes)


def line(start: tuple[float, float], right: float, down: float = 0) -> Path:
    """A straight path: where it starts, and widths a second."""
    return lambda t: (start[0] + right * t, start[1] + down * t)


def talker(seed: int, x: float = 0, near: float = 1, restless: float = 1) -> Prop:
    """Head and shoulders of someone who talks: lips and lids move, the head sways, a hand comes up now and then."""
    rng = np.random.default_rng([seed, 313])
    skin = yuv(*(np.array([0.85, 0.66, 0.55]) * rng.uniform(0.45, 1)).tolist())
    hair, cloth, eye = (
        yuv(*rng.uniform(low, high, 3).tolist()) for low, high in ((0.03, 0.35), (0.1, 0.8), (0.05, 0.2))
    )
    phases, blinks = rng.uniform(0, tau, 6), np.cumsum(rng.uniform(1.5, 4, 30))

    def paint(picture: Picture, t: float, gaze: Gaze) -> None:
        high = gaze.size[1] * near
        sways = [
            sin(tau * rate * t + phase) for rate, phase in zip((0.21, 0.33, 0.7, 0.11, 3.9, 0.9), phases, strict=True)
        ]
        cx = gaze.size[0] * (0.5 + x) + restless * high * (0.02 * sways[0] + 0.006 * sways[2])
        cy = gaze.size[1] * 0.5 - 0.06 * high + restless * high * 0.008 * sways[1]
        stamp(picture, (gaze.size[0] * (0.5 + x), cy + 0.68 * high), (0.36 * high, 0.4 * high), cloth)
        stamp(picture, (cx, cy + 0.25 * high), (0.07 * high, 0.12 * high), skin)
        stamp(picture, (cx, cy - 0.05 * high), (0.165 * high, 0.215 * high), hair)
        stamp(picture, (cx, cy), (0.14 * high, 0.19 * high), skin, soft_px=2)
        lid = 0.15 if any(0 <= t - blink < 0.14 for blink in blinks) else 1
        for side in (-1, 1):
            stamp(picture, (cx + side * 0.055 * high, cy - 0.03 * high), (0.02 * high, 0.012 * high * lid), eye)
        talk = abs(sways[4]) * max(0.0, 0.4 + sways[5])
        stamp(picture, (cx, cy + 0.09 * high), (0.045 * high, (0.006 + 0.02 * talk) * high), eye)
        if sways[3] > 0.75:
            up = (sways[3] - 0.75) * 4
            hand = (cx + 0.25 * high + 0.03 * high * sways[5], cy + (0.62 - 0.3 * up) * high)
            stamp(picture, hand, (0.06 * high, 0.08 * high), skin, angle=0.4)

    return paint


def crowd(seed: int, people: int, at: tuple[float, float], pace: float = 0.04) -> Prop:
    """Small people near a point of the canvas, each walking its own way; speeds in frame widths a second."""
    rng = np.random.default_rng([seed, 414])
    depth = np.sort(rng.uniform(0.3, 1, people))
    starts, drifts = rng.uniform(0, 1.4, people), pace * rng.normal(0, 1, people) * depth
    coats = [yuv(*rng.uniform(0.05, 0.9, 3).tolist()) for _ in range(people)]
    skins = [yuv(0.8 * dark, 0.62 * dark, 0.5 * dark) for dark in rng.uniform(0.4, 1, people)]
    phases = rng.uniform(0, tau, people)

    def paint(picture: Picture, t: float, gaze: Gaze) -> None:
        for far, start, drift, coat, skin, phase in zip(depth, starts, drifts, coats, skins, phases, strict=True):
            tall = 80 * far / gaze.step
            x = at[0] + SPAN_PX * ((start + drift * t) % 1.4 - 0.7)
            y = at[1] + 720 * (0.75 * far - 0.3) + 4 * far * sin(tau * 1.8 * t + phase)
            across, foot = gaze.place(x, y)
            stamp(picture, (across, foot), (0.28 * tall, 0.55 * tall), coat)
            stamp(picture, (across, foot - 0.72 * tall), (0.17 * tall, 0.2 * tall), skin)

    return paint


def rain(seed: int, drops: int = 900, length_px: int = 18, strength: float = 0.35) -> Prop:
    """Streaks that fall fast."""
    rng = np.random.default_rng([seed, 515])
    xs, phases, rates = rng.random(drops), rng.random(drops), rng.uniform(1.6, 2.6, drops)

    def paint(picture: Picture, t: float, gaze: Gaze) -> None:
        wide, high = gaze.size
        rows = ((phases + rates * t) % 1.2 * high).astype(np.intp)[:, None] + np.arange(length_px)
        columns = ((xs + 0.06 * rates * t) % 1 * wide).astype(np.intp)[:, None] + (np.arange(length_px) // 5)
        inside = (rows < high) & (columns < wide)
        r, c = rows[inside], columns[inside]
        picture.y[r, c] += np.float32(strength) * (np.float32(WHITE[0]) - picture.y[r, c])

    return paint


def confetti(seed: int, pieces: int = 150) -> Prop:
    """Bright scraps that flutter down."""
    rng = np.random.default_rng([seed, 616])
    colours: list[Colour] = [yuv(*rng.uniform(0.1, 1, 3).tolist()) for _ in range(pieces)]
    xs, phases, rates, sizes = (
        rng.random(pieces),
        rng.random(pieces),
        rng.uniform(0.15, 0.4, pieces),
        rng.uniform(0.004, 0.011, pieces),
    )

    def paint(picture: Picture, t: float, gaze: Gaze) -> None:
        wide, high = gaze.size
        for x, phase, rate, size, colour in zip(xs, phases, rates, sizes, colours, strict=True):
            turn = tau * (2 * t * rate * 5 + phase)
            at = ((x + 0.02 * sin(turn / 2)) * wide, ((phase + rate * t) % 1.1 - 0.05) * high)
            stamp(
                picture,
                at,
                (size * wide, size * wide * (0.15 + 0.85 * abs(sin(turn)))),
                colour,
                angle=turn / 3,
                box=True,
            )

    return paint


def ripples(seed: int, strength: float = 0.55) -> Prop:
    """Water: two textures drift through each other and light the picture."""
    one, two = Backdrop("bokeh", "grey", seed), Backdrop("clouds", "grey", seed + 1)

    def paint(picture: Picture, t: float, gaze: Gaze) -> None:
        step = 2.5 * SPAN_PX / max(gaze.size)
        a = seen(one, (900 + 90 * t, 700 + 60 * sin(2 * t)), step, gaze.size, 0).y
        b = seen(two, (700 - 120 * t, 600 + 50 * sin(2.7 * t)), step, gaze.size, 0).y
        wave = np.sin((a + b) * np.float32(0.11) + np.float32(3 * t))
        picture.y += np.float32(strength) * wave * (picture.y - 16) * np.float32(0.6)

    return paint
