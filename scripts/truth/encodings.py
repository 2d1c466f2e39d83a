"""Encodings of the films, and frame times of those whose frame rate varies."""

from fractions import Fraction

import numpy as np

from scripts.truth.film import Encoding

FILM, PAL, NTSC = Fraction(24000, 1001), Fraction(25), Fraction(30000, 1001)
FAST, FASTEST = Fraction(50), Fraction(60)


def h264(
    crf: int = 23, gop: int = 250, b_frames: int = 3, suffix: str = ".mp4", more: tuple[str, ...] = ()
) -> Encoding:
    """x264, veryfast."""
    arguments = ("-c:v", "libx264", "-preset", "veryfast", "-crf", str(crf), "-g", str(gop), "-bf", str(b_frames))
    return Encoding("h264", suffix, (*arguments, *more))


def hevc(crf: int = 26, bits: int = 8, gop: int = 250, suffix: str = ".mp4") -> Encoding:
    """x265, ultrafast."""
    quiet = f"log-level=error:pools=1:frame-threads=1:keyint={gop}"
    arguments = ("-c:v", "libx265", "-preset", "ultrafast", "-crf", str(crf), "-x265-params", quiet)
    return Encoding("hevc", suffix, (*arguments, *(("-tag:v", "hvc1") if suffix == ".mp4" else ())), bits)


def vp9(crf: int = 36, gop: int = 128) -> Encoding:
    """libvpx, real time."""
    quality = ("-crf", str(crf), "-b:v", "0", "-g", str(gop))
    return Encoding("vp9", ".webm", ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", *quality))


def av1(crf: int = 38, gop: int = 120, suffix: str = ".mkv") -> Encoding:
    """libaom, real time: SVT-AV1 cannot be limited to one thread, and writes to standard error."""
    quality = ("-crf", str(crf), "-b:v", "0", "-g", str(gop))
    return Encoding("av1", suffix, ("-c:v", "libaom-av1", "-usage", "realtime", "-cpu-used", "8", *quality))


def lossless() -> Encoding:
    """FFV1 in Matroska."""
    return Encoding("ffv1", ".mkv", ("-c:v", "ffv1", "-g", "1"))


def phone(frames: int, seed: int) -> tuple[float, ...]:
    """Frame times of a phone's camera: about 30 a second with jitter, 20 in low light, some frames dropped."""
    rng = np.random.default_rng([seed, 818])
    steps_ms = np.where(np.arange(frames) // 70 % 3 == 2, 50, 33) + rng.integers(-3, 4, frames)
    steps_ms[rng.random(frames) < 0.04] *= 2
    return spaced(steps_ms)


def screen(frames: int, seed: int) -> tuple[float, ...]:
    """Frame times of a screen recording: 60 a second while something moves, gaps of up to 0.7 s otherwise."""
    rng = np.random.default_rng([seed, 919])
    steps_ms = np.where(rng.random(frames) < 0.93, rng.integers(16, 18, frames), rng.integers(60, 700, frames))
    return spaced(steps_ms)


def spliced(frames: int) -> tuple[float, ...]:
    """Frame times of a film joined from parts at 24, 60, 30, 12 and 50 frames a second."""
    rates = [(24, 42), (60, 17), (30, 33), (12, 83), (50, 20)]
    return spaced(np.array([rates[n // 90 % 5][1] for n in range(frames)]))


def spaced(steps_ms: np.ndarray) -> tuple[float, ...]:
    """Frame times from 0 on with the given steps, in whole milliseconds, which all containers keep."""
    return tuple(round(float(ms) / 1000, 3) for ms in np.cumsum(steps_ms) - steps_ms[0])


def mean_rate(times_s: tuple[float, ...]) -> Fraction:
    """The mean frame rate of frames at these times."""
    return Fraction(len(times_s) - 1) / Fraction(round(times_s[-1] * 1000), 1000)
