"""Pictures of the ground-truth corpus: 4:2:0 planes, and shapes painted on them with anti-aliased edges."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import ceil, cos, floor, sin

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]
Colour = tuple[float, float, float]  # Y, U, V in video range: luma 16 to 235, chroma 16 to 240
WHITE: Colour = (235.0, 128.0, 128.0)
BLACK: Colour = (16.0, 128.0, 128.0)


@dataclass
class Picture:
    """Three float32 planes, luma and the two half-sized chroma planes, in video range and not yet clipped."""

    y: Plane
    u: Plane
    v: Plane

    @property
    def planes(self) -> tuple[Plane, Plane, Plane]:
        """Luma, blue and red difference."""
        return self.y, self.u, self.v

    def light(self, gain: float) -> None:
        """Multiplies the exposure by `gain`."""
        for plane, zero in zip(self.planes, BLACK, strict=True):
            plane[:] = (plane - zero) * gain + zero

    def tint(self, colour: Colour, share: float) -> None:
        """Blends the picture by `share` with a plain colour."""
        for plane, value in zip(self.planes, colour, strict=True):
            plane[:] += share * (value - plane)

    def packed(self, bits: int) -> bytes:
        """The bytes of ffmpeg's yuv420p, or yuv420p10le for 10 bits."""
        scale, top = (1, 255) if bits == 8 else (4, 1023)
        kind = np.uint8 if bits == 8 else np.dtype("<u2")
        return b"".join(np.clip(np.rint(p * scale), 0, top).astype(kind).tobytes() for p in self.planes)


def yuv(red: float, green: float, blue: float) -> Colour:
    """BT.709 video range of a colour in 0 to 1."""
    luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return 16 + 219 * luma, 128 + 224 * (blue - luma) / 1.8556, 128 + 224 * (red - luma) / 1.5748


def mix(old: Picture, new: Picture, share: float | Plane) -> Picture:
    """`share` of the new picture, one number or a luma-sized plane, over the old one."""
    if isinstance(share, float):
        return Picture(*(a + share * (b - a) for a, b in zip(old.planes, new.planes, strict=True)))
    half = halved(share)
    shares = (share, half, half)
    return Picture(*(a + s * (b - a) for a, b, s in zip(old.planes, new.planes, shares, strict=True)))


def halved(plane: Plane) -> Plane:
    """A plane of half the size, each pixel the mean of four."""
    pairs = plane[0::2] + plane[1::2]
    return (pairs[:, 0::2] + pairs[:, 1::2]) * np.float32(0.25)


def cover(picture: Picture, left: int, top: int, alpha: Plane, paint: Sequence[float | Plane]) -> None:
    """Blends a colour, or planes of alpha's size, into the picture at an even corner that may lie outside."""
    height, width = picture.y.shape
    x0, y0 = max(left, 0), max(top, 0)
    x1, y1 = min(left + alpha.shape[1], width), min(top + alpha.shape[0], height)
    if x0 >= x1 or y0 >= y1:
        return
    seen = alpha[y0 - top : y1 - top, x0 - left : x1 - left]
    for plane, value, step in zip(picture.planes, paint, (1, 2, 2), strict=True):
        there = plane[y0 // step : y1 // step, x0 // step : x1 // step]
        share = seen if step == 1 else halved(seen)
        rows, columns = slice((y0 - top) // step, (y1 - top) // step), slice((x0 - left) // step, (x1 - left) // step)
        there += share * ((value[rows, columns] if isinstance(value, np.ndarray) else value) - there)


def shape(
    centre: tuple[float, float], radii: tuple[float, float], *, angle: float = 0, box: bool = False, soft_px: float = 1
) -> tuple[int, int, Plane]:
    """Even corner (left, top) and alpha of an ellipse or box with an edge `soft_px` wide; all in pixels."""
    (x, y), (rx, ry) = centre, radii
    reach_x = abs(rx * cos(angle)) + abs(ry * sin(angle)) + soft_px
    reach_y = abs(rx * sin(angle)) + abs(ry * cos(angle)) + soft_px
    left, top = 2 * floor((x - reach_x) / 2), 2 * floor((y - reach_y) / 2)
    across = np.arange(2 * ceil((x + reach_x - left) / 2 + 0.5), dtype=np.float32) + np.float32(left + 0.5 - x)
    down = np.arange(2 * ceil((y + reach_y - top) / 2 + 0.5), dtype=np.float32)[:, None] + np.float32(top + 0.5 - y)
    if angle:
        across, down = across * cos(angle) + down * sin(angle), down * cos(angle) - across * sin(angle)
    if box:
        inside = np.minimum(rx - np.abs(across), ry - np.abs(down))
    else:
        inside = (1 - np.sqrt((across / rx) ** 2 + (down / ry) ** 2)) * min(rx, ry)
    return left, top, np.clip(inside / soft_px + 0.5, 0, 1).astype(np.float32)


def stamp(
    picture: Picture,
    centre: tuple[float, float],
    radii: tuple[float, float],
    colour: Colour,
    *,
    angle: float = 0,
    box: bool = False,
    soft_px: float = 1,
) -> None:
    """Paints an ellipse or box."""
    height, width = picture.y.shape
    reach = max(radii) * 1.5 + soft_px
    if not (-reach < centre[0] < width + reach and -reach < centre[1] < height + reach):
        return
    left, top, mask = shape(centre, radii, angle=angle, box=box, soft_px=soft_px)
    cover(picture, left, top, mask, colour)


@lru_cache(64)
def writing(seed: int, letters: int, dot_px: int) -> Plane:
    """Alpha of a line of letter-like strokes, 5 x 7 dots each, with gaps between words; even sides, 9 dots high."""
    rng = np.random.default_rng([seed, letters, 77])
    strokes = [
        (slice(0, 7), 0),
        (slice(0, 7), 4),
        (0, slice(0, 5)),
        (3, slice(0, 5)),
        (6, slice(0, 5)),
        (slice(3, 7), 2),
    ]
    dots = np.zeros((9, letters * 6 + 2), np.float32)
    for letter in range(letters):
        glyph = np.zeros((7, 5), np.float32)
        for stroke in rng.choice(len(strokes), 3, replace=False):
            glyph[strokes[stroke]] = 1
        if rng.random() > 0.16:
            dots[1:8, letter * 6 + 1 : letter * 6 + 6] = glyph
    large = np.kron(dots, np.ones((dot_px, dot_px), np.float32))
    return large[: large.shape[0] // 2 * 2, : large.shape[1] // 2 * 2]
