"""Films of one shot: with events that resemble cuts (flashes, whip pans, passers-by), and calm ones as controls."""

from fractions import Fraction
from math import exp, pi, sin, tau

import numpy as np

from scripts.truth.cuts import chance
from scripts.truth.drawing.camera import Move, closer, eased, pan, snap, sway, swing, whip, zoom
from scripts.truth.drawing.canvas import Backdrop
from scripts.truth.drawing.effects import blast, caption, exposure, flash, focus, inset, spotlights
from scripts.truth.drawing.props import Prop, Thing, confetti, crowd, line, rain, ripples, talker
from scripts.truth.drawing.scenes import Scene
from scripts.truth.encodings import FAST, FILM, NTSC, PAL, av1, h264, hevc, vp9
from scripts.truth.film import Encoding, Film

HERE = (1400.0, 720.0)


def take(
    name: str,
    kind: str,
    mood: str,
    seconds: float = 8,
    *,
    moves: tuple[Move, ...] = (),
    props: tuple[Prop, ...] = (),
    encoding: Encoding | None = None,
    fps: Fraction = PAL,
    size: tuple[int, int] = (640, 360),
    grain: float = 1.5,
    over: tuple[Prop, ...] = (),
    shutter_s: float = 0,
    notes: str = "",
) -> Film:
    """A film of one shot; its group is the first part of its name."""
    scene = Scene(Backdrop(kind, mood, 4), HERE, moves, props, shutter_s)
    group = "one_take" if name.startswith("one_take") else "distractor"
    shots = ((scene, round(seconds * fps)),)
    return Film(name, group, shots, encoding or h264(24), (), fps, size, grain, over=over, facts={"notes": notes})


def whips(widths: float, length_s: float) -> tuple[Move, ...]:
    """Three whip pans with rests between: two one way, the third back."""
    return whip(1.5, length_s, widths), whip(4, length_s, widths), whip(6.3, length_s, -widths), sway(0.003, 5)


