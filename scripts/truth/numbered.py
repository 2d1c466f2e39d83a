"""Films for tests of cutting: every frame shows its number, every second has a flash and a beep.

The top fifth of the picture holds 18 columns of equal width: one that is always white, the 16 bits of the frame's
number from the highest to the lowest (white is 1), and one that is always black; `read_number` reads it back. A box in
the right lower corner (an eighth of the width and height) is black, but white for two frames from the first frame at or
after each whole second (but none so soon that it would run into the one before); from that frame's time on the sound is
40 ms of 1 kHz. `beeps` in truth.json tells those frames and their times, which count from the first frame's own time: a
container may shift all its times.
"""

from bisect import bisect_left
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise

import numpy as np

from scripts.truth.cuts import Shots, chance, lengths
from scripts.truth.drawing.camera import Gaze
from scripts.truth.drawing.picture import BLACK, WHITE, Picture, cover
from scripts.truth.drawing.props import Prop
from scripts.truth.drawing.scenes import by_chance
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

BITS, SIZE = 16, (480, 270)
RATE_HZ, BEEP_S = 48_000, 0.04


def read_number(luma: np.ndarray) -> int | None:
    """The frame number shown in a luma plane of any size; None if the two guard columns are not white and black."""
    height, width = luma.shape
    edges = np.linspace(0, width, BITS + 3)
    rows = luma[round(height * 0.06) : round(height * 0.14)].astype(np.float32)
    centres = [(a + (b - a) * 0.3, a + (b - a) * 0.7) for a, b in pairwise(edges)]
    levels = [float(rows[:, round(a) : max(round(b), round(a) + 1)].mean()) for a, b in centres]
    white, black = levels[0], levels[-1]
    if white - black < 60:
        return None
    return sum((level > (white + black) / 2) << (BITS - 1 - n) for n, level in enumerate(levels[1:-1]))


