"""Films with gradual transitions (dissolves, fades, wipes) among hard cuts."""

import dataclasses
from fractions import Fraction

import numpy as np

from scripts.truth.cuts import Shots, chance
from scripts.truth.drawing.canvas import Backdrop
from scripts.truth.drawing.props import talker
from scripts.truth.drawing.scenes import KINDS, Scene, by_chance
from scripts.truth.encodings import FAST, FILM, NTSC, PAL, av1, h264, hevc, mean_rate, phone, vp9
from scripts.truth.film import Encoding, Film, Joint

SECONDS = (0.2, 0.4, 0.7, 1.0, 1.5, 2.0, 3.0)
CUT = Joint()


def dissolve(how: str = "linear") -> Joint:
    """A dissolve of length 0."""
    return Joint("dissolve", 0, how)


def fade(how: str, hold_s: float = 0, lean: float = 0.5) -> Joint:
    """A fade through a colour, of length 0; its `hold` is in hundredths of a second until its length is set."""
    return Joint("fade", 0, how, hold=round(hold_s * 100), lean=lean)


def wipe(how: str, soft: float = 0) -> Joint:
    """A wipe of length 0."""
    return Joint("wipe", 0, how, soft)


def mixed(
    seed: int,
    name: str,
    encoding: Encoding,
    forms: tuple[Joint, ...],
    *,
    mood: str = "any",
    style: str = "mixed",
    kinds: tuple[str, ...] = KINDS,
    fps: Fraction = PAL,
    grain: float = 1.5,
    seconds: tuple[float, ...] = SECONDS,
    ends: tuple[float, float] = (0, 0),
    shots: tuple[Scene, ...] = (),
    vfr: bool = False,
    notes: str = "",
) -> Film:
    """A film with every form of transition at every length, in a random order, with cuts among them."""
    rng = chance(seed, name)
    joints: list[Joint] = []
    for n, length_s in enumerate(rng.permutation(seconds)):
        form, frames = forms[n % len(forms)], max(2, round(length_s * fps))
        hold = min(round(form.hold * fps / 100), frames // 2)
        joints.append(dataclasses.replace(form, frames=form.frames or frames, hold=hold))
        if n % 3 == 1:
            joints.append(CUT)
    scenes = list(shots)
    while len(scenes) <= len(joints):
        scene = by_chance(rng, mood, style, kinds)
        if not scenes or scene.backdrop != scenes[-1].backdrop:
            scenes.append(scene)
    rests = [round(float(rng.uniform(0.6, 1.6)) * fps) for _ in range(len(joints) + 1)]
    made: Shots = tuple(zip(scenes, rests, strict=False))
    frames = sum(rests) + sum(joint.frames for joint in joints)
    times = phone(frames, seed) if vfr else ()
    return Film(
        name,
        "gradual",
        made,
        encoding,
        tuple(joints),
        mean_rate(times) if vfr else fps,
        grain=grain,
        opens=round(ends[0] * fps),
        closes=round(ends[1] * fps),
        times_s=times,
        facts={"notes": notes},
    )


def interviews(seed: int) -> tuple[Scene, ...]:
    """Talkers at the same place before similar backdrops: for dissolves between pictures of equal composition."""
    backdrops = [Backdrop(kind, "warm", n) for n, kind in enumerate(("bokeh", "room", "bricks") * 4)]
    spots = np.random.default_rng([seed, 3]).uniform(0, 3000, len(backdrops))
    return tuple(
        Scene(backdrop, (float(x), 700), (), (talker(seed + n, 0.05, 1.1),))
        for n, (backdrop, x) in enumerate(zip(backdrops, spots, strict=True))
    )


def films(seed: int) -> list[Film]:
    """All films of the group."""
    black, white = fade("black", 0.2), fade("white", 0.1)
    hard = (wipe("left"), wipe("right"), wipe("diagonal"), wipe("iris"), wipe("up"))
    soft = (wipe("left", 0.15), wipe("diagonal", 0.25), wipe("iris", 0.2), wipe("right", 0.4))
    every = (dissolve(), black, hard[0], dissolve("eased"), white, soft[1], hard[3])
    rich = ("leaves", "city", "room", "forest", "sky", "bricks")
    return [
        mixed(seed, "gradual_dissolve_static", h264(23), (dissolve(),), style="still", notes="nothing moves"),
        mixed(seed, "gradual_dissolve_static_grain", h264(24), (dissolve(),), style="still", mood="grey", grain=5),
        mixed(seed, "gradual_dissolve_pans", h264(24), (dissolve(),), style="pan", fps=NTSC),
        mixed(seed, "gradual_dissolve_fast", h264(25), (dissolve("eased"),), style="fast", kinds=rich),
        mixed(seed, "gradual_dissolve_things", h264(25), (dissolve(),), style="thing", mood="green"),
        mixed(seed, "gradual_dissolve_warm", h264(24, gop=48), (dissolve(), dissolve("eased")), mood="warm"),
        mixed(seed, "gradual_dissolve_dark", h264(25), (dissolve(),), mood="dark", grain=3),
        mixed(seed, "gradual_dissolve_flat", h264(25), (dissolve(),), mood="flat", notes="low contrast"),
        mixed(seed, "gradual_dissolve_poor", h264(37), (dissolve(),), style="sway", fps=NTSC, notes="poor quality"),
        mixed(seed, "gradual_dissolve_hevc_23976", hevc(28, suffix=".mkv"), (dissolve("eased"),), fps=FILM),
        mixed(seed, "gradual_dissolve_talkers", h264(24), (dissolve(),), shots=interviews(seed), notes="alike"),
        mixed(seed, "gradual_black", h264(24), (fade("black"), black, fade("black", 0.5)), style="sway", ends=(0.7, 1)),
        mixed(seed, "gradual_black_dark", h264(24), (black,), mood="dark", ends=(1, 0.5), notes="dark scenes to black"),
        mixed(seed, "gradual_white", h264(24), (fade("white"), white), style="pan", fps=NTSC),
        mixed(seed, "gradual_white_bright", h264(24), (white,), mood="bright", notes="bright scenes to white"),
        mixed(
            seed,
            "gradual_black_one_sided",
            h264(24),
            (fade("black", 0, 1), fade("black", 0, 0)),
            seconds=SECONDS[1:],
            notes="out to black then hard in, and hard to black then in: one edge of each span is abrupt",
        ),
        mixed(seed, "gradual_wipe_hard", h264(24), hard, style="still"),
        mixed(seed, "gradual_wipe_hard_moving", h264(24), hard, style="pan", mood="cold", kinds=rich),
        mixed(seed, "gradual_wipe_soft", h264(24), soft, style="sway", fps=NTSC),
        mixed(
            seed, "gradual_blended_cuts", h264(24), (Joint("dissolve", 1),), notes="cuts blended over a single frame"
        ),
        mixed(seed, "gradual_all_50", h264(25), every, fps=FAST, seconds=SECONDS[:5]),
        mixed(seed, "gradual_all_vp9", vp9(40), every, fps=NTSC),
        mixed(seed, "gradual_all_av1", av1(42), every, mood="vivid"),
        mixed(seed, "gradual_all_vfr", h264(24, suffix=".mkv"), every, fps=Fraction(30), vfr=True),
        mixed(seed, "gradual_all_hevc_10bit", hevc(26, bits=10), every, mood="pastel"),
    ]
