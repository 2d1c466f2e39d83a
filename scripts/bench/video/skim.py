"""Measures `skim` against ffmpeg's bare decoding, and a corpus of which 60 % stands still with and without it.

CPU seconds, user and system, in one thread, of `skim` and `analyze` in a warm process and of ffmpeg's child, in turns;
medians of the ratios of each round. The videos (ten minutes of 720p, a sync frame every 250 frames) are made first.
On a slow machine `seconds=120` makes them shorter (those of the corpus a tenth of it), `quick=true` by the encoders'
fast settings, `times=1` measures once; `codecs=vp9,av1` are some of them.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from statistics import median
from typing import NamedTuple

import polars as pl
import yaml
from pydantic import TypeAdapter

from scripts.bench.inputs.samples import GRAIN, SEED, X264, encode, film
from scripts.bench.lines import ROOT, Line, shared
from scripts.bench.video.analyze import bare_s, measured
from scripts.truth.cuts import cut
from scripts.truth.drawing.canvas import Backdrop
from scripts.truth.drawing.scenes import Scene
from scripts.truth.drawing.writing import make
from scripts.truth.film import Encoding, Film
from stages.core.choose.rule import Rule
from stages.core.choose.verdicts import judge
from stages.core.video.skim.one_skim import skim
from stages.core.video.skim.settings import Settings

LONG_S = 600
SYNC_EVERY = 250  # frames
CODECS: dict[str, tuple[str, ...]] = {
    "h264.mp4": (*X264, "-b:v", "1800k", "-g", str(SYNC_EVERY), "-sc_threshold", "0"),
    "hevc.mp4": (
        *("-c:v", "libx265", "-preset", "fast", "-b:v", "1400k", "-tag:v", "hvc1"),
        *("-x265-params", f"log-level=error:scenecut=0:keyint={SYNC_EVERY}:min-keyint={SYNC_EVERY}"),
    ),
    "vp9.webm": (
        *("-c:v", "libvpx-vp9", "-deadline", "good", "-cpu-used", "4", "-b:v", "1400k"),
        *("-g", str(SYNC_EVERY), "-keyint_min", str(SYNC_EVERY)),
    ),
    "av1.mkv": ("-c:v", "libsvtav1", "-preset", "8", "-b:v", "1200k", "-g", str(SYNC_EVERY)),
}
QUICK: dict[str, tuple[str, ...]] = {  # over those above
    "h264.mp4": ("-preset", "veryfast"),
    "hevc.mp4": ("-preset", "ultrafast"),
    "vp9.webm": ("-deadline", "realtime", "-cpu-used", "8"),
    "av1.mkv": ("-preset", "12"),
}
VIDEOS, STILLS = 10, 6  # of the corpus; those that stand still come first


class Made(NamedTuple):
    """The videos that are measured: `seconds` long, by the encoders' usual settings or `quick`; or small ones."""

    codecs: str
    seconds: int
    quick: bool
    times: int
    small: bool


def settings() -> Settings:
    """The stage's own, from its YAML."""
    loaded = yaml.safe_load((ROOT / "conf" / "stage" / "skim.yaml").read_text())
    return Settings(**{key: loaded[key] for key in Settings.__dataclass_fields__})


def skimmed(video: Path) -> dict[str, object]:
    return skim(str(video), settings(), lambda picture: None)


def cpu_s(work: Callable[[Path], object], videos: Sequence[Path]) -> float:
    before = time.process_time()
    for video in videos:
        work(video)
    return time.process_time() - before


def repeated(part: Path, seconds: int, part_s: float) -> Path:
    """The video again and again, copied, until it lasts that long; made where it is missing."""
    whole = part.with_name(f"long_{part.name}")
    if not whole.exists():
        parts = part.with_suffix(".txt")
        parts.write_text(f"file {part.name}\n" * max(1, round(seconds / part_s)))
        encode(["-f", "concat", "-i", str(parts), "-c", "copy"], whole)
    return whole


def bare(folder: Path, made: Made) -> Iterator[Line]:
    """`skim` of ten minutes against ffmpeg's decoding, a codec each."""
    small = made.small
    shown, size = film(small), "320:180" if small else "1280:720"
    if not (folder / shown.file).exists():
        make(shown, SEED, folder)
    frames = min(shown.frames, 2 * SYNC_EVERY) if made.quick else shown.frames
    for name, encoder in CODECS.items():
        if name.partition(".")[0] not in made.codecs.split(","):
            continue
        if not (folder / name).exists():
            words = [*encoder, *(QUICK[name] if made.quick else ()), "-frames:v", str(frames)]
            encode(["-i", str(folder / shown.file), "-vf", f"scale={size},{GRAIN}", *words], folder / name)
        video = folder / name if small else repeated(folder / name, made.seconds, float(frames / shown.fps))
        skimmed(video)
        pairs = [(cpu_s(skimmed, [video]), bare_s(video)) for _ in range(1 if small else made.times)]
        ours_s, theirs_s = (median(each) for each in zip(*pairs, strict=True))
        how = f"{ours_s:.2f} s and {theirs_s:.1f} s of CPU"
        yield Line(f"skim / ffmpeg, {name}", median(ours / theirs for ours, theirs in pairs), "", 0.06, how)


