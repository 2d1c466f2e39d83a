"""Runs of videos that are analyzed, made by hand, and their annotation by a server that stands already."""

import json
from collections.abc import Mapping, Sequence
from io import BytesIO
from math import ceil
from pathlib import Path
from typing import Any

import polars as pl
from PIL import Image
from support.runs import command
from support.steps import finish, made_step

from slurm.pool.engine import Remote
from slurm.record.manifest import Step
from stages.core.schema.download import SUBTITLES
from stages.core.schema.frame import KEY_FRAMES
from stages.core.schema.second import SIGNALS
from stages.core.schema.types import Schema
from stages.core.schema.video import SHOTS

GIVES = {"title": "String", "fps": "Float64", "duration_s": "Float64", "path": "String"}
ERRORS = {"error": "String", "error_detail": "String"}
TABLES: dict[str, Schema] = {"shots": SHOTS, "key_frames": KEY_FRAMES, "signals": SIGNALS, "subtitles": SUBTITLES}


def jpeg() -> bytes:
    written = BytesIO()
    Image.new("RGB", (64, 36), "teal").save(written, "JPEG")
    return written.getvalue()


def analyzed(
    run: Path,
    durations_s: dict[str, float | None],
    films: Mapping[str, Path] = {},
    kept: Mapping[str, Sequence[tuple[float, bytes]]] = {},
) -> None:
    """A step of videos with these lengths: a cut and a key frame every 10 s; all speak German in every second shot.

    `films` are their files, and `kept` the times and pictures of other key frames that some of them have.
    """
    unseen = {"unseen", *kept}
    shots: list[dict[str, Any]] = []
    frames: list[dict[str, Any]] = []
    lines: list[dict[str, Any]] = []
    for video, duration_s in durations_s.items():
        frames += [{"video_id": video, "shot": 0, "time_s": at_s, "jpeg": one} for at_s, one in kept.get(video, ())]
        for shot in range(ceil((duration_s or 0) / 10)):
            span: dict[str, Any] = {
                "video_id": video,
                "shot": shot,
                "start_s": 10.0 * shot,
                "end_s": 10.0 * (shot + 1),
            }
            shots.append(span)
            frames.append({**span, "time_s": span["start_s"] + 5, "jpeg": jpeg()} if video not in unseen else {})
            lines.append({**span, "language": "de", "text": f"Satz {shot}"} if shot % 2 else {})
    seconds = [{"video_id": "v0", "second": second, "motion": 0.25} for second in range(10)]
    rows = pl.DataFrame(
        {
            "video_id": list(durations_s),
            "title": [f"Film {video}" for video in durations_s],
            "fps": [25.0] * len(durations_s),
            "duration_s": list(durations_s.values()),
            "path": [str(films[video]) if video in films else None for video in durations_s],
            "error": [None] * len(durations_s),
            "error_detail": [None] * len(durations_s),
        },
        {"video_id": pl.String(), "title": pl.String(), "fps": pl.Float64(), "duration_s": pl.Float64()}
        | dict.fromkeys(("path", *ERRORS), pl.String()),
    )
    tables = {name: {column: str(kind) for column, kind in schema.items()} for name, schema in TABLES.items()}
    step = made_step(
        run, "analyze", stage="analyze", n=1, gives={"video_id": "String", **GIVES, **ERRORS}, tables=tables
    )
    made = {"shots": shots, "key_frames": frames, "signals": seconds, "subtitles": lines}
    parts = {name: pl.DataFrame(list(filter(None, given)), TABLES[name], strict=False) for name, given in made.items()}
    finish(step, 0, rows, "1_0_0", **parts)


def words(tmp_path: Path, server: Remote, *more: str) -> list[str]:
    """Words for the stage, whose servers are this one."""
    engine = ["engine=endpoint", f"engine.url={server.url}", "engine.dialect=tgi", "pool.model=test/model"]
    return [f"runs={tmp_path}", "run=r", *engine, *more]


def annotate(tmp_path: Path, server: Remote, *more: str, step: str = "annotate") -> dict[str, dict[str, Any]]:
    """The rows of a run of the stage, by video; it must succeed."""
    done = command("stages.annotate", *words(tmp_path, server, f"step={step}", *more))
    assert done.returncode == 0, done.stdout + done.stderr
    return rows_of(tmp_path, step)


def rows_of(tmp_path: Path, step: str) -> dict[str, dict[str, Any]]:
    rows = Step(tmp_path / "r", step).scan()
    assert rows is not None
    return {row["video_id"]: row for row in rows.collect().to_dicts()}


def told(tmp_path: Path) -> list[dict[str, Any]]:
    """What the server was asked, but for the question whether it answers."""
    asked = [json.loads(line) for line in (tmp_path / "told").read_text().splitlines()]
    return [one for one in asked if "The video lasts" in one["said"]]
