"""Films whose picture freezes at known times, clean or under noise of a known level; slideshows."""

from fractions import Fraction

import numpy as np

from scripts.truth.cuts import Shots, chance
from scripts.truth.drawing.camera import pan, sway
from scripts.truth.drawing.canvas import Backdrop
from scripts.truth.drawing.effects import flash
from scripts.truth.drawing.picture import BLACK
from scripts.truth.drawing.props import Prop, talker
from scripts.truth.drawing.scenes import Scene, by_chance
from scripts.truth.encodings import PAL, h264, lossless, mean_rate, spaced, vp9
from scripts.truth.film import Encoding, Film, Joint

SMALL, TINY, SLOW = (320, 180), (192, 108), Fraction(25, 2)
MAD = 1.1284  # mean absolute difference of two normal deviates of deviation 1: 2 / sqrt(pi)


def stopped(
    name: str,
    seconds: float,
    freezes: tuple[tuple[float, float], ...],
    *,
    fps: Fraction = PAL,
    size: tuple[int, int] = SMALL,
    encoding: Encoding | None = None,
    noise_db: float | None = None,
    grain: float = 0,
    over: tuple[Prop, ...] = (),
    props: tuple[Prop, ...] = (),
    speed: float = 0.1,
    mood: str = "warm",
    doubled: int = 1,
    notes: str = "",
) -> Film:
    """A film of one moving shot that freezes in the given spans (seconds); each picture is shown `doubled` times."""
    scene = Scene(Backdrop("leaves", mood, 8), (900, 700), (pan(speed), sway(0.004 if speed > 0.01 else 0, 3)), props)
    spans = [(round(start * fps), round(end * fps)) for start, end in freezes]

    def clock(t: float) -> float:
        frame = round(t * fps)
        lost = sum(min(frame, end - 1) - start for start, end in spans if frame > start)
        return float((frame - lost) // doubled * doubled / fps)

    amount = grain if noise_db is None else 255 * 10 ** (noise_db / 20) / MAD
    return Film(
        f"freeze_{name}",
        "freeze",
        ((scene, round(seconds * fps)),),
        encoding or h264(23),
        fps=fps,
        size=size,
        grain=amount,
        grain_chroma=0 if noise_db is None else amount,
        over=over,
        clock=clock,
        facts=frozen([(float(a / fps), float(b / fps)) for a, b in spans], seconds, noise_db, notes),
    )


def frozen(spans: list[tuple[float, float]], seconds: float, noise_db: float | None, notes: str) -> dict[str, object]:
    """The freezes' fields in truth.json."""
    share = sum(end - start for start, end in spans) / seconds
    return {
        "freezes": [[round(start, 4), round(end, 4)] for start, end in spans],
        "frozen_share": round(share, 4),
        "noise_db": noise_db,
        "notes": notes,
    }


def noisy(noise_db: int, suffix: str, encoding: Encoding) -> Film:
    """A freeze of 10 s under noise; of few pixels, because noise does not compress."""
    name, rate = f"noise_{-noise_db}db{suffix}", Fraction(15)
    return stopped(name, 17, ((4, 14),), fps=rate, size=TINY, encoding=encoding, noise_db=noise_db, speed=0.4)


def slideshow(seed: int, name: str, each_s: float, count: int, *, dissolve_s: float = 0, grain: float = 0) -> Film:
    """A slideshow: still pictures joined by cuts or dissolves."""
    rng, dissolve = chance(seed, name), round(dissolve_s * PAL)
    joint = Joint("dissolve", dissolve) if dissolve else Joint()
    scenes = [by_chance(rng, mood, "still") for mood in ("warm", "cold", "green", "grey", "vivid", "bright", "dark")][
        :count
    ]
    shots: Shots = tuple((scene, round(each_s * PAL) - dissolve) for scene in scenes)
    film = Film(f"freeze_{name}", "freeze", shots, h264(23), (joint,) * (count - 1), size=SMALL, grain=grain)
    edges = [0, *(edge for start, end, _ in film.borders() for edge in (start, end)), film.frames]
    spans = [(float(a / PAL), float(b / PAL)) for a, b in zip(edges[::2], edges[1::2], strict=True)]
    facts = frozen(spans, float(film.frames / PAL), None, "a slideshow")
    return Film(film.name, "freeze", shots, h264(23), film.joints, size=SMALL, grain=grain, facts=facts)


def gap() -> Film:
    """A screen recording of variable frame rate in which one frame is shown for 7 s, because nothing changed."""
    times = spaced(
        np.array([40] * 101 + [7000] + [40] * 98)
    )  # the steps before each frame: frame 101 comes 7 s after frame 100
    shots = ((Scene(Backdrop("page", "bright", 1), (512, 384), (pan(0, 0.1),)), len(times)),)
    facts = frozen(
        [(times[100], times[101])], times[-1] + 0.04, None, "one frame is shown for 7 s, no frame in between"
    )
    encoding = h264(23, suffix=".mkv")
    return Film("freeze_vfr_gap", "freeze", shots, encoding, (), mean_rate(times), SMALL, 0, times_s=times, facts=facts)


def films(seed: int) -> list[Film]:
    """All films of the group."""
    face = (talker(seed),)
    return [
        stopped("2_5s", 8.5, ((3, 5.5),)),
        stopped("5s", 11, ((3, 8),), grain=1),
        stopped("12s", 18, ((2.52, 14.52),)),
        stopped("40s", 46, ((3, 43),), encoding=vp9()),
        stopped("100s", 108, ((4, 104),), fps=SLOW),
        stopped("over_60s", 90, ((52, 77.04),), fps=SLOW, notes="lies across 60 s"),
        stopped("at_start", 12, ((0, 6),)),
        stopped("at_end", 14, ((6, 14),)),
        stopped("twice", 26, ((3, 8), (12, 21))),
        stopped("back_to_back", 16, ((3, 6), (6.08, 9.2)), notes="one other frame or two between the freezes"),
        stopped("crf35", 16, ((3, 13),), encoding=h264(35, gop=25), notes="poor quality: key frames pulse"),
        stopped("grain_crf23", 16, ((3, 13),), grain=4, notes="grain of deviation 4 goes on through the freeze"),
        stopped("slow_before", 16, ((6, 12),), speed=0.02, notes="a slow pan stops"),
        *(noisy(db, "", lossless()) for db in (-60, -50, -40, -30, -20)),
        *(noisy(db, "_h264", h264(4)) for db in (-60, -50, -40, -30)),
        stopped(
            "black", 13, ((4, 9),), over=(flash((4.0,), 5, 1, 0, BLACK),), notes="black; it starts and ends abruptly"
        ),
        stopped("none_talker", 12, (), speed=0, props=face, notes="only a face moves"),
        stopped("none_slow_pan", 12, (), speed=0.01),
        stopped("none_doubled", 10, (), doubled=2, notes="12.5 pictures a second, each shown twice"),
        slideshow(seed, "slides_3s", 3, 7),
        slideshow(seed, "slides_8s", 8, 4),
        slideshow(seed, "slides_3s_dissolve", 3, 7, dissolve_s=0.4),
        slideshow(seed, "slides_8s_dissolve", 8, 4, dissolve_s=1),
        slideshow(seed, "slides_3s_grain", 3, 5, grain=2),
        gap(),
    ]
