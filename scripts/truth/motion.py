"""Films of known optical flow: moving cameras and things, at many frame rates, sizes and qualities."""

from fractions import Fraction
from itertools import pairwise
from math import sin, tau

import numpy as np

from scripts.truth.drawing.camera import Move, pan, roll, sway, swing, zoom
from scripts.truth.drawing.canvas import Backdrop
from scripts.truth.drawing.effects import exposure
from scripts.truth.drawing.props import Prop, Thing, line
from scripts.truth.drawing.scenes import Scene
from scripts.truth.encodings import FAST, FASTEST, NTSC, PAL, h264, hevc, vp9
from scripts.truth.film import Encoding, Film


def moving(
    name: str,
    camera: str,
    moves: tuple[Move, ...] = (),
    *,
    kind: str = "leaves",
    mood: str = "warm",
    props: tuple[Prop, ...] = (),
    seconds: float = 3,
    spans_s: tuple[float, ...] = (),
    fps: Fraction = PAL,
    size: tuple[int, int] = (640, 360),
    encoding: Encoding | None = None,
    grain: float = 1.5,
    over: tuple[Prop, ...] = (),
    notes: str = "",
) -> Film:
    """A film of one scene; truth.json gives the flow of each span between the times `spans_s`."""
    scene = Scene(Backdrop(kind, mood, 6), (1200.0, 700.0), moves, props)
    frames = round(seconds * fps)
    edges = [0.0, *spans_s, frames / float(fps)]
    facts: dict[str, object] = {
        "motion": [
            {"start_s": start, "end_s": end, "widths_per_s": flow(scene, start, end, fps, size), "camera": camera}
            for start, end in pairwise(edges)
        ],
        "notes": notes,
    }
    return Film(
        f"motion_{name}",
        "motion",
        ((scene, frames),),
        encoding or h264(23),
        (),
        fps,
        size,
        grain,
        over=over,
        facts=facts,
    )


def flow(scene: Scene, start_s: float, end_s: float, fps: Fraction, size: tuple[int, int]) -> float:
    """Mean magnitude of the flow from each frame of the span to the next, over all pixels, in frame widths a second."""
    step = float(1 / fps)
    times = np.arange(round(start_s / step), round(end_s / step)) * step
    wide = 192 if scene.props else 96  # a camera's own flow is smooth, a thing's has edges
    grid = (wide, round(wide * size[1] / size[0]))
    return round(float(np.mean([scene.flow(float(t), step, grid).mean() for t in times])), 5)


def phases(speeds: tuple[float, ...], each_s: float) -> Move:
    """Pans at one speed after another."""
    return lambda t: (sum(v * min(max(t - n * each_s, 0), each_s) for n, v in enumerate(speeds)), 0, 0, 0)


def pans() -> list[Film]:
    """Pans at five speeds to both sides; one pan at all frame rates and sizes, and over other canvases."""
    kinds = ("leaves", "city", "forest", "leaves", "bricks")
    both = [
        moving(f"pan_{way}_{speed:g}", f"pan {way} {speed:g}", (pan(speed if way == "right" else -speed),), kind=kind)
        for speed, kind in zip((0.01, 0.05, 0.2, 0.6, 1.2), kinds, strict=True)
        for way in ("right", "left")
    ]
    same = (pan(0.15, 0.03),)
    rates = [
        (f"{float(fps):g}".replace(".", "_"), fps) for fps in (Fraction(24), PAL, NTSC, Fraction(30), FAST, FASTEST)
    ]
    sizes = [(320, 180), (640, 360), (1280, 720)]
    canvases = ("sky", "bokeh", "bricks", "grass", "night", "room", "clouds", "page")
    return [
        *both,
        moving("pan_down_0.1", "pan down 0.1", (pan(0, 0.1),)),
        moving("pan_up_0.4", "pan up 0.4", (pan(0, -0.4),), kind="city"),
        *(moving(f"same_at_{name}_fps", "the same pan 0.153", same, fps=fps, mood="green") for name, fps in rates),
        *(moving(f"same_at_{size[1]}p", "the same pan 0.153", same, size=size, mood="green") for size in sizes),
        *(moving(f"same_over_{kind}", "the same pan 0.153", same, kind=kind, mood="cold") for kind in canvases),
        moving("same_grain", "the same pan 0.153", same, grain=7, mood="grey"),
        moving("same_poor", "the same pan 0.153", same, encoding=h264(38), mood="grey"),
        moving("same_flat", "the same pan 0.153", same, mood="flat", encoding=vp9(40)),
        moving("same_dark_hevc", "the same pan 0.153", same, mood="dark", encoding=hevc(30), grain=3),
        moving("pan_portrait_0.2", "pan right 0.2", (pan(0.2),), size=(202, 360)),
        moving("pan_flicker_0.1", "pan right 0.1", (pan(0.1),), over=(exposure(lambda t: 1 + 0.1 * sin(tau * 3 * t)),)),
    ]


