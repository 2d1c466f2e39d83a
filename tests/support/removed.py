"""Runs out of which videos are taken: real stages over small films, and releases of them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
from support.released import make_video
from support.runs import ROOT, planned

from slurm.control.survey import survey
from slurm.record.manifest import Step, steps
from slurm.table import read_table
from stages.core.runner.pipeline import submit_steps

FILMS = ("alpinelake", "birchforest", "coralreef", "desertdune", "estuarymud", "fjordcliff", "glacierice")
TRAINER = ("format.layout=musubi", "format.caption_column=title", "format.buckets=[128x96x17]")
LISTS = [  # of a trainer's folder, in two chunks
    *(f"index/000/00000{chunk}-0000.{suffix}" for chunk in (0, 1) for suffix in ("parquet", "sha256")),
    *(f"{place}.parquet" for n in (0, 1) for place in (f"metadata/000/00000{n}-0000", f"lists/000/00000{n}")),
    *("plan.txt", "clips.csv", "buckets.csv", "train/videos.txt", "train/prompts.txt", "train/metadata.jsonl"),
]
COPY = "havencopy"  # the same file as the second one


def make_films(folder: Path) -> Path:
    for number, name in enumerate(FILMS):
        make_video(folder / f"{name}.mp4", 4.0, noise=3 * number, size="128x96")
    (folder / f"{COPY}.mp4").write_bytes((folder / f"{FILMS[1]}.mp4").read_bytes())
    return folder


def write_list(films: Path, listed: Path) -> Path:
    """A list of the films, each in a channel with its neighbour, with a page."""
    rows = [
        {
            "video_id": name,
            "path": str(films / f"{name}.mp4"),
            "channel_id": f"channel-{number // 2}",
            "title": f"A film called {name}",
        }
        for number, name in enumerate((*FILMS, COPY))
    ]
    pl.DataFrame(rows).write_parquet(listed)
    return listed


def words(place: Path, *more: str) -> list[str]:
    own = [f"runs={place / 'runs'}", "run=r", "source=urls", f"input.path={place / 'list.parquet'}"]
    return [*own, "cluster.executor=debug", *more]


def go(place: Path, stage: str, *more: str) -> int:
    return submit_steps(planned(stage, *words(place, *more)))


def make_run(place: Path, films: Path) -> Path:
    """A run with whole videos, clips, duplicates, a sweep, a report, and a release in each format."""
    write_list(films, place / "list.parquet")
    for stage, *more in (
        ("download", "chunks.size=2"),
        ("analyze", "after=download"),
        ("split", "min_s=1"),
        ("filter", "rules=[]", "rules.motion.min=0", "rules.motion.on_null=pass"),
        ("cut",),
        ("dedup", "after=analyze", "methods=[exact]", "step=same"),
        ("package", "after=cut", "format=webdataset", "shard_gb=0.0001", "step=tars", "chunks.size=4"),
        ("package", "after=analyze", "format=finevideo", "shard_gb=0.0003", "step=fine", "chunks.size=4"),
        ("package", "after=split", "format=lvd2m", "step=csv"),
        ("package", "after=analyze", "format=folder", "step=files", "chunks.size=4"),
        ("package", "after=cut", "format=clips", "shard_gb=0.0001", "step=table", "chunks.size=4"),
        ("package", "after=cut", "format=trainer", *TRAINER, "step=lora", "chunks.size=4"),
        ("report",),
    ):
        assert go(place, stage, *more) == 0, stage
    return place / "runs" / "r"


def opt_out(run: Path, *more: str, dies_at: int | None = None) -> subprocess.CompletedProcess[str]:
    """Runs the command as a user would; killed at its n-th change of a file with `dies_at`, see dying.py."""
    command = ["-m", "scripts.opt_out"] if dies_at is None else ["-m", "support.dying", str(dies_at), "scripts.opt_out"]
    return subprocess.run(
        [sys.executable, *command, f"run={run.name}", f"runs={run.parent}", *more],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def tables_of(run: Path) -> dict[tuple[str, str], pl.DataFrame]:
    """All tables of a run but those of its report; every step is done, and nothing of it is stale."""
    found = {}
    for name in steps(run):
        step = Step(run, name)
        about = survey(step)
        assert (about.complete(), about.stale, about.broken, about.redone) == (True, {}, {}, set()), name
        for table in ("rows", *step.plan.tables) if step.plan.stage != "report" else ():
            if step.scan(table) is not None:
                found[name, table] = read_table(run, name, table).collect()
    return found


def without(table: pl.DataFrame, *videos: str) -> pl.DataFrame:
    """The rows of a table that are not of these videos, whatever their clips are called."""
    names = [name for name in ("video_id", "clip_id", "id", "a", "b") if name in table.columns]
    of_one = [pl.col(name).str.starts_with(video) for name in names for video in videos]
    return table.filter(~pl.any_horizontal(of_one).fill_null(False)) if of_one else table


def media_of(run: Path) -> dict[str, bytes]:
    """The files in the media folders of a run."""
    files = sorted(path for path in run.glob("*/media/**/*") if path.is_file())
    return {path.relative_to(run).as_posix(): path.read_bytes() for path in files}


def holding(run: Path, *names: str) -> list[str]:
    """The files of a run that have one of these names in their own, or in their bytes as they lie."""
    found = []
    for path in sorted(path for path in run.rglob("*") if path.is_file()):
        inside = path.relative_to(run).as_posix()
        if any(name in inside or name.encode() in path.read_bytes() for name in names):
            found.append(inside)
    return found


def ledger_of(run: Path) -> dict[str, object]:
    (file,) = (run / "removals").iterdir()
    found: dict[str, object] = json.loads(file.read_text())
    return found
