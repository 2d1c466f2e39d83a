"""Freeing what a run does not need any more (`clean`), and removing steps (`drop`)."""

import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from slurm.control.survey import survey
from slurm.errors import InputError
from slurm.owner import user_name
from slurm.record.manifest import Step, steps
from slurm.record.paths import ROWS
from slurm.task.commit import media_of


def clean(run: Path) -> dict[str, int]:
    """The bytes that were freed, by step: what was replaced, and what killed attempts have left.

    Of a step with tasks under way, or of which Slurm says nothing now, only what was replaced is removed.
    """
    freed: dict[str, int] = {}
    for name in steps(run):
        step = Step(run, name)
        unneeded = [step.paths.superseded, *(leftovers(step) if rests(step) else [])]
        freed[name] = sum(remove(path) for path in unneeded)
    for path in (run / ".superseded").glob("*"):  # of steps that were dropped
        freed[path.name] = freed.get(path.name, 0) + remove(path)
    return {name: size for name, size in freed.items() if size}


def rests(step: Step) -> bool:
    """Whether no task of the step is queued or runs, as far as that is known for certain."""
    found = survey(step)
    return found.queue_known and not found.active


def leftovers(step: Step) -> Iterator[Path]:
    """Files of a step that no finished chunk needs."""
    records = {record.chunk: record for record in step.records() if record.fingerprint == step.plan.fingerprint}
    parts = {step.paths.part(record.part, table) for record in records.values() for table in (ROWS, *record.tables)}
    for root in (step.paths.parts, step.paths.tables):
        yield from (path for path in root.rglob("*.parquet") if path not in parts)
    for root in (step.paths.parts, step.paths.tables, step.paths.dones):
        yield from root.rglob(".*.tmp")  # of attempts that were killed while they wrote
    yield from (folder for chunk in records if (folder := step.paths.partial_of(chunk)).exists())
    yield from (path for path in step.paths.logs.glob("*/*.pkl*") if not is_anothers(path.parent))
    if step.plan.media and len(records) == step.plan.n:
        named = {Path(file) for record in records.values() for file in media_of(step, record)}
        yield from (path for path in step.paths.media.rglob("*") if path.is_file() and path not in named)


def remove(path: Path) -> int:
    """Removes a file or folder; the bytes that it had."""
    if path.is_dir():
        size = sum(file.lstat().st_size for file in path.rglob("*") if not file.is_dir())
        shutil.rmtree(path)
        return size
    size = path.lstat().st_size if path.exists() else 0
    path.unlink(missing_ok=True)
    return size


def is_anothers(folder: Path) -> bool:
    """Whether only another user can remove what is in a folder of logs; root can."""
    return os.geteuid() not in (0, folder.stat().st_uid)


def drop(run: Path, names: Sequence[str]) -> list[str]:
    """Removes these steps; gives a line for each.

    Raises InputError if another step reads one, or tasks of one are under way.
    """
    dropped = [Step(run, name) for name in names]
    readers = [
        name
        for name in steps(run)
        if name not in names and reads_any(Step(run, name), [step.name for step in dropped if step.plan])
    ]
    if readers:
        also = ",".join([*names, *readers])
        raise InputError(f"{', '.join(readers)} would have lost what they read: keep it, or drop step={also}")
    for step in dropped:
        if not rests(step):
            raise InputError(
                f"{step} has tasks under way, or Slurm does not answer; first: python -m slurm cancel run={run.name}"
            )
        if others := [folder for folder in step.paths.logs.glob("*") if is_anothers(folder)]:
            raise InputError(
                f"{others[0]} belongs to {user_name(others[0].stat().st_uid)}, who alone can remove it: ask for that"
            )
    lines = []
    for step in reversed(dropped):
        records = step.all_done()
        rows = sum(record.rows_out for record in records)
        size = 0
        for path in (step.paths.plan, step.paths.root, step.paths.tables, step.paths.superseded):  # the plan first:
            size += remove(path)  # without it the step is gone, whatever happens then
        lines.append(f"{step.name}: dropped {len(records):,} chunks, {rows:,} rows, {size:,} bytes")
    return lines


def reads_any(step: Step, names: Sequence[str]) -> bool:
    """Whether a step reads one of these, as an input or for a column or table."""
    columns = step.plan.columns
    return bool({*step.plan.inputs, *columns.columns.values(), *columns.tables.values()} & set(names))
