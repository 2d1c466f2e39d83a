"""Films with hard cuts, obvious ones and ones that are hard to see, at every usual frame rate and codec."""

import dataclasses
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from scripts.truth.drawing.camera import closer, pan, sway, whip
from scripts.truth.drawing.canvas import Backdrop
from scripts.truth.drawing.effects import bars, caption
from scripts.truth.drawing.props import Prop, crowd, talker
from scripts.truth.drawing.scenes import KINDS, Scene, by_chance
from scripts.truth.encodings import (
    FAST,
    FASTEST,
    FILM,
    NTSC,
    PAL,
    av1,
    h264,
    hevc,
    mean_rate,
    phone,
    screen,
    spliced,
    vp9,
)
from scripts.truth.film import Encoding, Film, Joint

Shots = tuple[tuple[Scene, int], ...]


def chance(seed: int, name: str) -> np.random.Generator:
    """The random number generator of a film, by the corpus's seed and the film's name."""
    return np.random.default_rng([seed, *name.encode()])


def lengths(rng: np.random.Generator, fps: Fraction, count: int, least_s: float = 0.3, most_s: float = 3) -> list[int]:
    """Numbers of frames of `count` shots; their lengths are uniform on a logarithmic scale."""
    return [round(float(np.exp(rng.uniform(np.log(least_s), np.log(most_s)))) * fps) for _ in range(count)]


def montage(
    seed: int,
    name: str,
    encoding: Encoding,
    *,
    mood: str = "any",
    style: str = "mixed",
    fps: Fraction = PAL,
    count: int = 10,
    kinds: Sequence[str] = KINDS,
    frames: int = 0,
    size: tuple[int, int] = (640, 360),
    grain: float = 1.5,
    over: tuple[Prop, ...] = (),
    notes: str = "",
) -> Film:
    """A film of random scenes, neighbours on different canvases; `frames`, if not 0, is the length of every shot."""
    rng = chance(seed, name)
    scenes: list[Scene] = []
    while len(scenes) < count:
        scene = by_chance(rng, mood, style, kinds)
        if not scenes or scene.backdrop != scenes[-1].backdrop:
            scenes.append(scene)
    shots = tuple(zip(scenes, [frames] * count if frames else lengths(rng, fps, count), strict=True))
    return cut(name, shots, encoding, fps=fps, size=size, grain=grain, over=over, notes=notes)


def cut(
    name: str,
    shots: Shots,
    encoding: Encoding,
    *,
    fps: Fraction = PAL,
    size: tuple[int, int] = (640, 360),
    grain: float = 1.5,
    over: tuple[Prop, ...] = (),
    times_s: tuple[float, ...] = (),
    notes: str = "",
) -> Film:
    """A film whose shots meet at hard cuts."""
    joints = (Joint(),) * (len(shots) - 1)
    facts: dict[str, object] = {"notes": notes}
    return Film(name, "cuts", shots, encoding, joints, fps, size, grain, over=over, times_s=times_s, facts=facts)


def varied(seed: int, name: str, encoding: Encoding, rhythm: str) -> Film:
    """Cuts at a variable frame rate."""
    rng = chance(seed, name)
    shots = tuple((by_chance(rng, "any", "mixed"), frames) for frames in lengths(rng, Fraction(30), 10))
    frames = sum(n for _, n in shots)
    times = spliced(frames) if rhythm == "spliced" else (phone if rhythm == "phone" else screen)(frames, seed)
    return cut(name, shots, encoding, fps=mean_rate(times), times_s=times, notes=f"variable frame rate: {rhythm}")


def conversation(seed: int, name: str) -> Film:
    """Two talkers shown in turn in one room."""
    rng, shots = chance(seed, name), []
    for n, frames in enumerate(lengths(rng, PAL, 9, 0.8, 3)):
        at, who = ((900.0, 700.0), (2100.0, 760.0))[n % 2], talker(seed + n % 2, 0.08 - 0.16 * (n % 2), 1.1)
        scene = Scene(Backdrop("room", "warm", 3), at, (sway(0.0015, seed + n),), (later(who, rng.uniform(3, 30)),))
        shots.append((scene, frames))
    return cut(name, tuple(shots), h264(24), notes="shot, reverse shot")


