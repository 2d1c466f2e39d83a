"""The last acts of an attempt: the chunk's parts, then its done record; what they replace is moved out of the way."""

import hashlib
import os
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import polars as pl

from slurm.errors import LOSSES, ChunkError
from slurm.record.done import Done, add_counters, make_stamp
from slurm.record.files import read_json, write_table
from slurm.record.finished import Broken, read_record_of
from slurm.record.history import history
from slurm.record.manifest import Step
from slurm.record.merge import Flushed, merged, owners
from slurm.record.paths import ROWS, bucket, chunk_name
from slurm.scheduler.cluster import Cluster
from slurm.task.attempt import Attempt, flush_file


def commit(attempt: Attempt, items: pl.Series, cluster: Cluster, source: str = "", media: Path | None = None) -> Done:
    """Makes the chunk done and gives its record. `items` are the keys of its input, in order.

    `source` is what it read (`source_of`). Media of rows that the chunk had before and has no more are moved away; they
    lie in `media`. Raises LostRowsError unless every item has its rows, ChunkError if the step is another one by now.
    """
    step, chunk, old = attempt.step, attempt.chunk, attempt.old
    tables = _whole(attempt) if step.plan.kind == "reduce" else attempt.whole(items)
    if tables is None:
        attempt.flush()
        tables = _merged(attempt, items)
    part = f"{bucket(chunk)}/{chunk_name(chunk)}.{attempt.name}.parquet"
    for table in sorted(tables, key=lambda name: name == ROWS):
        write_table(step.paths.part(part, table), tables[table])
    names = sorted(tables.keys() - {ROWS})
    files = [step.paths.part(part, table) for table in (ROWS, *names)]
    unchanged = old is not None and old.source == source
    counted = count_rows(step, files[0])
    others = [past for past in history(step, chunk) if past.name != attempt.name]
    since = [past for past in others if old is None or past.started > old.ended]
    done = Done(
        chunk=chunk,
        fingerprint=step.plan.fingerprint,
        part=part,
        tables=names,
        sizes=[file.stat().st_size for file in files],
        digest=make_stamp(map(digest, files)),
        rows_in=len(items),
        **counted,
        seconds=round(time.time() - attempt.started + (old.seconds if old else 0.0), 3),
        wasted_s=round(sum(past.wasted_s for past in others), 3),
        attempt=attempt.name,
        ended=round(time.time(), 3),
        cpus=cluster.cpus,
        gpus=cluster.gpus,
        host=os.uname().nodename,
        source=source,
        tries=old.tries + 1 if old and unchanged else 1,
        counters=add_counters(
            old.counters if old else None,
            *(past.counters for past in since),
            attempt.counters,
        )
        or None,
        warnings=attempt.warnings or None,
    )
    if read_json(step.paths.plan)["fingerprint"] != step.plan.fingerprint:
        raise ChunkError(f"{step} was planned anew while this attempt worked on it")
    found = read_record_of(step.paths, chunk)
    earlier = found.record if isinstance(found, Broken) else found
    if earlier and earlier.fingerprint == done.fingerprint and _is_same(done, earlier, again=old is not None):
        done = done._replace(same_as=earlier.edition)
    before = step.record(chunk)
    step.finish(done)
    if before is not None and before.part != part and before.fingerprint == done.fingerprint:
        put_away(step, before, done, media)
    shutil.rmtree(attempt.partial, ignore_errors=True)
    return done


def _is_same(done: Done, earlier: Done, *, again: bool) -> bool:
    """Whether it read the same and has the same kept rows; of rows that were tried `again`, none may be kept now, and
    none may have got what it had lost.
    """
    losses, lost = ({code: one.errors.get(code) for code in LOSSES} for one in (earlier, done))
    same = earlier.digest == done.digest or (again and earlier.rows_kept == done.rows_kept and losses == lost)
    return same and earlier.source == done.source


