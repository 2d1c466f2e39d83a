"""The manifest: what is true about a step, as files with one writer each under `<runs>/<run>/<step>/`.

step.json                     written once: what the step is (`Plan`)
ways.json                     what of its config and settings was changed since, and decides no result
borders.json                  written once, by whichever task needs it first: the borders of the chunks
submissions/<id>/             frozen before sbatch (see submit.py)
attempts/<bucket>/<chunk>/    events of each attempt (see attempt.py)
partial/<bucket>/<chunk>/     rows finished by attempts that did not end
parts/<bucket>/               the rows of finished chunks
done/<bucket>/<chunk>.json    the last act of a chunk: it is done when this names an existing part and bears the
                              step's fingerprint
logs/                         one log a task
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
from pydantic_core import from_json

from slurm.errors import InputError
from slurm.record import chunks
from slurm.record.files import bucket, chunk_name, contents, names, read_json, write_json, write_once

ROWS = "rows"  # the main table of a step


@dataclass(frozen=True)
class Plan:
    """What a step is. `fingerprint` covers `identity`, all that decides its result; the rest is how it is run."""

    stage: str
    kind: str  # "map" or "reduce"
    entry: str  # "module:callable" that turns a Step into the work of its tasks
    n: int
    inputs: list[str]  # steps that it reads; of a map step, the first one's kept rows are its items
    aligned: bool  # chunk i reads chunk i of the first input
    key: str  # the column that names a row of this step
    item_key: str  # the column that names an item, a row of its input
    gives: dict[str, str]  # column → polars type of the main table
    tables: list[str]  # side tables
    identity: dict[str, Any]
    fingerprint: str
    config: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    ways: list[str] = field(default_factory=list)  # keys of config and settings that may change while it stands

    def with_ways(self, config: dict[str, Any], settings: dict[str, Any]) -> "Plan":
        """The plan with those values from there that may change."""
        ways = [{key: value for key, value in values.items() if key in self.ways} for values in (config, settings)]
        return replace(self, config=self.config | ways[0], settings=self.settings | ways[1])


def fingerprint(identity: dict[str, Any]) -> str:
    """16 hex digits that differ whenever a field of `identity` does."""
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]


def differences(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """One line for each field that two identities do not share: `config.min_s: 2.0 → 3.0`."""
    return [
        f"{name}: {old.get(name, '(absent)')!r} → {new.get(name, '(absent)')!r}"
        for name in sorted(old.keys() | new.keys())
        if old.get(name, ...) != new.get(name, ...)
    ]


class Done(NamedTuple):
    """A finished chunk. rows_in = items read = rows_in - rows_failed good ones + rows_failed bad ones."""

    chunk: int
    fingerprint: str
    part: str  # below parts/, of the main table
    tables: list[str]  # side tables, beside the part as <part stem>.<table>.parquet
    rows_in: int
    rows_out: int
    rows_kept: int  # of rows_out, those without error and drop_reason: what the next step reads
    rows_failed: int
    errors: dict[str, int]
    seconds: float  # of the attempt that finished
    wasted_s: float  # of attempts before it that kept no row
    cpus: int
    gpus: int
    attempt: str
    host: str
    ended: float
    source: str = ""  # what it read (`Step.source`)
    same_as: str = ""  # the edition before it, if that has the same kept rows
    tries: int = 1  # times that this input was done: rows that failed may be tried again
    notes: dict[str, float] | None = None  # what the stage tells of its work: rates, tokens

    @property
    def edition(self) -> str:
        """Another one whenever the kept rows are others: what reads them is done again then."""
        return self.same_as or self.part


class Borders(NamedTuple):
    borders: list[int]  # n + 1 row numbers over the input's kept rows
    offsets: list[int]  # number of kept rows before each chunk of the input, and their total
    stamp: str = ""  # of the input's chunks


def stamp(chunks: Iterable[Done]) -> str:
    """16 hex digits that differ whenever the kept rows of one of these chunks do."""
    return hashlib.sha256("\n".join(done.edition for done in chunks).encode()).hexdigest()[:16]


class Step:
    """A step of a run, as its files tell it."""

    def __init__(self, run: Path, name: str) -> None:
        self.run = run
        self.name = name
        self.root = run / name
        self._submissions: dict[str, dict[str, Any]] = {}

    def __str__(self) -> str:
        return f"{self.run.name}/{self.name}"

    @property
    def exists(self) -> bool:
        return (self.root / "step.json").exists()

    @cached_property
    def plan(self) -> Plan:
        try:
            plan = Plan(**read_json(self.root / "step.json"))
        except FileNotFoundError:
            raise InputError(
                f"run {self.run.name!r} has no step {self.name!r}; it has: {', '.join(steps(self.run)) or 'none'}"
            ) from None
        path = self.root / "ways.json"
        changed = read_json(path) if path.exists() else {}
        same = changed.get("fingerprint") == plan.fingerprint
        return plan.with_ways(changed["config"], changed["settings"]) if same else plan

    def create(self, plan: Plan) -> Plan:
        """The step's plan: this one, or the one that stands if it has the same fingerprint; else an InputError."""
        self.plan = Plan(**write_once(self.root / "step.json", asdict(plan)))
        self.refuse_other(plan)
        return self.plan

    def refuse_other(self, plan: Plan) -> None:
        """Raises an InputError with the differences if the step stands with another fingerprint than this plan's."""
        if self.plan.fingerprint != plan.fingerprint:
            changed = "\n  ".join(differences(self.plan.identity, plan.identity))
            raise InputError(
                f"step {self} exists with another config:\n  {changed}\n"
                f"Use another run= (or step=), or say overwrite=true to compute its chunks again."
            )

    def change(self, plan: Plan) -> None:
        """Takes over from a plan with the same fingerprint what decides no result; for tasks that start from now on."""
        if plan != self.plan:
            now = {"fingerprint": plan.fingerprint, "config": plan.config, "settings": plan.settings}
            write_json(self.root / "ways.json", now)
            del self.plan

    def supersede(self) -> None:
        """Makes room for a new plan; the old one stays beside it under its fingerprint, its chunks become stale."""
        old = self.plan
        (self.root / "borders.json").unlink(missing_ok=True)
        (self.root / "step.json").replace(self.root / f"step.{old.fingerprint}.json")
        del self.plan

    def input(self) -> "Step | None":
        """The step whose kept rows are this one's items; None for a source or a reduce step."""
        return Step(self.run, self.plan.inputs[0]) if self.plan.kind == "map" else None

    def submission(self, name: str) -> dict[str, Any]:
        """What was frozen when tasks were submitted: `tasks` (array index → chunks), `cluster`, …."""
        if name not in self._submissions:  # it never changes, and may name a hundred thousand chunks
            self._submissions[name] = read_json(self.root / "submissions" / name / "submission.json")
        return self._submissions[name]

    def source(self, chunk: int) -> str:
        """What a chunk reads now: the edition of its input chunk, or a stamp of all its inputs' chunks."""
        if self.plan.kind == "reduce":
            return stamp(done for name in self.plan.inputs for done in Step(self.run, name).all_done())
        source = self.input()
        if source is None or not self.plan.aligned:
            return self.borders().stamp
        done = source.done(chunk)
        return done.edition if done else ""

    def behind(self) -> bool:
        """Whether the input that its chunks were laid out over has got other rows since."""
        source = self.input()
        if source is None or self.plan.aligned or not (self.root / "borders.json").exists():
            return False
        return self.borders().stamp not in ("", stamp(source.all_done()))

    # done records

    def done_path(self, chunk: int) -> Path:
        return self.root / "done" / bucket(chunk) / f"{chunk_name(chunk)}.json"

    def part_path(self, part: str, table: str = ROWS) -> Path:
        path = self.root / "parts" / part
        return path if table == ROWS else path.with_suffix(f".{table}.parquet")

    def finish(self, done: Done) -> None:
        write_json(self.done_path(done.chunk), done._asdict())

    def record(self, chunk: int) -> Done | None:
        """The done record of a chunk, of whatever fingerprint, if its part is there."""
        try:
            done = Done(**read_json(self.done_path(chunk)))
        except FileNotFoundError:
            return None
        return done if self.part_path(done.part).exists() else None

    def done(self, chunk: int) -> Done | None:
        record = self.record(chunk)
        return record if record and record.fingerprint == self.plan.fingerprint else None

    def records(self) -> Iterator[Done]:
        """Every done record whose part exists, of whatever fingerprint, by chunk. 100,000 take about a second."""
        for folder in names(self.root / "done"):
            there = set(names(self.root / "parts" / folder))
            texts = b",".join(contents(self.root / "done" / folder))
            for record in from_json(b"[" + texts + b"]"):  # a thousand at once is faster than one by one
                if record["part"].rpartition("/")[2] in there:
                    yield Done(**record)

    def all_done(self) -> list[Done]:
        return [d for d in self.records() if d.fingerprint == self.plan.fingerprint and d.chunk < self.plan.n]

    def complete(self) -> bool:
        return len(self.all_done()) == self.plan.n

    # tables

    def scan(self, table: str = ROWS, only: list[int] | None = None) -> pl.LazyFrame | None:
        """A table of the step over its done chunks (or those in `only`), in chunk order; None if no chunk has it."""
        records = self.all_done() if only is None else [d for c in only if (d := self.done(c))]
        paths = [self.part_path(d.part, table) for d in records if table == ROWS or table in d.tables]
        return pl.scan_parquet(paths, glob=False) if paths else None

    def kept(self, only: list[int] | None = None) -> pl.LazyFrame:
        """The rows that go on to the next step: those without an error and without a reason to be dropped."""
        rows = self.scan(only=only)
        if rows is None:
            raise InputError(f"step {self} has no finished chunk yet: see `python -m slurm status run={self.run.name}`")
        if "error" in self.plan.gives:
            rows = rows.filter(pl.col("error").is_null())
        if "drop_reason" in self.plan.gives:
            rows = rows.filter(pl.col("drop_reason").is_null())
        return rows

    def borders(self) -> Borders:
        """Where the chunks of an unaligned step lie in its input, which must be complete; frozen on first use."""
        path = self.root / "borders.json"
        if path.exists():
            return Borders(**read_json(path))
        source = self.input()
        if source is None:
            return Borders([0] * (self.plan.n + 1), [0])
        records = source.all_done()
        if len(records) < source.plan.n:
            raise InputError(f"step {self} needs all of {source}: {len(records)} of {source.plan.n} chunks are done")
        offsets = [0]
        for record in records:
            offsets.append(offsets[-1] + record.rows_kept)
        weight = self.plan.settings.get("cost")
        if weight in source.plan.gives:
            cost = source.kept().select(pl.col(str(weight)).cast(pl.Float64)).collect().to_series()
        else:
            cost = pl.repeat(1.0, offsets[-1], eager=True)
        cut = Borders(chunks.borders(cost, self.plan.n), offsets, stamp(records))
        return Borders(**write_once(path, cut._asdict()))


def steps(run: Path) -> list[str]:
    """The steps of a run, each behind those that it reads, otherwise by name."""
    left = {name: Step(run, name) for name in names(run) if (run / name / "step.json").exists()}
    order: list[str] = []
    while left:
        ready = [name for name, step in left.items() if not any(i in left for i in step.plan.inputs)]
        order += ready or sorted(left)
        left = {name: step for name, step in left.items() if name not in order}
    return order
