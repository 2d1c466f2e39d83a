"""Measures `cut` against PySceneDetect's `split_video_ffmpeg` at the same encoder settings (veryfast, crf 22, AAC).

CPU seconds (user + system, children included) for each second of clips, in turns, medians of three; our side is a warm
worker, theirs starts an ffmpeg for each clip. Videos are 720p30 with sound, made here: x264 with its own key frames at
hard cuts, and one with a single GOP. Measurements and no tests: the exit status is 0.

    python -m scripts.bench.cut
"""

import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from scenedetect import FrameTimecode, split_video_ffmpeg

from stages.core.video.cut.clip import Clip, Cutting, cut
from stages.core.video.cut.encode import Encoding, ffmpeg_path

FPS, SECONDS, TIMES = 30, 90, 3
SHOT_S, SPREAD = 4, 0.6  # median and sigma of shots' lengths, lognormal like a film's (Cutting, DeLong, Nothelfer 2010)
WIDTH, HEIGHT = 1280, 720
SMART = Cutting("smart", Encoding("libx264", 22, "veryfast", 1), None, 128_000, 10**8, 10**5)

Spans = Sequence[tuple[int, int]]  # frames, [start, end)


class Line(NamedTuple):
    what: str
    spans: Spans
    video: str
    how: Cutting
    bar: float | None


def texture(chance: np.random.Generator) -> NDArray[np.uint8]:
    """Coloured 1/f noise with sharp discs: what a photograph costs an encoder. uint8 [900, 1600, 3]."""
    height, width = 900, 1600
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    frequency[0, 0] = 1
    spectrum = np.fft.rfft2(chance.standard_normal((3, height, width))) / frequency
    noise = np.fft.irfft2(spectrum, (height, width)).transpose(1, 2, 0)
    picture = np.ascontiguousarray(np.clip(128 + 45 * noise / noise.std(), 0, 255).astype(np.uint8))
    for _ in range(60):
        x, y, radius = chance.integers((0, 0, 8), (width, height, 90))
        cv2.circle(picture, (int(x), int(y)), int(radius), [int(c) for c in chance.integers(0, 255, 3)], -1)
    return picture


def film(folder: Path, chance: np.random.Generator) -> list[int]:
    """Writes folder/cuts.mp4, shots of 1 s and more, each a pan over a texture with grain; gives its cuts, frames."""
    cuts = [0]
    while cuts[-1] < FPS * SECONDS:
        length = max(FPS, int(FPS * chance.lognormal(np.log(SHOT_S), SPREAD)))
        cuts.append(cuts[-1] + length if cuts[-1] + length < FPS * (SECONDS - 1) else FPS * SECONDS)
    inputs, chains = [], []
    for n, (start, end) in enumerate(pairwise(cuts)):
        cv2.imwrite(str(folder / f"{n}.png"), texture(chance))
        inputs += ["-loop", "1", "-framerate", str(FPS), "-t", str((end - start) / FPS), "-i", str(folder / f"{n}.png")]
        dx, dy = chance.uniform(-0.9, 0.9, 2)
        chains.append(f"[{n}]crop={WIDTH}:{HEIGHT}:160+{dx:.2f}*n:90+{dy:.2f}*n[s{n}]")
    shots = "".join(f"[s{n}]" for n in range(len(chains)))
    graph = f"{';'.join(chains)};{shots}concat=n={len(chains)},noise=c0s=6:c0f=t,format=yuv420p[v]"
    sound = ["-f", "lavfi", "-t", str(SECONDS), "-i", "anoisesrc=a=0.2:c=pink:r=48000"]
    coded = ["-c:v", "libx264", "-preset", "veryfast", "-crf", "23", "-c:a", "aac", str(folder / "cuts.mp4")]
    mapped = ["-filter_complex", graph, "-map", "[v]", "-map", f"{len(chains)}:a"]
    subprocess.run([ffmpeg_path(), "-nostdin", "-v", "error", *inputs, *sound, *mapped, *coded], check=True)
    return cuts


