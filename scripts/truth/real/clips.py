"""Compares clips that `cut` makes of real videos with these, frame by frame and by their sound.

    python -m scripts.truth.real.clips folder=FOLDER     downloads the videos there, once; FOLDER may hold any others

The command ffmpeg reads both: the video's frames with their times, small and grey, and its sound on the same clock.
Borders are frames' times, or lie between two frames. A clip has to have the frames that begin within it, and no other:

    missing, foreign   as many are too few, or too many, or like none of the source's near it
    shifted            a frame that is more like another one of the source than like its own
    off                a frame whose time from the clip's start is not that from the source's first frame
    sound              by how many milliseconds the clip's sound, where it best fits the source's, is early or late
"""

import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from scripts.truth.real.files import fetch_files
from slurm.errors import ItemError
from stages.core.video.cut.clip import Cutting, cut
from stages.core.video.cut.encode import Encoding, ffmpeg_path
from stages.core.video.read.packets import open_video

WIDE, HIGH, RATE_HZ = 96, 54, 48_000
READ_S = 30  # of each video
SPANS = 4
NEAR = 4  # frames on each side that are compared
UNLIKE, NEARER = 12.0, 0.4  # grey levels, mean over the picture: of a frame that is another, of what recoding changes
LATE_S = 0.0015
SEARCHED_S, HEARD = 0.2, 0.5  # how far sound is shifted at most; least correlation of what is the same
SMART = Cutting("smart", Encoding("libx264", 18, "veryfast", 1), None, 128_000, 10**8, 10**5)
WAYS = {"smart": SMART, "encode": replace(SMART, mode="encode")}


class Media(NamedTuple):
    """What ffmpeg reads: each frame's time in seconds and grey picture [frames, HIGH, WIDE]; samples from 0 s on."""

    times_s: NDArray[np.float64]
    grey: NDArray[np.uint8]
    sound: NDArray[np.float32]


class Compared(NamedTuple):
    """Faults of a clip: numbers of frames; `sound_ms` is None where none can be compared."""

    frames: int
    missing: int
    foreign: int
    shifted: int
    off: int
    sound_ms: float | None

    def __add__(self, other: "Compared") -> "Compared":  # type: ignore[override]
        sounds = [one for one in (self.sound_ms, other.sound_ms) if one is not None]
        frames, missing, foreign, shifted, off = (a + b for a, b in zip(self[:5], other[:5], strict=True))
        return Compared(frames, missing, foreign, shifted, off, max(sounds, key=abs, default=None))


