"""Takes rows out of the tables of a run, so that what is done stays done, and nothing that was read counts as changed.

Of a chunk with rows that go, every table is written anew under a name of its own; its done record names it, and keeps
the edition that others have read. In every step behind, the borders of chunks move with the rows before them, and what
a chunk read is told as it is now. All of this happens at once (journal.py).
"""

import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import polars as pl

from slurm.record.done import Borders, Done, make_stamp
from slurm.record.files import write_json, write_table
from slurm.record.formats import FORMAT, load
from slurm.record.inputs import sources_of
from slurm.record.manifest import Step, steps
from slurm.record.paths import ROWS
from slurm.removals import staged_of
from slurm.task.commit import count_rows, digest
from stages.core.removal.counts import (
    NAMING,
    Counted,
    Records,
    count_in,
    holding,
    items_gone,
    moved_borders,
    names_one,
    records_of,
)
from stages.core.removal.journal import Changes
from stages.core.removal.mentions import MASK
from stages.core.removal.task import Task
from stages.core.schema.types import TEXT

REMADE = "removed"  # what a step has read that is to be made again
OWN_NAME = re.compile(r"(\.r\d+)?\.parquet$")  # of a part, the version of the dataset included


class Touched(NamedTuple):
    """A step before and after."""

    step: Step
    before: Records
    after: Records
    moved: dict[Path, Borders]


def rewrite(run: Path, task: Task) -> Changes:
    """Writes all that is to stand in for records, borders and tables; gives the changes that make it so."""
    counted: dict[str, Counted] = {}
    touched: dict[str, Touched] = {}
    changes = Changes([], [])
    for name in steps(run):
        step = Step(run, name)
        counted[name] = count_in(step, task)
        moved = dict(moved_borders(step, counted))
        records = records_of(step)
        after = dict(rewritten(step, records, counted, task, changes))
        touched[name] = Touched(step, records, after, moved)
    for one in touched.values():
        for chunk, done in told_anew(one, touched).items():
            if done != one.before[chunk]:
                stage_record(one.step.paths.done(chunk), done._asdict(), changes)
        for path, borders in one.moved.items():
            stage_record(path, borders._asdict(), changes)
    return changes


def rewritten(
    step: Step, records: Records, counted: Mapping[str, Counted], task: Task, changes: Changes
) -> Iterator[tuple[int, Done]]:
    """The records of a step's chunks without the rows that go; their tables are written."""
    anew = {chunk for table in (ROWS, *step.plan.tables) for chunk in holding(step, table, records, task)}
    items = items_gone(step, counted)
    for chunk, done in records.items():
        new = done._replace(rows_in=done.rows_in - items.get(chunk, 0), warnings=masked_warnings(done, task))
        if chunk in anew:
            new = write_parts(step, new, task)
            tables = (ROWS, *done.tables)
            changes.removed.extend(step.paths.part(done.part, table) for table in tables if new.part != done.part)
        yield chunk, new


def write_parts(step: Step, done: Done, task: Task) -> Done:
    """The record of a chunk whose tables are written without the rows that go, under a name of their own."""
    part = OWN_NAME.sub(f".r{task.version}.parquet", done.part)
    files = [step.paths.part(part, table) for table in (ROWS, *done.tables)]
    for table, file in zip((ROWS, *done.tables), files, strict=True):
        write_without(step.paths.part(done.part, table), file, task)
    counts = count_rows(step, files[0])
    return done._replace(
        part=part,
        **counts,
        sizes=[file.stat().st_size for file in files],
        digest=make_stamp(map(digest, files)),
        same_as=done.edition,
    )


def write_without(old: Path, new: Path, task: Task) -> None:
    """Writes a table without the rows that go, and without their names in the others."""
    rows = pl.scan_parquet(old, glob=False, hive_partitioning=False)
    columns = rows.collect_schema()
    goes, names = task.goes(columns), names_one(columns, task)
    if goes is None and names is None:
        copy(old, new)
        return
    left = rows if goes is None else rows.filter(~goes)
    gone = sorted(task.gone)
    named = [pl.col(name) for name in NAMING if columns.get(name) == TEXT]
    masked = [
        pl.when(column.is_in(gone)).then(pl.lit(MASK.decode())).otherwise(column).alias(column.meta.output_name())
        for column in named
    ]
    if names is not None and "error_detail" in columns:
        detail = pl.col("error_detail")
        masked.append(pl.when(names).then(detail.map_elements(lambda text: mask(text, task), TEXT)).otherwise(detail))
    write_table(new, left.with_columns(masked))


def copy(old: Path, new: Path) -> None:
    new.unlink(missing_ok=True)
    try:
        new.hardlink_to(old)
    except OSError:  # a file system without links
        shutil.copyfile(old, new)


def mask(text: str, task: Task) -> str:
    return task.mentions.masked(text.encode(errors="surrogateescape")).decode(errors="surrogateescape")


def masked_warnings(done: Done, task: Task) -> dict[str, str] | None:
    return {name: mask(words, task) for name, words in done.warnings.items()} if done.warnings else done.warnings


def told_anew(one: Touched, touched: Mapping[str, Touched]) -> Records:
    """The records of a step that say what their chunks read as it is now, where that was so before."""
    step, plan = one.step, one.step.plan
    if plan.kind == "reduce" and plan.inputs and not plan.keys and any_gone(touched):
        return {chunk: done._replace(source=REMADE) for chunk, done in one.after.items()}
    if not plan.inputs or not any(done.source for done in one.before.values()):
        return one.after
    inputs = [*plan.inputs, step.name]
    before = sources_of(step, one.before, {name: touched[name].before for name in inputs})
    for path, borders in one.moved.items():  # as if they were read from there
        step.known_borders[path] = path.stat().st_mtime_ns, borders
    after = sources_of(step, one.after, {name: touched[name].after for name in inputs})
    return {
        chunk: done._replace(source=after[chunk]) if done.source and before[chunk] == done.source else done
        for chunk, done in one.after.items()
    }


def any_gone(touched: Mapping[str, Touched]) -> bool:
    return any(one.before != one.after for one in touched.values())


def stage_record(path: Path, content: Mapping[str, object], changes: Changes) -> None:
    """Writes a record that is to stand in for the one at `path`, with what that has and is not known here."""
    write_json(staged_of(path), {**load(path, decides=False), **content, "format": FORMAT})
    changes.replaced.append(path)