def distractors(seed: int) -> list[Film]:
    """Films of one shot in which something sudden happens; every cut found in them is a false one."""
    rng = chance(seed, "distractors")
    held = (sway(0.005, seed),)
    cameras = [
        (float(t), float(rng.uniform(0.05, 0.95)), float(rng.uniform(0.1, 0.7)), float(rng.uniform(0.3, 1.3)))
        for t in np.sort(rng.uniform(0.5, 8.5, 26))
    ]
    sudden, singles = Backdrop("room", "dark", 2), (1.0, 2.6, 3.1, 5.0, 6.7)
    strip = [Backdrop(kind, "vivid", n) for n, kind in enumerate(("leaves", "city", "sky", "room"))]
    passers = (
        Thing(sudden, line((-1.5, 0.05), 1.1), (0.35, 0.32), box=False, soft_px=12),
        Thing(Backdrop("leaves", "dark", 1), line((9.8, 0.0), -1.7), (0.75, 0.4), soft_px=8),
    )
    traffic = tuple(
        Thing(strip[n % 4], line((-sign * (0.7 + rate * late), 0.03 * n - 0.05), sign * rate), (0.3 - 0.04 * n, 0.14))
        for n, (sign, rate, late) in enumerate(((1, 1.2, 0.8), (-1, 0.9, 2.5), (1, 2.2, 5), (-1, 0.5, 6), (1, 1.0, 8)))
    )

    def stepped(t: float) -> float:
        return 1.3 if 1.6 <= t < 3 else 0.72 if 3 <= t < 4.5 else 1.4 if t >= 6 else 1

    def bolts(t: float) -> float:
        return 1 + sum(2.2 * exp(-(t - at) / 0.05) for at in (1, 1.16, 3.4, 3.52, 3.7, 6.1) if t >= at)

    def lamp(t: float) -> float:
        return 0.25 if 2.5 <= t < 5.5 else 1

    return [
        take("distractor_flash_1_frame", "leaves", "warm", moves=held, over=(flash(singles, 0.03),)),
        take("distractor_flash_3_frames", "city", "cold", moves=held, over=(flash(singles, 0.11),)),
        take(
            "distractor_flash_partial", "room", "warm", over=(flash(singles, 0.07, 0.6, 0.04),), props=(talker(seed),)
        ),
        take(
            "distractor_flash_black", "forest", "green", moves=held, over=(flash(singles, 0.07, 1, 0, (16, 128, 128)),)
        ),
        take(
            "distractor_strobe_4hz", "leaves", "vivid", moves=held, over=(flash([1 + n / 4 for n in range(24)], 0.07),)
        ),
        take(
            "distractor_strobe_10hz",
            "room",
            "dark",
            fps=FAST,
            props=(crowd(seed, 30, HERE, 0.1),),
            over=(flash([1 + n / 10 for n in range(50)], 0.04, 0.8),),
        ),
        take(
            "distractor_photographers", "room", "warm", 9, props=(talker(seed + 1),), over=(spotlights(cameras, 0.07),)
        ),
        take(
            "distractor_whip_1_5",
            "city",
            "warm",
            moves=whips(1.05, 0.5),
            shutter_s=0.02,
            notes="whip pans of 1.5 to 3 widths/s",
        ),
        take("distractor_whip_2_5", "leaves", "green", moves=whips(1.0, 0.3), shutter_s=0.016, fps=NTSC),
        take("distractor_whip_4", "forest", "grey", moves=whips(0.9, 0.2), shutter_s=0.008, fps=FAST),
        take(
            "distractor_zoom_fast",
            "leaves",
            "cold",
            moves=(snap(1.5, 0.3, 0.9), snap(4, 0.25, -1.1), snap(6, 0.5, 0.7), *held),
            shutter_s=0.015,
        ),
        take("distractor_exposure_step", "city", "grey", moves=held, over=(exposure(stepped),)),
        take(
            "distractor_exposure_drift",
            "sky",
            "warm",
            10,
            moves=(pan(0.03),),
            over=(exposure(lambda t: 1 + 0.4 * sin(tau * t / 6)),),
        ),
        take(
            "distractor_lamp",
            "room",
            "warm",
            props=(talker(seed + 2),),
            over=(exposure(lamp),),
            notes="lamp out and on",
        ),
        take("distractor_lightning", "forest", "dark", moves=held, over=(exposure(bolts),), grain=4),
        take("distractor_dusk", "city", "cold", 12, over=(exposure(lambda t: 1 - 0.75 * eased(t, 2, 6)),), moves=held),
        take(
            "distractor_shake",
            "leaves",
            "warm",
            moves=(sway(0.05, seed, 2.5),),
            shutter_s=0.01,
            size=(480, 270),
            fps=NTSC,
        ),
        take("distractor_shake_roll", "city", "green", 6, moves=(sway(0.03, seed, 2, 0.06),), size=(320, 180)),
        take(
            "distractor_occluders",
            "city",
            "warm",
            moves=held,
            props=passers,
            notes="two things pass close by; one hides all",
        ),
        take("distractor_traffic", "city", "grey", 10, props=traffic),
        take(
            "distractor_explosion",
            "forest",
            "warm",
            moves=(sway(0.012, seed, 2),),
            over=(blast(2, 0.6, 0.5), blast(5.2, 0.3, 0.6)),
        ),
        take(
            "distractor_sport",
            "grass",
            "green",
            10,
            moves=(swing(0.7, 4), sway(0.004, 3)),
            props=(crowd(seed, 40, HERE, 0.3),),
            fps=FAST,
            shutter_s=0.01,
        ),
        take(
            "distractor_captions",
            "bokeh",
            "cold",
            10,
            props=(talker(seed + 3),),
            over=tuple(caption(seed + n, 0.8 + 1.6 * n, 2.2 + 1.6 * n, letters=20 + n, top=0.76) for n in range(5)),
        ),
        take(
            "distractor_title_plate",
            "sky",
            "warm",
            moves=(pan(0.04),),
            over=(caption(seed, 2, 5, top=0.35, letters=9, plate=1),),
        ),
        take(
            "distractor_inset",
            "room",
            "cold",
            10,
            props=(talker(seed + 4, -0.15),),
            over=(inset(strip, 1.3, (0.68, 0.06), 0.28),),
        ),
        take(
            "distractor_screen",
            "room",
            "dark",
            10,
            over=(inset(strip, 2.1, (0.3, 0.2), 0.4),),
            moves=held,
            notes="a television",
        ),
        take(
            "distractor_focus",
            "leaves",
            "warm",
            over=(focus(lambda t: 14 * (0.5 - 0.5 * sin(tau * t / 5 + pi / 2))),),
            moves=held,
        ),
        take("distractor_rain", "city", "cold", moves=held, props=(rain(seed, 1400, 22, 0.5),)),
        take("distractor_confetti", "room", "vivid", 6, props=(crowd(seed, 12, HERE), confetti(seed)), size=(480, 270)),
        take("distractor_water", "clouds", "cold", moves=(pan(0.05),), props=(ripples(seed),)),
        take(
            "distractor_fire",
            "bokeh",
            "warm",
            over=(exposure(lambda t: 1 + 0.12 * sin(23 * t) * sin(61 * t + 1)),),
            props=(ripples(seed + 5, 0.8),),
        ),
    ]


def controls(seed: int) -> list[Film]:
    """Films of one shot in which nothing sudden happens."""
    return [
        take("one_take_static", "leaves", "warm", encoding=h264(23)),
        take("one_take_slow_pan", "city", "cold", encoding=vp9(), moves=(pan(0.06),), fps=NTSC),
        take("one_take_talker", "bokeh", "warm", 12, encoding=h264(26, gop=50), props=(talker(seed + 7),)),
        take("one_take_handheld", "forest", "green", encoding=hevc(28), moves=(sway(0.008, seed),), fps=FAST, grain=4),
        take("one_take_slow_zoom", "sky", "cold", encoding=av1(), moves=(closer(-0.1), zoom(0.04)), fps=FILM),
        take(
            "one_take_portrait",
            "room",
            "pastel",
            encoding=h264(26),
            size=(202, 360),
            moves=(sway(0.01, seed + 1),),
            props=(talker(seed + 8, 0, 0.7),),
            fps=NTSC,
        ),
        take("one_take_crowd", "grass", "grey", 10, encoding=h264(30), props=(crowd(seed, 70, HERE, 0.06),)),
        take(
            "one_take_pulsing_key_frames",
            "leaves",
            "cold",
            10,
            encoding=h264(40, gop=12),
            moves=(sway(0.002, seed),),
            grain=5,
        ),
    ]


def films(seed: int) -> list[Film]:
    """All films of both groups."""
    return [*distractors(seed), *controls(seed)]
