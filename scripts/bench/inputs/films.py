"""The films of the ground-truth corpus, measured by `analyze`, by PySceneDetect's detectors and by freezedetect."""

import json
import re
import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

import av
import yaml

from scripts.bench.lines import ROOT
from scripts.bench.peers.detectors import detected
from scripts.bench.scores import Interval, Span, same_spans
from slurm.errors import ItemError
from stages.core.video.cut.encode import ffmpeg_path
from stages.core.video.measure.freeze import native_difference
from stages.core.video.measure.one_pass import measure
from stages.core.video.measure.settings import Freeze, Settings
from stages.core.video.read.frames import planes

JOBS = 2
FREEZES = {f"n={noise} d={least_s}": Freeze(noise, least_s) for noise, least_s in ((0.001, 2), (0.003, 0.5), (0.02, 5))}
Speed = Literal["exact", "fast", "draft"]
SPEEDS: tuple[Speed, ...] = ("exact", "fast", "draft")
DEFAULT, FITTED = "n=0.001 d=2", " fitted"


class Found(NamedTuple):
    """What is known of a film, and what was measured on it.

    `changes` are those taken: kind, first and last frame; `freezes` and `ffmpeg` are spans by the setting's name.
    """

    truth: dict[str, Any]
    error: str
    changes: list[tuple[str, int, int]]
    shots: int
    duration_s: float
    motion: list[float | None]
    camera: list[float | None]
    freezes: dict[str, list[Span]]
    ffmpeg: dict[str, list[Span]]
    others: dict[str, list[int]]

    @property
    def name(self) -> str:
        return str(Path(self.truth["name"]).stem)

    @property
    def graduals(self) -> list[Interval]:
        return [(start, end) for start, end, _ in self.truth["gradual"]]

    @property
    def chosen(self) -> str:
        """The setting that sees through the film's noise."""
        return next((name for name in self.freezes if name.endswith(FITTED)), DEFAULT)

    def differing(self) -> list[str]:
        """The settings with freezes that are not those of freezedetect within two frames."""
        within_s = 2 / float(Fraction(self.truth["fps"]))
        return [name for name, theirs in self.ffmpeg.items() if not same_spans(self.freezes[name], theirs, within_s)]

    def of_kind(self, kind: str) -> list[Interval]:
        return [(start, end) for found, start, end in self.changes if found == kind]


@cache
def settings(speed: Speed) -> Settings:
    """The stage's own, from its YAML, at a speed."""
    (path,) = (ROOT / "conf").rglob("analyze.yaml")
    loaded = yaml.safe_load(path.read_text())
    given = Settings(**{key: loaded[key] for key in Settings.__dataclass_fields__})
    return replace(given, decoder=replace(given.decoder, speed=speed))


def fitted(path: Path, freezes: Sequence[Span]) -> Freeze:
    """freezedetect with the noise that the film's frozen pictures have: their largest difference from their first one.

    It holds what the encoder adds, which before it reaches the quality it is told is more than any grain.
    """
    noise, first, of = 0.0, None, None
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            at_s = float(frame.time or 0) - (container.start_time or 0) / 1e6
            within = next((span for span in freezes if span[0] - 1e-3 <= at_s < span[1] - 1e-3), None)
            if within is None:
                continue
            now = planes(frame)
            if within != of or first is None:
                of, first = within, now
            noise = max(noise, native_difference(first, now))
    return replace(FREEZES[DEFAULT], noise=max(FREEZES[DEFAULT].noise, round(1.02 * noise + 5e-6, 5)))


def examined(path: Path, truth: dict[str, Any], speed: Speed) -> Found:
    """A film measured by everything that there is, in a worker process."""
    how = settings(speed)
    tried = {DEFAULT: FREEZES[DEFAULT]}
    if truth["group"] == "freeze":
        tried |= FREEZES
        if (fit := fitted(path, truth["freezes"])) != FREEZES[DEFAULT]:
            tried[f"n={fit.noise} d={fit.min_s:g}{FITTED}"] = fit
    try:
        tables = measured(path, replace(how, freeze=tried[DEFAULT]))
        freezes = {DEFAULT: spans(tables["freezes"])}
        for name, freeze in list(tried.items())[1:]:
            freezes[name] = spans(measured(path, replace(how, freeze=freeze))["freezes"])
    except ItemError as error:
        return Found(truth, str(error), [], 0, 0, [], [], {}, {}, {})
    others: dict[str, list[int]] = {}
    theirs: dict[str, list[Span]] = {}
    duration_s = tables["rows"][0]["duration_s"]
    if speed == "exact":
        others = detected(path, Fraction(truth["fps"]))
        theirs = {name: freezedetect(path, freeze, duration_s) for name, freeze in tried.items()}
    return Found(
        truth,
        "",
        [(row["kind"], row["start_frame"], row["end_frame"]) for row in tables["changes"] if row["taken"]],
        len(tables["shots"]),
        duration_s,
        [row["motion"] for row in tables["signals"]],
        [row["camera"] for row in tables["signals"]],
        freezes,
        theirs,
        others,
    )


def measured(path: Path, how: Settings) -> dict[str, Any]:
    return measure(str(path), how, lambda key_frame: None)


def spans(rows: Sequence[Mapping[str, Any]]) -> list[Span]:
    return [(row["start_s"], row["end_s"]) for row in rows]


def freezedetect(path: Path, freeze: Freeze, end_s: float) -> list[Span]:
    """What ffmpeg's filter finds in the whole file; a freeze that does not end does so with the file."""
    wanted = ["-map", "0:v:0", "-vf", f"freezedetect=n={freeze.noise}:d={freeze.min_s}", "-f", "null", "-"]
    command = [ffmpeg_path(), "-nostdin", "-hide_banner", "-threads", "1", "-i", str(path), *wanted]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    starts, ends = (
        [float(at) for at in re.findall(rf"freezedetect\.freeze_{edge}: ([\d.e+-]+)", said)]
        for edge in ("start", "end")
    )
    return list(zip(starts, [*ends, end_s], strict=False))


def examine(folder: Path, speed: Speed, only: str) -> list[Found]:
    """All films of the corpus that are there, in the corpus's order."""
    known = json.loads((folder / "truth.json").read_text())
    chosen = [truth for truth in known["files"] if truth["group"] == only or not only]
    longest_first = sorted(chosen, key=lambda truth: -truth["frames"] * truth["width_px"])
    with ProcessPoolExecutor(JOBS) as pool:
        waiting = {
            truth["name"]: pool.submit(examined, folder / truth["name"], truth, speed) for truth in longest_first
        }
        return [waiting[truth["name"]].result() for truth in chosen]
