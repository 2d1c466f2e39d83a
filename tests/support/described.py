"""Runs for the stages that write words: a catalogue, clips of a film and what is said of them, made by hand."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl
from support.pools import MODEL
from support.runs import command
from support.steps import finish, made_step

from slurm.pool.engine import Remote
from slurm.record.manifest import Step

FINE = ("error", "error_detail")
CLIP = {
    "clip_id": pl.String,
    "video_id": pl.String,
    "start_s": pl.Float64,
    "end_s": pl.Float64,
    "camera_move": pl.String,
}


def made_run(place: Path, films: dict[str, str | None], clips: Sequence[tuple[str, str, float, float]]) -> Path:
    """A run with a catalogue (video → path) and a step split: clip, video, start, end; each pans left."""
    source = made_step(
        place, "ingest", stage="ingest", n=1, keys=["video_id"],
        gives=dict.fromkeys(("video_id", "path", "url", "title", *FINE), "String"),
    )  # fmt: skip
    rows = [
        (video, path, None if path else "https://example.org/v", f"title-of-{video}") for video, path in films.items()
    ]
    schema = dict.fromkeys(("video_id", "path", "url", "title"), pl.String)
    fine = {name: pl.lit(None, pl.String) for name in FINE}
    finish(source, 0, pl.DataFrame(rows, schema=schema, orient="row").with_columns(**fine))
    gives = {name: str(kind()) for name, kind in CLIP.items()}
    split = made_step(
        place, "split", stage="split", n=1, inputs=["ingest"], aligned=True, keys=["clip_id", "video_id"],
        gives={**gives, **dict.fromkeys(FINE, "String")},
    )  # fmt: skip
    table = pl.DataFrame([(*clip, "pan_left") for clip in clips], schema=CLIP, orient="row")
    finish(split, 0, table.with_columns(**fine))
    return place


def asking(server: Remote, *words: str) -> list[str]:
    """Words for a stage that asks a server which stands already."""
    url = [f"engine.url={server.url}", "engine=endpoint", "engine.dialect=tgi", f"pool.model={MODEL}"]
    return [*url, "cluster.executor=debug", "chunks.max_error_share=1", *words]


def run_stage(stage: str, run: Path, *words: str) -> dict[str, dict[str, object]]:
    """The rows of a stage that must succeed, by their first key."""
    done = command(f"stages.{stage}", f"run={run.name}", f"runs={run.parent}", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    return {str(next(iter(row.values()))): row for row in table(run, stage).to_dicts()}


def table(run: Path, step: str, name: str = "rows") -> pl.DataFrame:
    rows = Step(run, step).scan(name)
    assert rows is not None
    return rows.collect()