def read(path: Path, seconds: float) -> Media:
    """The first seconds of a file; one command reads both streams, so that both are on the file's clock.

    With three threads FFmpeg 5.1 and 9.0 decode Theora to other pictures than with one.
    """
    with TemporaryDirectory() as folder:
        raw, heard = Path(folder, "grey"), Path(folder, "sound")
        look = f"showinfo,scale={WIDE}:{HIGH}:flags=area,format=gray"
        seen = [
            "-map",
            "0:v:0",
            "-t",
            str(seconds),
            "-vf",
            look,
            "-fps_mode",
            "passthrough",
            "-f",
            "rawvideo",
            str(raw),
        ]
        clock = f"aresample={RATE_HZ}:async=1:first_pts=0"
        sound = ["-map", "0:a:0?", "-t", str(seconds), "-af", clock, "-ac", "1", "-f", "f32le", str(heard)]
        command = [ffmpeg_path(), "-nostdin", "-hide_banner", "-y", "-threads", "1", "-i", str(path), *seen]
        log = subprocess.run([*command, *sound], capture_output=True, check=False).stderr
        if not heard.exists():  # no sound, or none that ffmpeg can read
            log = subprocess.run(command, capture_output=True, check=False).stderr
        times = re.findall(rb"showinfo.*pts_time:\s*([0-9.e+-]+)", log)
        grey = np.frombuffer(raw.read_bytes() if raw.exists() else b"", np.uint8)
        samples = np.frombuffer(heard.read_bytes() if heard.exists() else b"", np.float32)
    few = min(len(times), len(grey) // (HIGH * WIDE))
    times_s = np.array([float(at) for at in times[:few]])
    for n in np.flatnonzero(np.diff(times_s) <= 0) + 1:  # as a player does: one frame after the last one
        times_s[n] = times_s[n - 1] + float(np.median(np.diff(times_s)))
    return Media(times_s, grey[: few * HIGH * WIDE].reshape(-1, HIGH, WIDE), samples)


def choose_spans(times_s: NDArray[np.float64], seed: int) -> Iterator[tuple[float, float]]:
    """Spans of a video, all but the last from one frame's time to another's: the start, the end, two within."""
    chance, last = np.random.default_rng(seed), len(times_s) - 1
    step_s = float(np.median(np.diff(times_s))) if last > 0 else 0.04
    if last < 0:
        return
    ends = [*times_s, times_s[-1] + step_s]
    if last < 3:
        yield float(times_s[0]), float(ends[-1])
        return
    yield float(times_s[0]), float(ends[min(last, 60)])
    yield float(times_s[max(0, last - 50)]), float(ends[-1])
    first, end = sorted(chance.choice(last, 2, replace=False))
    yield float(times_s[first]), float(ends[min(end, first + 150)])
    first = int(chance.integers(0, max(1, last // 2)))
    yield float(times_s[first]) + step_s / 3, float(ends[min(last, first + 80)]) - step_s / 3


def compare(source: Media, clip: Media, start_s: float, end_s: float) -> Compared:
    """What is wrong with the clip of [start_s, end_s)."""
    within = np.flatnonzero((source.times_s >= start_s - 0.0005) & (source.times_s < end_s - 0.0005))
    count, kept = len(clip.grey), min(len(clip.grey), len(within))
    unlike = foreign = shifted = 0
    for place in range(kept):
        own = int(within[place])
        near = range(max(0, own - NEAR), min(len(source.grey), own + NEAR + 1))
        unlike_by = {other: _difference(clip.grey[place], source.grey[other]) for other in near}
        foreign += min(unlike_by.values()) > UNLIKE
        shifted += min(unlike_by.values()) < unlike_by[own] - max(NEARER, unlike_by[own] / 2)
    times_s = source.times_s[within[:kept]]
    off = int((np.abs((clip.times_s[:kept] - clip.times_s[:1]) - (times_s - times_s[:1])) > LATE_S).sum())
    missing, more = max(0, len(within) - count), max(0, count - len(within))
    sound_ms = _sound_ms(source.sound, clip.sound, float(times_s[0]), float(end_s)) if kept else None
    return Compared(len(within), missing, foreign + more + unlike, shifted, off, sound_ms)


def _difference(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> float:
    return float(np.abs(first.astype(np.int16) - second).mean())


def _sound_ms(whole: NDArray[np.float32], part: NDArray[np.float32], start_s: float, end_s: float) -> float | None:
    """How late the part is in milliseconds; None where it is silent or too short, or like nothing near."""
    first, most = round(start_s * RATE_HZ), round(SEARCHED_S * RATE_HZ)
    part, first = part[max(0, -first) :], max(0, first)  # before 0 nothing was read of the source
    length = min(len(part), round((end_s - start_s) * RATE_HZ), len(whole) - first)
    wanted, found = whole[first : first + max(0, length)].astype(np.float64), part[: max(0, length)].astype(np.float64)
    if length < RATE_HZ // 4 or np.abs(wanted).max(initial=0) < 0.001:
        return None
    size = 1 << (2 * length).bit_length()
    both = np.fft.irfft(np.fft.rfft(found, size) * np.conj(np.fft.rfft(wanted, size)), size)
    scale = np.linalg.norm(wanted) * np.linalg.norm(found)
    near = np.concatenate([both[-most:], both[: most + 1]]) / max(scale, 1e-12)
    best = int(near.argmax())
    if near[best] < HEARD:
        return None
    if near[most] > near[best] - 0.01:  # a tone fits at many places
        return 0.0
    return (best - most) / RATE_HZ * 1000


def check_file(path: Path, seed: int) -> dict[str, tuple[Compared, list[str], list[str]]]:
    """By way of cutting: all faults, the modes of its clips, and errors."""
    source, found = read(path, READ_S), {}
    with TemporaryDirectory() as folder:
        for way, how in WAYS.items():
            total, modes, errors = Compared(0, 0, 0, 0, 0, None), list[str](), list[str]()
            for start_s, end_s in choose_spans(source.times_s, seed):
                out = Path(folder, "clip.mp4")
                try:
                    modes.append(cut(str(path), start_s, end_s, out, how).mode)
                    total += compare(source, read(out, READ_S), start_s, end_s)
                except ItemError as error:
                    errors.append(f"{error.code} {start_s:.3f} to {end_s:.3f} s: {error.detail}")
            found[way] = total, modes, errors
    return found


def kind_of(path: Path) -> str:
    """Container and codec."""
    with open_video(str(path), 10**8, 10**5) as video:
        return f"{path.suffix[1:].lower()} {video.facts.codec}"


def main(words: Sequence[str]) -> int:
    """Prints a row a file and way, and the sums. Exit status 1 where a frame or the sound is wrong."""
    folder = Path(dict(word.split("=", 1) for word in words)["folder"])
    files = list(fetch_files(folder))
    table = Table("file", "kind", "way", "modes", *Compared._fields, "errors")
    kinds, total, failed = set(), Compared(0, 0, 0, 0, 0, None), 0
    for seed, path in enumerate(files):
        try:
            kind = kind_of(path)
        except ItemError as error:
            table.add_row(path.name, "", "", "", *[""] * 6, f"{error.code}: {error.detail}")
            continue
        kinds.add(kind)
        for way, (compared, modes, errors) in check_file(path, seed).items():
            total, failed = total + compared, failed + len(errors)
            told = "" if compared.sound_ms is None else f"{compared.sound_ms:.1f}"
            table.add_row(path.name, kind, way, " ".join(modes), *map(str, compared[:5]), told, "; ".join(errors))
            print(path.name, kind, way, *modes, compared, *errors, flush=True)
    Console(width=200).print(table)
    print(f"{len(files)} files of {len(kinds)} kinds, {total}, {failed} clips not made")
    wrong = total.missing + total.foreign + total.shifted + total.off
    return int(wrong > 0 or abs(total.sound_ms or 0) > 10)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