def films(_: int) -> list[Film]:
    """All films of the group."""
    small = (320, 180)
    slow, held = Backdrop("city", "vivid", 2), Backdrop("forest", "vivid", 1)
    return [
        *pans(),
        moving("zoom_in_0.1", "zoom in, log scale 0.1 a second", (zoom(0.1),)),
        moving("zoom_in_0.4", "zoom in, log scale 0.4 a second", (zoom(0.4),), kind="city"),
        moving("zoom_out_0.25", "zoom out, log scale 0.25 a second", (zoom(-0.25),), kind="forest"),
        moving("roll_0.1", "roll 0.1 rad/s", (roll(0.1),), size=small),
        moving("roll_0.5", "roll 0.5 rad/s", (roll(0.5),), size=small),
        moving("swing_2s", "back and forth, 0.12 widths each way in 2 s", (swing(0.12, 2),), seconds=4),
        moving("swing_1s", "back and forth, 0.06 widths each way in 1 s", (swing(0.06, 1),), seconds=4),
        moving("swing_1s_wide", "back and forth, 0.2 widths each way in 1 s", (swing(0.2, 1),), seconds=4, kind="city"),
        moving("handheld", "handheld", (sway(0.01, 11),), seconds=4),
        moving("shaken", "handheld, rough", (sway(0.03, 12, 2),), seconds=4, kind="forest"),
        moving(
            "phases",
            "rest, pan 0.1, rest, pan -0.5, each 2 s",
            (phases((0, 0.1, 0, -0.5), 2),),
            seconds=8,
            spans_s=(2, 4, 6),
        ),
        moving("static_crf23", "none"),
        moving("static_crf35", "none", encoding=h264(35)),
        moving("static_grain_crf23", "none", grain=5),
        moving("static_grain_crf35", "none", grain=5, encoding=h264(35, gop=12), notes="pulses with its key frames"),
        moving("static_dark_grain", "none", grain=7, mood="dark", kind="city"),
        moving("static_sky", "none", kind="sky", grain=3),
        moving(
            "static_flicker", "none", over=(exposure(lambda t: 1 + 0.12 * sin(tau * 2 * t)),), notes="light changes"
        ),
        moving(
            "thing_0.2",
            "none; a box of 0.3 x 0.2 widths goes right 0.2",
            props=(Thing(slow, line((-0.3, 0), 0.2), (0.15, 0.1)),),
        ),
        moving(
            "thing_small_0.4",
            "none; a disc 0.1 widths wide goes right 0.4",
            props=(Thing(slow, line((-0.6, 0.05), 0.4), (0.05, 0.05), box=False),),
        ),
        moving(
            "pan_behind_still_thing",
            "pan 0.3; a box of 0.3 x 0.3 widths stands still",
            (pan(0.3),),
            props=(Thing(held, line((0, 0), 0), (0.15, 0.15)),),
        ),
        moving(
            "pan_with_thing",
            "pan 0.1; a box goes against it",
            (pan(0.1),),
            props=(Thing(held, line((-0.4, 0), 0.25), (0.12, 0.12)),),
        ),
    ]
