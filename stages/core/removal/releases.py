"""Takes rows out of the shards of a release: only those that hold some are written anew, out of their own bytes.

Every other shard keeps its name and its bytes, now and when its chunk is made again: how many of the chunk's rows each
shard is made of is written beside the index.
"""

import shutil
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
from pydantic import TypeAdapter

from slurm.errors import InputError
from slurm.record.files import scan_parts, write_json
from slurm.record.manifest import Step, steps
from slurm.record.paths import bucket, chunk_name
from stages.core.release.formats import FORMATS
from stages.core.release.settings import Format
from stages.core.release.shards import Shard, files_of, rows_file, spans_of
from stages.core.removal.counts import Counted, items_gone, records_of
from stages.core.removal.journal import Changes, make
from stages.core.removal.task import Task

STAGE = "package"


class Held(NamedTuple):
    """A shard that holds rows that go: the file of its index, and their ids."""

    file: Path
    ids: list[str]


def releases(run: Path) -> Iterator[Step]:
    yield from (step for name in steps(run) if (step := Step(run, name)).plan.stage == STAGE)


def held_by(step: Step, gone: Collection[str]) -> list[Held]:
    """The shards of a release that hold rows with these ids."""
    files = sorted(step.paths.media.glob("index/*/*.parquet"))
    if not files:
        return []
    rows = scan_parts(files, file_column="_file").select("id", "_file")
    found = rows.filter(pl.col("id").is_in(sorted(gone))).collect().group_by("_file").agg("id").sort("_file")
    return [Held(Path(file), ids) for file, ids in found.iter_rows()]


def shard_of(step: Step, index: Path, suffix: str) -> Shard:
    chunk, _, number = index.name.removesuffix(".parquet").partition("-")
    return Shard(step.paths.media, int(chunk), int(number), suffix)


def half_made(step: Step, counted: dict[str, Counted], gone: Collection[str]) -> Iterator[int]:
    """Chunks of a release that are not finished, and of which a file may hold rows that go: they begin anew."""
    records = records_of(step)
    wanted = {chunk for chunk, items in items_gone(step, counted).items() if items}
    wanted |= {shard_of(step, held.file, "").chunk for held in held_by(step, gone)}
    yield from sorted(wanted - records.keys())


def remove_rows(run: Path, task: Task) -> dict[str, int]:
    """Takes the rows out of all shards, one after another; gives the bytes that were written, by step."""
    written: Counter[str] = Counter()
    for name, chunk in task.begun_anew:
        step = Step(run, name)
        for path in [*files_of(step.paths.media, chunk), rows_file(step.paths.media, chunk)]:
            path.unlink(missing_ok=True)
        shutil.rmtree(step.paths.partial_of(chunk), ignore_errors=True)
    for step in releases(run):
        options: Any = TypeAdapter(Format).validate_python(step.plan.config["format"])
        form = FORMATS[options.name]
        keep_places(step, task)
        for held in held_by(step, task.gone):
            shard = shard_of(step, held.file, form.SUFFIX)
            if not shard.beside("index", ".sha256").exists():
                raise InputError(
                    f"{shard.path} was not finished by a task that ended: python -m slurm resume run={run.name} "
                    f"finishes it; then give this command again"
                )
            ready, unneeded = form.leave_out(shard, held.ids, options)
            written[step.name] += sum(staged.stat().st_size for staged, _ in ready)
            make(run, Changes([path for _, path in ready], list(unneeded)))
    return dict(written)


def keep_places(step: Step, task: Task) -> None:
    """Writes how many rows each shard of a chunk is made of once those that go are gone."""
    key = step.plan.item_key
    for chunk, done in records_of(step).items():
        table = scan_parts([step.paths.part(done.part)])
        goes = task.goes(table.collect_schema())
        assert goes is not None  # its rows have keys
        rows = table.select(key, goes=goes).collect()
        if not rows["goes"].any():
            continue
        numbers = numbers_of(step, chunk, rows[key])
        left = Counter(number for number, gone in zip(numbers, rows["goes"], strict=True) if not gone)
        path = rows_file(step.paths.media, chunk)
        write_json(path, [left[number] for number in range(max(numbers) + 1)])


def numbers_of(step: Step, chunk: int, keys: pl.Series) -> list[int]:
    """The number of each row's shard; one that is in none belongs to that of the row before it, a first one to 0."""
    spans = spans_of(step.paths.media, chunk, [1] * len(keys), len(keys))
    if rows_file(step.paths.media, chunk).exists() and len(spans) > 1:
        return [number for number, span in enumerate(spans) for _ in span]
    files = sorted((step.paths.media / "index" / bucket(chunk)).glob(f"{chunk_name(chunk)}-*.parquet"))
    known = {name: shard_of(step, file, "").number for file in files for name in pl.read_parquet(file)["id"]}
    numbers = pl.Series([known.get(name) for name in keys], dtype=pl.Int64)
    return numbers.forward_fill().fill_null(0).to_list()
