"""Films of one shot whose camera makes a known move, with nothing in front of it, a thing that passes, or a person.

No part of the corpus: the benchmark of camera moves and its tests draw them.
"""

from collections.abc import Iterator
from fractions import Fraction

from scripts.truth.cuts import cut
from scripts.truth.drawing.camera import Move, pan, roll, sway, swing, zoom
from scripts.truth.drawing.canvas import Backdrop
from scripts.truth.drawing.props import Prop, Thing, line, talker
from scripts.truth.drawing.scenes import Scene
from scripts.truth.encodings import PAL, h264
from scripts.truth.film import Film

# By their names in `split`: a slow or small one, and a fast or large one.
MOVES: dict[str, tuple[tuple[Move, ...], ...]] = {
    "static": ((), ()),
    "pan_right": ((pan(0.02),), (pan(0.3), sway(0.002, 2))),
    "pan_left": ((pan(-0.02),), (pan(-0.3), sway(0.002, 3))),
    "tilt_down": ((pan(0, 0.02),), (pan(0.05, 0.25),)),
    "tilt_up": ((pan(0, -0.02),), (pan(0.05, -0.25),)),
    "zoom_in": ((zoom(0.06),), (zoom(0.4), pan(0.02))),
    "zoom_out": ((zoom(-0.06),), (zoom(-0.4), pan(0.02))),
    "roll": ((roll(0.06),), (roll(-0.5), pan(0.02))),
    "shaking": ((sway(0.01, 4, 3),), (swing(0.04, 0.6),)),
}
PICTURES = (("leaves", "warm"), ("city", "cold"), ("forest", "green"), ("grass", "grey"), ("bricks", "vivid"))
SHAPES = ((480, 270), (270, 480), (360, 360), (480, 204))
FRONTS = ("nothing", "thing", "person")


def fronts(front: str, seed: int) -> tuple[Prop, ...]:
    """What moves before the picture, on its own."""
    if front == "thing":
        sign = 1 if seed % 2 else -1
        passing = line((-0.35 * sign, 0.05), 0.3 * sign)
        return (Thing(Backdrop("leaves", "dark", seed % 3), passing, (0.14, 0.12), box=bool(seed % 3)),)
    return (talker(seed, 0.15),) if front == "person" else ()


def films(seconds: float = 3, fps: Fraction = PAL) -> Iterator[tuple[str, str, Film]]:
    """Each film with its move's name and what is in front, in turns through pictures and shapes."""
    number = 0
    for name, moves in MOVES.items():
        for strength, move in zip(("slow", "fast"), moves, strict=True):
            for front in FRONTS:
                for _ in range(3):
                    number += 1
                    kind = PICTURES[number % len(PICTURES)]
                    scene = Scene(Backdrop(*kind, number % 4), (1300.0, 720.0), move, fronts(front, number))
                    film = cut(
                        f"camera_{name}_{strength}_{front}_{number}",
                        ((scene, round(seconds * fps)),),
                        h264(24),
                        fps=fps,
                        size=SHAPES[number % len(SHAPES)],
                        grain=2.0,
                    )
                    yield name, front, film
