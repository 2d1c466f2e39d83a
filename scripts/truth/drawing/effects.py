"""What happens to a picture as a whole in the ground-truth corpus: flashes, exposure, focus, captions, insets."""

from collections.abc import Callable, Sequence
from math import exp

import numpy as np

from scripts.truth.drawing.camera import Gaze
from scripts.truth.drawing.canvas import SPAN_PX, Backdrop, seen
from scripts.truth.drawing.picture import BLACK, WHITE, Colour, Picture, Plane, cover, shape, stamp, writing
from scripts.truth.drawing.props import Prop

Curve = Callable[[float], float]


def exposure(curve: Curve) -> Prop:
    """Brightness that is multiplied by a function of time."""
    return lambda picture, t, _: picture.light(curve(t))


def flash(
    starts_s: Sequence[float], length_s: float, share: float = 1, decay_s: float = 0, colour: Colour = WHITE
) -> Prop:
    """A flash: the picture is blended by `share` with a colour, then returns at once or decays exponentially."""

    def paint(picture: Picture, t: float, _: Gaze) -> None:
        for start in starts_s:
            late = t - start + 1e-6
            if 0 <= late < length_s:
                picture.tint(colour, share)
            elif decay_s and length_s <= late < length_s + 6 * decay_s:
                picture.tint(colour, share * exp((length_s - late) / decay_s))

    return paint


def spotlights(events: Sequence[tuple[float, float, float, float]], length_s: float) -> Prop:
    """Photographers' flashes, each (second, x, y, strength): a glare at a place, and some light everywhere."""

    def paint(picture: Picture, t: float, gaze: Gaze) -> None:
        wide, high = gaze.size
        for start, x, y, strength in events:
            if 0 <= t - start + 1e-6 < length_s:
                picture.light(1 + 0.9 * strength)
                radius = 0.1 * wide * strength
                stamp(picture, (x * wide, y * high), (radius, radius), WHITE, soft_px=radius)

    return paint


def focus(curve: Curve) -> Prop:
    """Blur whose radius, in thousandths of the width, follows a curve."""

    def paint(picture: Picture, t: float, gaze: Gaze) -> None:
        for plane, part in zip(picture.planes, (1, 2, 2), strict=True):
            radius = round(curve(t) * gaze.size[0] / 1000 / part)
            for axis in (0, 1, 0, 1) if radius else ():
                plane[:] = smeared(plane, radius, axis)

    return paint


def smeared(plane: Plane, radius_px: int, axis: int) -> Plane:
    """The mean over 2 radius + 1 pixels along an axis, edges repeated."""
    edges = [(0, 0), (0, 0)]
    edges[axis] = (radius_px + 1, radius_px)
    sums = np.cumsum(np.pad(plane, edges, mode="edge"), axis=axis, dtype=np.float64)
    size, n = 2 * radius_px + 1, plane.shape[axis]
    upper, lower = (sums[size:], sums[:n]) if axis == 0 else (sums[:, size:], sums[:, :n])
    return ((upper - lower) / size).astype(np.float32)


def caption(
    seed: int, start_s: float = 0, end_s: float = 1e9, *, top: float = 0.8, letters: int = 26, plate: float = 0.75
) -> Prop:
    """A line of letters on a plate that stays from one time to another, its top at a share of the height."""
    rng = np.random.default_rng([seed, 717])
    back: Colour = (float(rng.uniform(25, 80)), float(rng.uniform(100, 160)), float(rng.uniform(100, 160)))

    def paint(picture: Picture, t: float, gaze: Gaze) -> None:
        if not start_s <= t + 1e-6 < end_s:
            return
        wide, high = gaze.size
        dot_px = max(1, round(0.6 * wide / (letters * 6)))
        text = writing(seed, letters, dot_px)
        left, y = (wide - text.shape[1]) // 4 * 2, int(high * top) // 2 * 2
        if plate:
            rim = 4 * dot_px
            box = np.full((text.shape[0] + rim, text.shape[1] + 2 * rim), plate, np.float32)
            box = box[: box.shape[0] // 2 * 2]
            cover(picture, left - rim // 2 * 2, y - rim // 4 * 2, box, back)
        cover(picture, left, y, text, WHITE)

    return paint


def inset(backdrops: Sequence[Backdrop], every_s: float, corner: tuple[float, float], share: float) -> Prop:
    """A picture in the picture that changes to another canvas at a fixed interval."""

    def paint(picture: Picture, t: float, gaze: Gaze) -> None:
        wide, high = (int(side * share) // 2 * 2 for side in gaze.size)
        left, top = (int(at * side) // 2 * 2 for at, side in zip(corner, gaze.size, strict=True))
        step = SPAN_PX / max(gaze.size) / share * 0.7
        shown = seen(backdrops[int(t / every_s + 1e-6) % len(backdrops)], (1200 + 60 * t, 700), step, (wide, high), 0)
        cover(picture, left, top, np.ones((high, wide), np.float32), shown.planes)

    return paint


def bars(share: float) -> Prop:
    """Black bars above and below, each a share of the height."""

    def paint(picture: Picture, _: float, gaze: Gaze) -> None:
        rows = int(gaze.size[1] * share) // 2 * 2
        for top in (0, gaze.size[1] - rows):
            cover(picture, 0, top, np.ones((rows, gaze.size[0]), np.float32), BLACK)

    return paint


def blast(start_s: float, x: float, y: float) -> Prop:
    """An explosion: a ball of light that grows in a few frames, burns out in a second, and smoke after it."""

    def paint(picture: Picture, t: float, gaze: Gaze) -> None:
        late = t - start_s
        if late < 0:
            return
        wide, high = gaze.size
        grown = 1 - exp(-late / 0.12)
        radius = wide * (0.05 + 0.45 * grown)
        left, top, mask = shape((x * wide, y * high), (radius, radius * 0.8), soft_px=radius * 0.8)
        fire: Colour = (225.0, 95.0, 160.0)
        cover(picture, left, top, mask * np.float32(exp(-late / 0.5)), fire)
        cover(
            picture, left, top, mask * np.float32(0.55 * (1 - exp(-late / 0.5)) * exp(-late / 4)), (60.0, 126.0, 132.0)
        )
        picture.light(1 + 1.2 * exp(-late / 0.25))

    return paint
