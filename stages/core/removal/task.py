"""What a removal has to do, as one file that is there from before its first act to after its last.

It names whom it removes, so only its owner can read it, and it is gone when the removal is finished.
"""

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from slurm.errors import InputError
from slurm.record.files import read_json, write_json
from slurm.record.history import alive
from slurm.record.manifest import Step, steps
from slurm.removals import new_salt, unfinished_of, version_of
from stages.core.removal.asked import OTHERS, Found
from stages.core.removal.mentions import Mentions
from stages.core.schema.types import TEXT


@dataclass
class Task:
    version: int  # that the dataset will have
    date: str
    salt: str
    said: list[str]  # as it was asked for
    videos: list[str]
    keys: dict[str, list[str]]  # key column → its values in the rows that go
    addresses: list[str]  # of the videos
    staying: list[str]  # names that stay, and have one that goes as a part
    alike: list[dict[str, Any]]
    rows: dict[str, int] = field(default_factory=dict)  # as in Removal
    released: dict[str, int] = field(default_factory=dict)
    shards: dict[str, int] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)  # paths and addresses of media that go
    begun_anew: list[tuple[str, int]] = field(default_factory=list)  # steps and chunks whose unfinished shards go
    host: str = ""
    pid: int = 0

    @cached_property
    def gone(self) -> set[str]:
        """All keys of rows that go."""
        return {value for values in self.keys.values() for value in values}

    @cached_property
    def mentions(self) -> Mentions:
        return Mentions({*self.gone, *self.said}, self.staying, self.addresses)

    def goes(self, columns: Mapping[str, pl.DataType]) -> pl.Expr | None:
        """Whether a row of a table with these columns goes; None if it has no column that could tell."""
        named = {name: self.keys[name] for name in columns if name in self.keys}
        if not named:
            named = {name: sorted(self.gone) for name in OTHERS if name in columns}
        tests = [pl.col(name).is_in(values) for name, values in named.items() if columns[name] == TEXT]
        return pl.any_horizontal(tests).fill_null(False) if tests else None


def make_task(run: Path, said: Sequence[str], found: Found) -> Task:
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    staying = longer_names(run, found)
    return Task(
        version_of(run) + 1,
        now,
        new_salt(run),
        list(said),
        found.videos,
        found.keys,
        found.addresses,
        staying,
        found.alike,
    )


def longer_names(run: Path, found: Found) -> list[str]:
    """Names that stay and contain one that goes: those of videos, and of places where the run itself lies."""
    root, gone = next(iter(found.keys)), [*found.videos, *found.addresses]
    longer: set[str] = set()
    for name in steps(run):
        step = Step(run, name)
        rows = step.scan() if step.plan.keys == [root] and gone else None
        columns = [root, *(name for name in ("path", "url") if step.plan.gives.get(name) == "String")]
        for column in columns if rows is not None else ():
            assert rows is not None
            value = pl.col(column)
            names = rows.filter(~pl.col(root).is_in(gone), value.str.contains_any(gone)).select(value)
            longer |= {*names.collect().to_series()}
    places = [str(run), f"{run.name}/", f"run={run.name}", f"{run.name}."]
    return sorted(longer | {place for place in places if any(name in place for name in gone)})


def save(run: Path, task: Task) -> None:
    task.host, task.pid = os.uname().nodename, os.getpid()
    write_json(unfinished_of(run), asdict(task), mode=0o600)


def load(run: Path) -> Task | None:
    """The removal that is not finished. Raises InputError while another process is at it."""
    try:
        content = read_json(unfinished_of(run))
    except FileNotFoundError:
        return None
    task = Task(**{**content, "begun_anew": [(step, chunk) for step, chunk in content["begun_anew"]]})
    if task.pid != os.getpid() and alive(task.host, task.pid):
        raise InputError(f"process {task.pid} is taking videos out of run {run.name!r}: wait until it has ended")
    return task