def marks(times_s: list[float]) -> Prop:
    """A function that paints into a picture the number, and the flash, of the frame at its time."""
    flashing = {frame + n for frame in beeps(times_s) for n in (0, 1)}

    def paint(picture: Picture, t: float, gaze: Gaze) -> None:
        frame = bisect_left(times_s, t - 1e-6)
        wide, high = gaze.size
        bits = [1, *(frame >> (BITS - 1 - n) & 1 for n in range(BITS)), 0]
        columns = np.arange(wide) * (BITS + 2) // wide
        luma = np.where(np.asarray(bits)[columns], WHITE[0], BLACK[0]).astype(np.float32)
        rows = high // 10 * 2
        cover(picture, 0, 0, np.ones((rows, wide), np.float32), BLACK)
        picture.y[:rows] = luma
        box = np.ones((high // 16 * 2, wide // 16 * 2), np.float32)
        cover(picture, wide - box.shape[1], (high - box.shape[0]) // 2 * 2, box, WHITE if frame in flashing else BLACK)

    return paint


def beeps(times_s: list[float]) -> list[int]:
    """Frames that flash: the first at or after each second from 1 on, with two dark frames or more between flashes."""
    found = [0]
    for second in range(1, int(times_s[-1]) + 1):
        frame = bisect_left(times_s, second - 1e-6)
        if frame >= found[-1] + 4:
            found.append(frame)
    return found[1:]


def sound(times_s: list[float]) -> Callable[[float], np.ndarray]:
    """A function that gives so many seconds of sound: faint noise, and a beep at each flash."""

    def samples(seconds: float) -> np.ndarray:
        wave = np.random.default_rng(9).normal(0, 0.001, round(seconds * RATE_HZ))
        tone = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(round(BEEP_S * RATE_HZ)) / RATE_HZ)
        for frame in beeps(times_s):
            start = round(times_s[frame] * RATE_HZ)
            wave[start : start + len(tone)] += tone[: len(wave) - start]
        return wave

    return samples


def numbered(
    seed: int,
    name: str,
    encoding: Encoding,
    fps: Fraction = PAL,
    *,
    shots: int = 1,
    seconds: float = 8.4,
    times: Callable[[int], tuple[float, ...]] | None = None,
    silent: bool = False,
    notes: str = "",
) -> Film:
    """A film with numbers, flashes and beeps."""
    rng = chance(seed, name)
    counts = lengths(rng, fps, shots, 0.4, 2.5) if shots > 1 else [round(seconds * fps)]
    made: Shots = tuple((by_chance(rng, "any", "pan" if shots == 1 else "mixed"), frames) for frames in counts)
    varied = times(sum(counts)) if times else ()
    at = list(varied) or [float(n / fps) for n in range(sum(counts))]
    facts: dict[str, object] = {
        "beeps": [{"frame": frame, "time_s": round(at[frame], 6)} for frame in beeps(at)],
        "notes": notes,
    }
    return Film(
        f"numbered_{name}",
        "numbered",
        made,
        encoding,
        (Joint(),) * (shots - 1),
        mean_rate(varied) if varied else fps,
        SIZE,
        over=(marks(at),),
        times_s=varied,
        sound=None if silent else sound(at),
        facts=facts,
    )


def films(seed: int) -> list[Film]:
    """All films of the group."""
    open_gop = ("-x264-params", "open-gop=1:keyint=48:bframes=3:b-pyramid=normal")
    return [
        numbered(seed, "h264_25_gop12", h264(23, gop=12)),
        numbered(seed, "h264_25_gop250", h264(23)),
        numbered(seed, "h264_25_no_b", h264(23, gop=48, b_frames=0)),
        numbered(seed, "h264_25_open_gop", h264(23, more=open_gop), notes="open groups of pictures"),
        numbered(seed, "h264_25_open_gop_ts", h264(23, suffix=".ts", more=open_gop), notes="open groups of pictures"),
        numbered(seed, "h264_25_cuts", h264(23), shots=8, notes="key frames lie at the cuts"),
        numbered(seed, "h264_25_cuts_no_scenecut", h264(23, gop=60, more=("-sc_threshold", "0")), shots=8),
        numbered(seed, "h264_23976", h264(23, gop=48), FILM),
        numbered(seed, "h264_2997", h264(23, gop=60), NTSC),
        numbered(seed, "h264_50", h264(25, gop=100), FAST),
        numbered(seed, "h264_60", h264(25), FASTEST),
        numbered(seed, "h264_2997_ts", h264(23, gop=30, suffix=".ts"), NTSC, shots=5),
        numbered(seed, "h264_25_mkv", h264(23, gop=100, suffix=".mkv"), shots=4),
        numbered(seed, "h264_2997_mov", h264(23, suffix=".mov"), NTSC),
        numbered(seed, "h264_vfr_phone", h264(23, gop=60), Fraction(30), times=lambda n: phone(n, seed)),
        numbered(seed, "h264_vfr_screen", h264(23, suffix=".mkv"), Fraction(20), times=lambda n: screen(n, seed)),
        numbered(seed, "h264_vfr_spliced", h264(23, gop=90), Fraction(35), times=spliced),
        numbered(seed, "h264_25_silent", h264(23), silent=True, notes="no sound"),
        numbered(seed, "hevc_25", hevc(26)),
        numbered(seed, "hevc_25_gop25", hevc(26, gop=25, suffix=".mkv"), shots=4),
        numbered(seed, "hevc_23976_10bit", hevc(26, bits=10, suffix=".mkv"), FILM),
        numbered(seed, "vp9_2997", vp9(36), NTSC, shots=5),
        numbered(seed, "vp9_25_gop500", vp9(36, gop=500)),
        numbered(seed, "av1_25", av1(38), shots=4),
        numbered(seed, "av1_2997_mp4", av1(38, suffix=".mp4"), NTSC),
    ]
