"""Measures `cut` against PySceneDetect's `split_video_ffmpeg` at the same encoder settings (veryfast, crf 22, AAC).

CPU seconds (user + system, children included) for each second of clips, in turns, medians of three; our side is a warm
worker, theirs starts an ffmpeg for each clip. Videos are 720p30 with sound, made here: x264 with its own key frames at
hard cuts, and one with a single GOP.
"""

import resource
import subprocess
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from scenedetect import FrameTimecode, split_video_ffmpeg

from scripts.bench.lines import Line
from stages.core.video.cut.clip import Clip, Cutting, cut
from stages.core.video.cut.encode import Encoding, ffmpeg_path

FPS = 30
SHOT_S, SPREAD = 4, 0.6  # median and sigma of shots' lengths, lognormal like a film's (Cutting, DeLong, Nothelfer 2010)
SMART = Cutting("smart", Encoding("libx264", 22, "veryfast", 1), None, 128_000, 10**8, 10**5)

Spans = Sequence[tuple[int, int]]  # frames, [start, end)


class Case(NamedTuple):
    what: str
    spans: Spans
    video: str
    how: Cutting
    bar: float | None


def texture(chance: np.random.Generator, width: int, height: int) -> NDArray[np.uint8]:
    """Coloured 1/f noise with sharp discs: what a photograph costs an encoder. uint8 [height, width, 3]."""
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    frequency[0, 0] = 1
    spectrum = np.fft.rfft2(chance.standard_normal((3, height, width))) / frequency
    noise = np.fft.irfft2(spectrum, (height, width)).transpose(1, 2, 0)
    picture = np.ascontiguousarray(np.clip(128 + 45 * noise / noise.std(), 0, 255).astype(np.uint8))
    for _ in range(60):
        x, y, radius = chance.integers((0, 0, 8), (width, height, 90))
        cv2.circle(picture, (int(x), int(y)), int(radius), [int(c) for c in chance.integers(0, 255, 3)], -1)
    return picture


def film(folder: Path, chance: np.random.Generator, seconds: int, width: int) -> list[int]:
    """Writes folder/cuts.mp4, shots of 1 s and more, each a pan over a texture with grain; gives its cuts, frames."""
    cuts = [0]
    while cuts[-1] < FPS * seconds:
        length = max(FPS, int(FPS * chance.lognormal(np.log(SHOT_S), SPREAD)))
        cuts.append(cuts[-1] + length if cuts[-1] + length < FPS * (seconds - 1) else FPS * seconds)
    height = width * 9 // 16
    beside, above = width // 8, height // 8  # a pan stays within these margins
    inputs, chains = [], []
    for n, (start, end) in enumerate(pairwise(cuts)):
        cv2.imwrite(str(folder / f"{n}.png"), texture(chance, width + 2 * beside, height + 2 * above))
        inputs += ["-loop", "1", "-framerate", str(FPS), "-t", str((end - start) / FPS), "-i", str(folder / f"{n}.png")]
        dx, dy = chance.uniform(-0.9, 0.9, 2)
        chains.append(f"[{n}]crop={width}:{height}:{beside}+{dx:.2f}*n:{above}+{dy:.2f}*n[s{n}]")
    shots = "".join(f"[s{n}]" for n in range(len(chains)))
    graph = f"{';'.join(chains)};{shots}concat=n={len(chains)},noise=c0s=6:c0f=t,format=yuv420p[v]"
    sound = ["-f", "lavfi", "-t", str(seconds), "-i", "anoisesrc=a=0.2:c=pink:r=48000"]
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


def case(folder: Path, asked: Case, times: int) -> Iterator[Line]:
    """The ratio, and its parts; raises RuntimeError if a clip has other frames than asked for."""
    video = folder / asked.video
    clips = ours(video, asked.spans, asked.how)
    if [clip.frames for clip in clips] != [end - start for start, end in asked.spans]:
        raise RuntimeError(f"{asked.what}: clips with other frames than asked for")
    pairs = [
        (cpu_s(lambda: ours(video, asked.spans, asked.how)), cpu_s(lambda: theirs(video, asked.spans)))
        for _ in range(times)
    ]
    seconds = sum(end - start for start, end in asked.spans) / FPS
    our_s, their_s = (median(spent) / seconds for spent in zip(*pairs, strict=True))
    modes = [clip.mode for clip in clips]
    counts = ", ".join(f"{modes.count(mode)} {mode}" for mode in ("copied", "joined", "encoded") if mode in modes)
    encoded = sum(clip.encoded_frames for clip in clips) / sum(clip.frames for clip in clips)
    how = f"{our_s:.4f} / {their_s:.4f} CPU s a second; {counts}; {encoded:.0%} of frames encoded"
    yield Line(f"cut / split_video_ffmpeg, {asked.what}", median(a / b for a, b in pairs), "", asked.bar, how)
    yield Line(f"… CPU s a second, {asked.what}", our_s, "s")


def measure(folder: Path, *, times: int = 3, small: bool = False) -> Iterator[Line]:
    seconds, width, times, count = (6, 192, 1, 2) if small else (90, 1280, times, 9)
    chance = np.random.default_rng(4)
    every = Cutting("encode", SMART.encoding, None, SMART.audio_bit_rate, SMART.max_pixels, SMART.max_s)
    cuts = film(folder, chance, seconds, width)
    recoded(folder, "gop_2s.mp4", "-g", str(2 * FPS))
    recoded(folder, "one_gop.mp4", "-g", "100000", "-sc_threshold", "0")
    shots = list(pairwise(cuts))
    highest = (FPS * (seconds - 10), 300) if seconds > 10 else (FPS * 2, 90)
    anywhere = [(int(at), int(at + length)) for at, length in chance.integers((0, 60), highest, (count, 2))]
    for asked in (
        Case("shots between hard cuts", shots, "cuts.mp4", SMART, 0.25),
        Case("spans anywhere in it", anywhere, "cuts.mp4", SMART, None),
        Case("spans anywhere, a key frame every 2 s", anywhere, "gop_2s.mp4", SMART, None),
        Case("spans anywhere, one GOP", anywhere, "one_gop.mp4", SMART, 1.0),
        Case("shots, mode=encode", shots, "cuts.mp4", every, None),
    ):
        yield from case(folder, asked, times)