def recoded(folder: Path, name: str, *options: str) -> None:
    """Writes folder/name: the same with other key frames."""
    coded = ["-c:v", "libx264", "-preset", "veryfast", "-crf", "23", *options, "-c:a", "copy", str(folder / name)]
    subprocess.run([ffmpeg_path(), "-nostdin", "-v", "error", "-i", str(folder / "cuts.mp4"), *coded], check=True)


def cpu_s(work: Callable[[], object]) -> float:
    def spent_s() -> float:
        both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        return sum(used.ru_utime + used.ru_stime for used in both)

    before = spent_s()
    work()
    return spent_s() - before


def ours(video: Path, spans: Spans, how: Cutting) -> list[Clip]:
    out = video.with_name("clip.mp4")
    return [cut(str(video), start / FPS, end / FPS, out, how) for start, end in spans]


def theirs(video: Path, spans: Spans) -> None:
    scenes = [(FrameTimecode(start, float(FPS)), FrameTimecode(end, float(FPS))) for start, end in spans]
    if split_video_ffmpeg(str(video), scenes, output_dir=video.parent / "split"):
        raise RuntimeError("split_video_ffmpeg failed")


def measured(folder: Path, line: Line) -> tuple[str, ...]:
    video = folder / line.video
    clips = ours(video, line.spans, line.how)
    if [clip.frames for clip in clips] != [end - start for start, end in line.spans]:
        raise RuntimeError(f"{line.what}: clips with other frames than asked for")
    pairs = [
        (cpu_s(lambda: ours(video, line.spans, line.how)), cpu_s(lambda: theirs(video, line.spans)))
        for _ in range(TIMES)
    ]
    seconds = sum(end - start for start, end in line.spans) / FPS
    our_s, their_s = (median(spent) / seconds for spent in zip(*pairs, strict=True))
    ratio = median(our / their for our, their in pairs)
    modes = [clip.mode for clip in clips]
    counts = ", ".join(f"{modes.count(mode)} {mode}" for mode in ("copied", "joined", "encoded") if mode in modes)
    encoded = sum(clip.encoded_frames for clip in clips) / sum(clip.frames for clip in clips)
    bar = "" if line.bar is None else f"≤ {line.bar:g}"
    return (
        line.what,
        f"{ratio:.3f}",
        bar,
        f"{our_s:.4f}",
        f"{their_s:.4f}",
        f"{counts}; {encoded:.0%} of frames encoded",
    )


def main() -> int:
    table = Table(title=f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", box=SIMPLE_HEAD)
    for title in ("cut", "cut / split", "bar", "CPU s per s", "split's", "of it"):
        table.add_column(title, justify="left" if title in ("cut", "of it") else "right")
    chance = np.random.default_rng(4)
    every = Cutting("encode", SMART.encoding, None, SMART.audio_bit_rate, SMART.max_pixels, SMART.max_s)
    with tempfile.TemporaryDirectory(prefix="reelmill-bench-cut-") as name:
        cuts = film(folder := Path(name), chance)
        recoded(folder, "gop_2s.mp4", "-g", str(2 * FPS))
        recoded(folder, "one_gop.mp4", "-g", "100000", "-sc_threshold", "0")
        shots = list(pairwise(cuts))
        anywhere = [(int(at), int(at + length)) for at, length in chance.integers((0, 60), (FPS * 80, 300), (9, 2))]
        for line in (
            Line("shots between hard cuts", shots, "cuts.mp4", SMART, 0.25),
            Line("spans anywhere in it", anywhere, "cuts.mp4", SMART, None),
            Line("… a key frame every 2 s", anywhere, "gop_2s.mp4", SMART, None),
            Line("… one GOP of 90 s", anywhere, "one_gop.mp4", SMART, 1.0),
            Line("shots, mode=encode", shots, "cuts.mp4", every, None),
        ):
            table.add_row(*measured(folder, line))
    Console(width=None if sys.stdout.isatty() else 160).print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
