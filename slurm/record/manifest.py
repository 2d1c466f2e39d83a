"""The manifest: what is true about a step, as files with one writer each (see paths.py).

A chunk is done when, and only when, its done record names files that are there and bears the step's fingerprint.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import polars as pl

from slurm.errors import InputError
from slurm.record.done import Borders, Done
from slurm.record.files import names, scan_parts, write_once
from slurm.record.finished import Broken, Folder, lacks, read_folder, read_record_of, usable
from slurm.record.formats import FORMAT, DamagedError, create_record, read_record, write_record
from slurm.record.paths import ROWS, StepPaths
from slurm.record.plan import Changes, Layout, Plan, differences
from slurm.record.submission import Submission

OVERWRITE = "Use another run= (or step=), or say overwrite={name} to compute its chunks again."


class Step:
    """A step of a run, as its files tell it."""

    def __init__(self, run: Path | str, name: str, only: range | None = None) -> None:
        """`only` are the chunks that it shows; None: all."""
        self.run = Path(run)
        self.name = name
        self.paths = StepPaths(self.run, name)
        self.only = only
        self._submissions: dict[str, Submission] = {}
        self._others: dict[str, Step] = {}
        self.known_borders: dict[Path, tuple[int, Borders]] = {}  # by file, with the file's time

    def __str__(self) -> str:
        return f"{self.run.name}/{self.name}"

    @property
    def exists(self) -> bool:
        return self.paths.plan.exists()

    # what it is

    @cached_property
    def _planned(self) -> Plan:
        try:
            plan = read_record(self.paths.plan, Plan, "use that version, or begin another run")
        except FileNotFoundError:
            raise InputError(
                f"run {self.run.name!r} has no step {self.name!r}; it has: {', '.join(steps(self.run)) or 'none'}"
            ) from None
        except DamagedError as error:
            raise DamagedError(
                f"{error}; remove it and give the command of the step again: what is finished stays"
            ) from None
        changes = read_record(self.paths.changes, Changes) if self.paths.changes.exists() else None
        return plan.with_changes(changes) if changes and changes.fingerprint == plan.fingerprint else plan

    @cached_property
    def layouts(self) -> list[Layout]:
        """The first layout of its chunks, then one for each extension."""
        first = Layout(0, 0, self._planned.n, self._planned.input_chunks)
        more = (
            read_record(self.paths.extensions / name, Layout, decides=False) for name in names(self.paths.extensions)
        )
        return [first, *more]

    @cached_property
    def plan(self) -> Plan:
        return replace(self._planned, n=self.layouts[-1].end)

    def forget(self) -> None:
        """Has its files read anew."""
        self._others = {}
        for name in ("_planned", "layouts", "plan", "chunk_owner", "modes"):
            self.__dict__.pop(name, None)

    def create(self, plan: Plan) -> Plan:
        """The step's plan: this one, or the one that stands if it has the same fingerprint; else an InputError."""
        create_record(self.paths.plan, plan)
        self.forget()
        self.refuse_other(plan)
        return self.plan

    def refuse_other(self, plan: Plan) -> None:
        """Raises an InputError with the differences if the step stands with another fingerprint than this plan's."""
        if self.plan.fingerprint != plan.fingerprint:
            changed = "\n  ".join(differences(self.plan.identity, plan.identity))
            mend = OVERWRITE.format(name=self.name)
            raise InputError(f"step {self} exists with another config:\n  {changed}\n{mend}")

    def change(self, plan: Plan) -> None:
        """Takes over from a plan with the same fingerprint what cannot change a result; for tasks that start later."""
        if self.plan.with_changes(plan) != self.plan:
            config = {key: value for key, value in plan.config.items() if key in plan.runtime_keys}
            write_record(self.paths.changes, Changes(plan.fingerprint, config, plan.policy, plan.items, plan.pool))
            self.forget()

    def extend(self, end: int) -> None:
        """Adds the chunks up to `end`, for all chunks that its inputs have now and had not before."""
        inputs = {name: Step(self.run, name).plan.n for name in self.plan.inputs}
        layout = Layout(len(self.layouts), self.plan.n, end, inputs)
        write_once(self.paths.extension(layout.number), {**layout._asdict(), "format": FORMAT})
        self.forget()

    def supersede(self) -> None:
        """Makes room for a new plan: all that the old one made is moved away, and its chunks become stale."""
        place = self.paths.superseded / self.plan.fingerprint
        while place.exists():
            place = place.with_name(f"{place.name}+")
        place.mkdir(parents=True)
        made = [self.paths.parts, self.paths.tables, self.paths.borders, self.paths.extensions]
        for path in [*made, *([self.paths.media] if self.plan.media else []), self.paths.plan]:  # the plan last
            if path.exists():
                path.rename(place / path.name)
        self.forget()

    def former_plan(self, fingerprint: str) -> Plan | None:
        """A plan that was superseded, if it is still kept."""
        path = self.paths.superseded / fingerprint / self.paths.plan.name
        return read_record(path, Plan) if path.exists() else None

    # what it reads

    def other(self, name: str) -> "Step":
        """Another step of the run, always the same object: its plan is read once."""
        if name not in self._others:
            self._others[name] = Step(self.run, name)
        return self._others[name]

    def input(self) -> "Step | None":
        """The step whose kept rows are this one's items; None for a source or a reduce step."""
        return self.other(self.plan.inputs[0]) if self.plan.kind == "map" and self.plan.inputs else None

    @cached_property
    def chunk_owner(self) -> str:
        """The step that laid out the chunks which this one takes over, perhaps itself."""
        source = self.input()
        return source.chunk_owner if source is not None and self.plan.aligned else self.name

    def layout_of(self, chunk: int) -> Layout:
        return next(layout for layout in reversed(self.layouts) if layout.first <= chunk)

    @cached_property
    def modes(self) -> dict[str, str]:
        """Which chunks of each input a chunk reads: the `same` one, those that are `new` in its layout, or `all`."""
        found: dict[str, str] = {}
        for place, name in enumerate(self.plan.inputs):
            if self.plan.kind == "reduce":
                found[name] = "new" if self.plan.continues else "all"
            elif self.plan.aligned and (place == 0 or self.other(name).chunk_owner == self.chunk_owner):
                found[name] = "same"
            else:
                found[name] = "all" if place else "new"
        return found

    # done records

    def submission(self, name: str) -> Submission:
        """What was frozen when tasks were submitted."""
        if name not in self._submissions:  # it never changes, and may name a hundred thousand chunks
            self._submissions[name] = read_record(self.paths.submission(name), Submission)
        return self._submissions[name]

    def submissions(self) -> dict[str, Submission]:
        """What was submitted, by name, oldest first; what cannot be read any more is left out."""
        found = {}
        for name in names(self.paths.submissions):
            with suppress(FileNotFoundError, DamagedError):
                found[name] = self.submission(name)
        return found

    def finish(self, done: Done) -> None:
        write_record(self.paths.done(done.chunk), done)

    def record(self, chunk: int) -> Done | None:
        """The done record of a chunk, of whatever fingerprint; None without one, or without the files that it names."""
        found = read_record_of(self.paths, chunk)
        if isinstance(found, Broken):  # of an earlier config the files lie elsewhere
            return found.record if found.record and found.record.fingerprint != self.plan.fingerprint else None
        return found

    def done(self, chunk: int) -> Done | None:
        record = self.record(chunk)
        return record if record and record.fingerprint == self.plan.fingerprint else None

    def records(self) -> Iterator[Done]:
        """The done records as `record` gives them, by chunk. 100,000 take about a second."""
        for found in self.folders():
            yield from usable(found, self.plan.fingerprint)

    def folders(self, *, sizes: bool = False) -> Iterator[Folder]:
        """All done records, a thousand after another; with `sizes` their files' sizes are compared."""
        for folder in names(self.paths.dones):
            yield read_folder(self.paths, folder, sizes=sizes)

    def all_done(self) -> list[Done]:
        shown = range(self.plan.n) if self.only is None else self.only
        return [d for d in self.records() if d.fingerprint == self.plan.fingerprint and d.chunk in shown]

    def done_in(self, wanted: range) -> dict[int, Done | None]:
        """The done records of these chunks, None where there is none."""
        if len(wanted) < 100:
            return {chunk: self.done(chunk) for chunk in wanted}
        there = {done.chunk: done for done in self.all_done()}
        return {chunk: there.get(chunk) for chunk in wanted}

    def complete(self) -> bool:
        return len(self.all_done()) == (self.plan.n if self.only is None else len(self.only))

    # tables

    def files(self, table: str = ROWS, only: list[int] | None = None) -> list[Path]:
        """The files of a table over its done chunks (or those in `only`), in chunk order."""
        if only is None:
            records = [d for d in self.all_done() if not lacks(self.paths, d)]
        else:
            records = [d for c in only if (d := self.done(c))]
        return [self.paths.part(d.part, table) for d in records if table == ROWS or table in d.tables]

    def scan(self, table: str = ROWS, only: list[int] | None = None) -> pl.LazyFrame | None:
        """A table of the step over its done chunks (or those in `only`), in chunk order; None if no chunk has it."""
        paths = self.files(table, only)
        return scan_parts(paths) if paths else None

    def kept(self, only: list[int] | None = None) -> pl.LazyFrame:
        """The rows that go on to the next step: those without an error and without a reason to be dropped."""
        rows = self.scan(only=only)
        if rows is None:
            raise InputError(f"step {self} has no finished chunk yet: see `python -m slurm status run={self.run.name}`")
        return self.keep(rows)

    def keep(self, rows: pl.LazyFrame) -> pl.LazyFrame:
        """Those of the step's rows that go on to the next step."""
        marks = [pl.col(mark).is_null() for mark in ("error", "drop_reason") if mark in self.plan.gives]
        return rows.filter(marks) if marks else rows


def steps(run: Path) -> list[str]:
    """The steps of a run, each behind those that it reads, otherwise by name."""
    left = {name: Step(run, name) for name in names(run) if StepPaths(run, name).plan.exists()}
    order: list[str] = []
    while left:
        ready = [name for name, step in left.items() if not any(i in left for i in step.plan.inputs)]
        order += ready or sorted(left)
        left = {name: step for name, step in left.items() if name not in order}
    return order
