"""Films with known things on top of the picture: black bars, logos, subtitles, a news ticker; or with none of them.

No part of the corpus: the benchmark of `crop` and its tests draw them.
"""

from math import cos, sin, tau
from typing import NamedTuple

import numpy as np

from scripts.truth.cuts import cut
from scripts.truth.drawing.camera import Gaze, Move
from scripts.truth.drawing.canvas import Backdrop
from scripts.truth.drawing.effects import bars, caption
from scripts.truth.drawing.picture import WHITE, Colour, Picture, cover, stamp, writing
from scripts.truth.drawing.props import Prop
from scripts.truth.drawing.scenes import Scene
from scripts.truth.encodings import h264
from scripts.truth.film import Encoding, Film

SIZE = (640, 360)
Shares = tuple[float, float, float, float]  # left, top, right and bottom of a box, as shares of the picture


class Overlay(NamedTuple):
    """What lies on top of the picture, where, and the largest box beside it; both in shares."""

    prop: Prop
    box: Shares
    left: Shares


def overlaid(
    name: str,
    shots: tuple[Scene, ...],
    overlay: Overlay | None,
    *,
    seconds: float = 4,
    size: tuple[int, int] = SIZE,
    encoding: Encoding | None = None,
    grain: float = 1.5,
) -> Film:
    """A film of these shots, with hard cuts between them and the overlay on all of them."""
    frames = round(seconds * 25)
    over = (overlay.prop,) if overlay else ()
    return cut(name, tuple((shot, frames) for shot in shots), encoding or h264(24), size=size, grain=grain, over=over)


def scene(kind: str, mood: str, seed: int, *moves: Move, props: tuple[Prop, ...] = ()) -> Scene:
    """A canvas under a camera with these moves."""
    return Scene(Backdrop(kind, mood, seed), (1100.0 + 370 * (seed % 7), 620.0 + 110 * (seed % 5)), moves, props)


def logo(seed: int, corner: str = "right", alpha: float = 1.0) -> Overlay:
    """A ring around spokes, a tenth of the width, in an upper corner; `alpha` of it over the picture."""
    rng = np.random.default_rng([seed, 515])
    field: Colour = (60.0, *map(float, rng.uniform(90, 166, 2)))  # type: ignore[assignment]
    left = 0.04 if corner == "left" else 0.86

    def paint(picture: Picture, _: float, gaze: Gaze) -> None:
        wide, high = gaze.size
        radius = 0.05 * wide
        x, y = left * wide + radius, 0.07 * high + radius
        on = Picture(*(plane.copy() for plane in picture.planes))
        stamp(on, (x, y), (radius, radius), WHITE)
        stamp(on, (x, y), (0.8 * radius, 0.8 * radius), field)
        for spoke in range(5):
            angle = tau * spoke / 5 + seed
            at = x + 0.45 * radius * cos(angle), y + 0.45 * radius * sin(angle)
            stamp(on, at, (0.16 * radius, 0.16 * radius), WHITE)
        for plane, painted in zip(picture.planes, on.planes, strict=True):
            plane[:] += np.float32(alpha) * (painted - plane)

    bottom = 0.07 + 0.1 * SIZE[0] / SIZE[1]
    rest = (left + 0.1, 0.0, 1.0, 1.0) if corner == "left" else (0.0, 0.0, left, 1.0)
    return Overlay(paint, (left, 0.07, left + 0.1, bottom), rest)


def subtitle(seed: int, plate: float = 0.0) -> Overlay:
    """A line of letters near the lower edge, on a plate or on none."""
    return Overlay(caption(seed, top=0.85, letters=24, plate=plate), (0.2, 0.85, 0.8, 0.96), (0.0, 0.0, 1.0, 0.84))


def ticker(seed: int) -> Overlay:
    """A band along the lower edge on which letters run to the left."""
    rng = np.random.default_rng([seed, 616])
    band: Colour = (40.0, *map(float, rng.uniform(90, 166, 2)))  # type: ignore[assignment]

    def paint(picture: Picture, t: float, gaze: Gaze) -> None:
        wide, high = gaze.size
        top = round(0.88 * high / 2) * 2
        cover(picture, 0, top, np.ones((high - top, wide), np.float32), band)
        text = writing(seed, 60, max(1, wide // 320))
        cover(picture, 2 * round((wide * 0.6 - 0.15 * wide * t) / 2), top + 6, text, WHITE)

    return Overlay(paint, (0.0, 0.88, 1.0, 1.0), (0.0, 0.0, 1.0, 0.88))


def letterbox(share: float = 0.125) -> Overlay:
    """Black bars above and below, each this share of the height."""
    return Overlay(bars(share), (0.0, 0.0, 1.0, share), (0.0, share, 1.0, 1.0 - share))
