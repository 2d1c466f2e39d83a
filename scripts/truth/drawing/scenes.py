"""Scenes of the ground-truth corpus: a backdrop, a camera and props, and scenes drawn by chance in a given style."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scripts.truth.drawing.camera import Gaze, Move, closer, gaze, pan, speed, sway, zoom
from scripts.truth.drawing.canvas import Backdrop, seen
from scripts.truth.drawing.picture import Picture, Plane
from scripts.truth.drawing.props import Prop, Thing, crowd, line, talker
from scripts.truth.sheet import MOODS

FAST_SHUTTER_S = 0.012  # open for about a third of a frame: fast pans blur what they pass
KINDS = ("leaves", "clouds", "sky", "city", "room", "forest", "bricks", "bokeh", "grass")


@dataclass(frozen=True)
class Scene:
    """A backdrop around a point of it (canvas pixels), the camera's moves and shutter, and props from back to front."""

    backdrop: Backdrop
    at: tuple[float, float] = (1500, 760)
    moves: tuple[Move, ...] = ()
    props: tuple[Prop, ...] = ()
    shutter_s: float = 0

    def gaze(self, t: float, size: tuple[int, int]) -> Gaze:
        """Where the camera looks `t` seconds into the shot."""
        return gaze(self.at, self.moves, t, size)

    def picture(self, t: float, size: tuple[int, int]) -> Picture:
        """What the camera sees `t` seconds into the shot: the backdrop and the props."""
        look = self.gaze(t, size)
        picture = self.exposed(look, t)
        for prop in self.props:
            prop(picture, t, look)
        return picture

    def exposed(self, look: Gaze, t: float) -> Picture:
        """The backdrop with motion blur: its mean at up to 10 instants while the shutter is open."""
        size = look.size
        few = (16, round(16 * size[1] / size[0]))
        swept = speed(self.gaze(t, few), self.gaze(t + self.shutter_s, few)).max() if self.shutter_s else 0
        count = min(10, 1 + round(float(swept) * size[0] / 2))
        looks = [look, *(self.gaze(t + self.shutter_s * n / count, size) for n in range(1, count))]
        shots = [seen(self.backdrop, at.centre, at.step, size, at.angle).planes for at in looks]
        return Picture(*(sum(planes[1:], planes[0]) / np.float32(count) for planes in zip(*shots, strict=True)))

    def flow(self, t: float, length_s: float, size: tuple[int, int]) -> Plane:
        """The speed of each pixel at `t`, in frame widths a second; of the props, only things count."""
        speeds = speed(self.gaze(t, size), self.gaze(t + length_s, size)) / np.float32(length_s)
        for thing in self.props:
            if isinstance(thing, Thing):
                left, top, alpha = thing.mask(t, size)
                (x0, y0), (x1, y1) = thing.path(t), thing.path(t + length_s)
                there = speeds[max(top, 0) : max(top + alpha.shape[0], 0), max(left, 0) : max(left + alpha.shape[1], 0)]
                seen_part = alpha[max(-top, 0) :, max(-left, 0) :][: there.shape[0], : there.shape[1]]
                there[seen_part > 0.5] = np.hypot(x1 - x0, y1 - y0) / length_s
        return speeds


def by_chance(rng: np.random.Generator, mood: str, style: str, kinds: Sequence[str] = KINDS, seeds: int = 3) -> Scene:
    """A random scene of a mood (or "any") and a style (or "mixed"); scenes of one mood share its palettes."""
    style = str(rng.choice(STYLES)) if style == "mixed" else style
    if mood == "any":
        mood, seeds = str(rng.choice(list(MOODS))), 1
    kind, seed = str(rng.choice(kinds)), int(rng.integers(1 << 30))
    backdrop = Backdrop(kind, mood, int(rng.integers(seeds)))
    at = float(rng.uniform(0, 3000)), float(rng.uniform(600, 900) if kind in ("sky", "city") else rng.uniform(0, 1500))
    moves: list[Move] = [closer(float(rng.uniform(-0.1, 0.35)))]
    props: list[Prop] = []
    sign = float(rng.choice([-1, 1]))
    if style in ("sway", "talk", "crowd", "thing"):
        moves.append(sway(float(rng.uniform(0.001, 0.012)), seed))
    if style in ("pan", "fast"):
        speeds = (0.02, 0.25) if style == "pan" else (0.35, 0.9)
        moves += [pan(sign * float(rng.uniform(*speeds)), float(rng.normal(0, 0.02))), sway(0.002, seed)]
    if style == "zoom":
        moves.append(zoom(sign * float(rng.uniform(0.03, 0.2))))
    if style == "talk":
        props.append(talker(seed, float(rng.uniform(-0.2, 0.2)), float(rng.uniform(0.8, 1.4))))
    if style == "crowd":
        props.append(crowd(seed, 24, at, float(rng.uniform(0.03, 0.12))))
    if style == "thing":
        texture = Backdrop("leaves", mood, int(rng.integers(seeds)))
        start = -0.6 * sign, float(rng.uniform(-0.1, 0.15))
        radii = float(rng.uniform(0.06, 0.18)), float(rng.uniform(0.06, 0.14))
        props.append(Thing(texture, line(start, sign * float(rng.uniform(0.1, 0.6))), radii, box=bool(rng.integers(2))))
    return Scene(backdrop, at, tuple(moves), tuple(props), FAST_SHUTTER_S if style == "fast" else 0)


STYLES = ("still", "sway", "pan", "fast", "zoom", "talk", "crowd", "thing")