def jumpy(seed: int, name: str) -> Film:
    """One talker in a single set-up with parts of the speech left out: jump cuts, every second one a punch-in."""
    rng, shots = chance(seed, name), []
    for n, frames in enumerate(lengths(rng, PAL, 9, 0.8, 3)):
        who = talker(seed, 0.08 + rng.uniform(-0.02, 0.02), 1.1 + 0.25 * (n % 2))
        moves = closer(0.22 * (n % 2)), sway(0.0015, seed + n)
        scene = Scene(Backdrop("room", "warm", 3), (900, 700), moves, (later(who, rng.uniform(3, 30)),))
        shots.append((scene, frames))
    return cut(name, tuple(shots), h264(24), notes="jump cuts, every second shot 1.25 times closer: very hard")


def later(prop: Prop, seconds: float) -> Prop:
    """The prop, its motion begun some seconds earlier."""
    return lambda picture, t, gaze: prop(picture, t + seconds, gaze)


def on_twos(seed: int, name: str) -> Film:
    """A cartoon: each picture is shown for two frames, but a cut may come between the two."""
    film = montage(
        seed, name, h264(23), mood="vivid", fps=FILM, count=12, notes="12 pictures a second, each shown twice"
    )
    return dataclasses.replace(film, clock=lambda t: int(t * FILM + 0.01) // 2 * 2 / float(FILM))


def alternating(seed: int, name: str, frames: int, mood: str) -> Film:
    """Two moving scenes in turn, A B A B."""
    rng = chance(seed, name)
    pair = [by_chance(rng, mood, "pan", ("leaves", "city")), by_chance(rng, mood, "crowd", ("room", "forest"))]
    return cut(name, tuple((pair[n % 2], frames) for n in range(26)), h264(22), notes=f"A B A B, {frames} frames each")


def relocated(seed: int, name: str) -> Film:
    """Cuts between parts of one canvas that do not overlap."""
    rng, shots = chance(seed, name), []
    for n, frames in enumerate(lengths(rng, NTSC, 9, 0.5, 2.5)):
        at = (400.0 + 1500 * (n % 2), 350.0 + 760 * (n // 2 % 2))
        shots.append(
            (
                Scene(Backdrop("leaves", "green", 1), at, (sway(0.006, seed + n), pan(float(rng.normal(0, 0.05))))),
                frames,
            )
        )
    return cut(name, tuple(shots), h264(23), fps=NTSC, notes="all on one canvas, framings that do not overlap")


def matched(seed: int, name: str) -> Film:
    """Cuts during a pan that goes on after them, between canvases of similar colour, light and contrast."""
    rng = chance(seed, name)
    shots = tuple(
        (
            Scene(Backdrop(("leaves", "forest", "city")[n % 3], "cold", n // 3 % 2), (300.0 * n, 740), (pan(0.35),)),
            frames,
        )
        for n, frames in enumerate(lengths(rng, PAL, 10, 0.4, 1.6))
    )
    return cut(name, shots, h264(25), notes="the same pan goes on across every cut")


def whipped(seed: int, name: str) -> Film:
    """Cuts hidden in whip pans: the pan begins in one place and ends in another."""
    shots: list[tuple[Scene, int]] = []
    for n in range(6):
        out, into = whip(1.2, 0.3, 1.2), whip(-0.15, 0.3, 1.2)
        moves = (sway(0.003, seed + n), out) if n == 0 else (sway(0.003, seed + n), into, out)
        shots.append(
            (Scene(Backdrop(("city", "leaves", "sky")[n % 3], "warm", n % 2), (500.0 * n, 720), moves, (), 0.015), 34)
        )
    return cut(name, tuple(shots), h264(24), notes="each cut lies in the middle of a whip pan: very hard")


def films(seed: int) -> list[Film]:
    """All films of the group."""
    slides = tuple(
        (
            Scene(Backdrop("page", "bright", n % 3), (512.0 + 1024 * (n // 3), 384.0 + 768 * (n % 2)), (closer(0.2),)),
            frames,
        )
        for n, frames in enumerate(lengths(chance(seed, "slides"), PAL, 8, 0.6, 3))
    )
    plaza = tuple(
        (Scene(Backdrop("grass", "flat", n % 3), (700, 700), (), (crowd(seed + n, 60, (700, 700), 0.08),)), frames)
        for n, frames in enumerate(lengths(chance(seed, "plaza"), PAL, 7, 0.5, 2.5))
    )
    return [
        montage(seed, "cuts_h264_23976", h264(23), fps=FILM),
        montage(seed, "cuts_h264_25_gop12_warm", h264(24, gop=12), mood="warm"),
        montage(seed, "cuts_h264_25_gop48_no_b_green", h264(24, gop=48, b_frames=0), mood="green", style="sway"),
        montage(seed, "cuts_h264_2997_poor", h264(38), fps=NTSC, mood="cold"),
        montage(seed, "cuts_h264_50_dark", h264(26), fps=FAST, mood="dark", count=8),
        montage(seed, "cuts_h264_60_any", h264(26, gop=60), fps=FASTEST, count=8),
        montage(seed, "cuts_h264_60_fast8", h264(23), fps=FASTEST, count=40, frames=8),
        montage(seed, "cuts_h264_25_fast8", h264(23, gop=48), count=30, frames=8, notes="every shot is 8 frames"),
        montage(seed, "cuts_h264_2997_fast8_warm", h264(28), mood="warm", fps=NTSC, count=30, frames=8),
        alternating(seed, "cuts_h264_25_abab8", 8, "grey"),
        alternating(seed, "cuts_h264_25_abab8_vivid", 8, "vivid"),
        montage(seed, "cuts_hevc_25_pastel", hevc(), mood="pastel"),
        montage(seed, "cuts_hevc_2397_10bit", hevc(28, bits=10, gop=48, suffix=".mkv"), fps=FILM, mood="grey"),
        montage(seed, "cuts_hevc_50_poor", hevc(37), fps=FAST, count=8, mood="green"),
        montage(seed, "cuts_vp9_2997", vp9(), fps=NTSC),
        montage(seed, "cuts_vp9_25_poor_warm", vp9(54), mood="warm"),
        montage(seed, "cuts_av1_25", av1(), mood="any"),
        montage(seed, "cuts_av1_23976_poor", av1(56, suffix=".mp4"), fps=FILM, mood="cold"),
        varied(seed, "cuts_vfr_phone", h264(24), "phone"),
        varied(seed, "cuts_vfr_screen", h264(24, suffix=".mkv"), "screen"),
        varied(seed, "cuts_vfr_spliced", hevc(27, suffix=".mkv"), "spliced"),
        montage(seed, "cuts_bright", h264(24), mood="bright"),
        montage(seed, "cuts_flat", h264(24), mood="flat", notes="low contrast"),
        montage(seed, "cuts_flat_poor", h264(36), mood="flat", style="pan", notes="low contrast, poor quality"),
        montage(
            seed, "cuts_captioned", h264(25), mood="cold", over=(caption(seed), caption(seed + 1, top=0.06, letters=60))
        ),
        montage(seed, "cuts_handheld_grain", h264(24), mood="grey", style="sway", grain=9),
        montage(seed, "cuts_dark_grain", h264(24), mood="dark", style="sway", grain=6, notes="night, high sensitivity"),
        montage(seed, "cuts_fast_pans", h264(25), style="fast", mood="warm", count=12),
        montage(seed, "cuts_things", h264(25), style="thing", mood="green", count=12),
        montage(
            seed, "cuts_same_texture", h264(24), kinds=("grass", "clouds"), mood="warm", notes="stone and cloth: hard"
        ),
        montage(seed, "cuts_portrait", h264(25), fps=NTSC, size=(202, 360)),
        montage(seed, "cuts_720p", h264(25), size=(1280, 720), count=8),
        montage(seed, "cuts_night", h264(25), kinds=("night", "city"), mood="dark"),
        montage(seed, "cuts_letterbox", h264(24), mood="warm", over=(bars(0.13),), fps=FILM),
        conversation(seed, "cuts_conversation"),
        jumpy(seed, "cuts_jump"),
        relocated(seed, "cuts_one_place"),
        matched(seed, "cuts_matched_pan"),
        whipped(seed, "cuts_whip"),
        on_twos(seed, "cuts_on_twos"),
        cut("cuts_slides", slides, h264(25), grain=0, notes="white slides, nothing moves"),
        cut("cuts_crowds", plaza, h264(25), notes="low contrast squares full of small people"),
    ]