def corpus(folder: Path, made: Made) -> Iterator[Line]:
    """`skim`, then `analyze` of what its rules leave, against `analyze` of all; and which clips are lost by it."""
    small, videos = made.small, made_corpus(folder, made)
    rules = TypeAdapter(dict[str, Rule]).validate_python(
        yaml.safe_load((ROOT / "conf" / "rules" / "skim.yaml").read_text())
    )
    left: list[Path] = []

    def skim_all(_: Path) -> None:
        rows = pl.DataFrame([{"video_id": video.name, **skimmed(video)} for video in videos])
        reasons = judge(rows, rules).reasons()
        left[:] = [video for video, reason in zip(videos, reasons, strict=True) if reason is None]

    skim_all(folder)
    costs = []
    for _ in range(1 if small else made.times):
        skim_s, analyze_s = cpu_s(skim_all, [folder]), {video: cpu_s(analyze, [video]) for video in videos}
        all_s = sum(analyze_s.values())
        costs.append((skim_s / all_s, sum(analyze_s[video] for video in left) / all_s))
    skim_share, left_share = (median(shares) for shares in zip(*costs, strict=True))
    how = f"{skim_share:.3f} for skim, {left_share:.3f} for the {len(left)} of {len(videos)} videos that are left"
    yield Line("skim + analyze / analyze of all", median(map(sum, costs)), "", 0.5, how)
    lost = [video.name for video in videos if video not in left and moves(video)]
    yield Line("videos left out that move in more than 5 % of their seconds", len(lost), "", 0, ", ".join(lost))


def analyze(video: Path) -> object:
    return measured(video, "exact")


def moves(video: Path) -> bool:
    """Whether `analyze` finds motion of 0.002 widths a second in more than 5 % of its seconds."""
    seconds = measured(video, "exact")["signals"]
    moving = [row for row in seconds if (row["motion"] or 0.0) >= 0.002]
    return len(moving) > 0.05 * len(seconds)


def made_corpus(folder: Path, made: Made) -> list[Path]:
    """Ten videos of a minute: covers of music, slides that change, and films that move."""
    small, preset = made.small, ["-preset", "veryfast"] if made.quick else []
    ready: dict[tuple[str, ...], Path] = {}
    shown, size, seconds = film(small), "320:180" if small else "1280:720", 2 if small else made.seconds // 10
    if not (folder / shown.file).exists():
        make(shown, SEED, folder)
    drawn = pages((320, 180) if small else (1280, 720))
    if not (folder / drawn.file).exists():
        make(drawn, SEED, folder)
    source, videos = str(folder / shown.file), []
    for number in range(STILLS - 1, STILLS + 1) if small else range(VIDEOS):
        video = folder / f"corpus{number}.mp4"
        videos.append(video)
        if video.exists():
            continue
        if number < STILLS:
            every_s = min(seconds, 60 / (1 if small or number < STILLS // 2 else 4 + number))  # covers, then slides
            at_s = [n / drawn.fps for n in range(max(1, round(seconds / every_s)))]
            slides = [word for s in at_s for word in ("-ss", f"{float(s):.2f}", "-i", str(folder / drawn.file))]
            still = f"trim=end_frame=1,scale={size},loop=-1:1,fps=25,trim=duration={every_s},setpts=PTS-STARTPTS"
            chains = ";".join(f"[{n}:v]{still}[s{n}]" for n in range(len(at_s)))
            joined = "".join(f"[s{n}]" for n in range(len(at_s)))
            picture = ["-filter_complex", f"{chains};{joined}concat=n={len(at_s)}"]
            words = [*slides, *picture, *X264, *preset]
        else:
            picture = ["-vf", f"scale={size},{GRAIN}", "-t", str(seconds)]
            words = ["-stream_loop", "-1", "-i", source, *picture, *X264, *preset, "-b:v", "1800k"]
        if tuple(words) not in ready:
            encode(words, ready.setdefault(tuple(words), video))
        else:  # several are the same
            video.write_bytes(ready[tuple(words)].read_bytes())
    return videos


def pages(size: tuple[int, int]) -> Film:
    """Pages of text, a frame each."""
    alone = Encoding("h264", ".mkv", ("-c:v", "libx264", "-preset", "ultrafast", "-crf", "10", "-g", "1"))
    shots = tuple((Scene(Backdrop("page", ("bright", "dark", "warm")[n % 3], n)), 1) for n in range(12))
    return cut("pages", shots, alone, fps=Fraction(25), size=size, grain=0)


PARTS = {function.__name__: function for function in (bare, corpus)}


def measure(
    folder: Path,
    *,
    parts: str = "bare,corpus",
    codecs: str = "h264,hevc,vp9,av1",
    seconds: int = LONG_S,
    quick: bool = False,
    times: int = 3,
    small: bool = False,
) -> Iterator[Line]:
    size = "small" if small else f"{seconds}s{'_quick' if quick else ''}"
    place = shared(folder) / "skim" / size  # for every tree
    place.mkdir(parents=True, exist_ok=True)
    for part in parts.split(","):
        yield from PARTS[part](place, Made(codecs, seconds, quick, times, small))