def digest(file: Path) -> str:
    """32 hex digits by which the contents of two files are the same."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def count_rows(step: Step, part: Path) -> dict[str, Any]:
    """What a done record says of the rows of a main table."""
    rows = pl.scan_parquet(part, glob=False, hive_partitioning=False)
    good = pl.col("error").is_null()
    kept = good & pl.col("drop_reason").is_null() if "drop_reason" in rows.collect_schema() else good
    failed = pl.col(step.plan.item_key).filter(~good).n_unique() if step.plan.kind == "map" else (~good).sum()
    numbers = rows.select(
        pl.len().alias("rows_out"), kept.sum().alias("rows_kept"), failed.alias("rows_failed")
    ).collect()
    codes = [rows.filter(~good).select(code="error")]
    if "loss" in rows.collect_schema():
        codes.append(rows.filter(good & pl.col("loss").is_not_null()).select(code="loss"))
    counts = pl.concat(codes).group_by("code").len().sort("code").collect()
    return {**numbers.row(0, named=True), "errors": {str(code): int(n) for code, n in counts.iter_rows()}}


def put_away(step: Step, old: Done, new: Done, media: Path | None) -> None:
    """Moves the parts of a record that was replaced, and the media that no row names any more, out of every glob."""
    if step.plan.media and media is not None:
        files = [media_of(step, done) for done in (old, new)]
        for name in files[0] - files[1]:
            file = Path(name)
            if file.is_relative_to(media) and not _is_newer(file, old.ended):  # else another chunk has the row now
                _move(file, step.paths.superseded / "media" / file.relative_to(media))
    for table in (*old.tables, ROWS):
        _move(step.paths.part(old.part, table), step.paths.superseded / table / old.part)


def _is_newer(file: Path, time_s: float) -> bool:
    """Whether a file was written after that time, seconds since 1970; where clocks differ, what is in doubt stays."""
    with suppress(FileNotFoundError):
        return file.stat().st_mtime > time_s
    return False


def media_of(step: Step, done: Done) -> set[str]:
    """The files that the rows of a finished chunk name."""
    column = str(step.plan.media)
    path = step.paths.part(done.part)
    rows = pl.read_parquet(path, columns=[column], glob=False, hive_partitioning=False)
    return set(rows[column].drop_nulls())


def _move(file: Path, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileNotFoundError):  # another attempt moved it
        file.replace(to)


def _whole(attempt: Attempt) -> dict[str, pl.LazyFrame]:
    """The tables of a reduce step, not computed yet, with all columns of their schemas."""
    tables = attempt.buffer[-1].tables
    whole: dict[str, pl.LazyFrame] = {}
    for name, schema in attempt.schemas.items():
        given = tables.get(name, [])
        frame = given if isinstance(given, pl.DataFrame | pl.LazyFrame) else pl.DataFrame(given, schema)
        table = frame.lazy()
        there = table.collect_schema().names()
        whole[name] = table.select(
            (pl.col(column) if column in there else pl.lit(None)).cast(kind).alias(column)
            for column, kind in schema.items()
        )
    return whole


def _merged(attempt: Attempt, items: pl.Series) -> dict[str, pl.LazyFrame]:
    """Each table over all flushed files: every item once (see `owners`), in input order."""
    step, key = attempt.step, attempt.step.plan.item_key
    flushed = {table: Flushed([flush_file(path, table) for path in attempt.files]) for table in attempt.schemas}
    old = {table: Flushed(_old_paths(attempt, table), key) for table in attempt.schemas}
    owner = owners(flushed[ROWS], old[ROWS], items, f"{step} chunk {attempt.chunk}")
    return {table: merged(flushed[table], old[table], owner, schema) for table, schema in attempt.schemas.items()}


def _old_paths(attempt: Attempt, table: str) -> list[Path]:
    """The file of a table in the chunk's last part, if there is one."""
    old = attempt.old
    if old is None or table not in (ROWS, *old.tables):
        return []
    return [attempt.step.paths.part(old.part, table)]
