"""What a task does with a step's stage: its input rows from the steps that give the columns, its output checked."""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import TypeAdapter, ValidationError

from slurm.credentials import hidden
from slurm.errors import ChunkError, ItemError
from slurm.pool.registry import PoolFolder
from slurm.record.done import add_counters
from slurm.record.files import names, replacing
from slurm.record.inputs import chunks_read
from slurm.record.manifest import Step
from slurm.record.paths import ROWS
from slurm.record.plan import Plan
from slurm.scheduler.backend import backend
from slurm.scheduler.cluster import Cluster
from slurm.scheduler.signals import Stop
from slurm.task.attempt import Output
from stages.core.runner.inputs import pick, read_finished, read_former, read_items, read_side
from stages.core.runner.processes import Processes, Result
from stages.core.runner.stage import Former, Stage, load
from stages.core.runner.worker import Function
from stages.core.schema.types import TEXT, Row, Schema
from stages.core.storage.scratch import Scratch
from stages.core.storage.spill import Spilled, Tables

MEMORY_SHARE = 0.9  # of the task's memory, for all its workers together
CRASHES = ("item_crashed", "item_timeout")


class Rows:
    """The items of a chunk that are still to be done, as a stage's `run` gets them."""

    def __init__(self, table: pl.DataFrame, work: "Work") -> None:
        self.table = table
        self.folder = work.step.paths.media  # for the files that the stage writes
        self.root = work.step.paths.root  # for the one that it `shows`
        self.chunk, self.chunks = work.chunk, work.plan.n  # its number, and how many the step has by now
        self.name = f"{work.step.paths.root}/{work.chunk}"  # of the chunk, among those of all steps
        self.keys = work.plan.item_keys
        self.cores, self.gpus = work.cores, work.gpus  # cores of each worker process, GPUs of all
        self._work = work

    def each(self, function: Function, *args: object, table: pl.DataFrame | None = None) -> Iterator[Output]:
        """`function(row, *args)` of each row, in worker processes; it gives {table: rows} or raises ItemError.

        `table` holds some of the rows, perhaps with more columns; None: all of them.
        """
        key, rows = self._work.plan.item_key, self.table if table is None else table
        for row, tables, error, detail in self._work.processes.map(function, args, rows.to_dicts()):
            if error is not None:
                yield self.failed(row, ItemError(error, detail or ""))
            else:
                own: Row = {name: row[name] for name in self.keys}
                yield from finished(str(row[key]), own, tables)

    def give(self, function: Function, jobs: Sequence[Row], *args: object) -> Iterator[Result]:
        """`function(job, *args)` of each of these jobs, in worker processes, as they are finished."""
        yield from self._work.processes.map(function, args, jobs)

    def give_whole(
        self, function: Function, jobs: Sequence[Row], *args: object, split: Callable[[Row], Iterable[Row]]
    ) -> Iterator[Result]:
        """As `give`, of jobs that hold several items; one whose worker died or hung is given again in parts.

        `split` makes a job for each of its items; so one that kills its worker costs no other.
        """
        while jobs:
            parts: list[Row] = []
            for result in self.give(function, jobs, *args):
                smaller = list(split(result.row)) if result.error in CRASHES else []
                if len(smaller) > 1:
                    parts += smaller
                else:
                    yield result
            jobs = parts

    def failed(self, row: Row, error: ItemError) -> Output:
        """The row as one that failed."""
        own: Row = {name: row[name] for name in self.keys}
        key = str(row[self._work.plan.item_key])
        return Output([key], {ROWS: [{**own, "error": error.code, "error_detail": error.detail}]}, failed=1)

    @property
    def all(self) -> pl.DataFrame:
        """All items of the chunk, also those that are done: what one is made into may depend on the others."""
        return self._work.whole

    @property
    def stopping(self) -> bool:
        """Whether the task was asked to stop: nothing new is to be begun."""
        return self._work.processes.stop.asked

    def note(self, **values: float) -> None:
        """Adds to the counters of this chunk (tokens, bytes, …): they are summed over its attempts, and over chunks.

        Of a counter with `most_` in its name, the largest value is kept.
        """
        self._work.counters.update(add_counters(self._work.counters, values))

    def warn(self, name: str, words: str) -> None:
        """Has `status` show a line of this chunk, in place of an older one of the same name."""
        self._work.warnings[name] = words

    def finished(self, columns: Sequence[str], most: int) -> pl.DataFrame:
        """Columns of rows of this step that are finished: those of the chunk, and of at most so many other chunks.

        Rows of the items that are still to be done are left out.
        """
        key, schema = self._work.plan.item_key, self._work.schemas[ROWS]
        wanted = {name: schema[name] for name in (key, *columns)}
        rows = read_finished(self._work.step, self._work.chunk, wanted, most)
        return rows.filter(~pl.col(key).is_in(self.table[key].implode())).select(columns)

    def keep(self, item: str, name: str, content: bytes) -> None:
        """Keeps a piece of an item that is not finished: the next attempt at the chunk has it from `kept`."""
        with replacing(self._place_of(item, name)) as temporary:
            temporary.write_bytes(content)

    def kept(self, item: str) -> dict[str, bytes]:
        """The pieces of an item that this attempt or one before it has kept, by name, in the order of the names."""
        place = self._place_of(item, "")
        found = [name for name in names(place.parent) if name.startswith(place.name)]
        return {name.removeprefix(place.name): (place.parent / name).read_bytes() for name in found}

    def _place_of(self, item: str, name: str) -> Path:
        """Beside the rows that were flushed, with which it is removed when the chunk is done."""
        plan = self._work.plan
        begin = f"{plan.fingerprint[:8]}-{hashlib.sha256(item.encode()).hexdigest()[:16]}"
        return self._work.step.paths.partial_of(self._work.chunk) / f"{begin}-{name}"

    @property
    def leaving(self) -> bool:
        """Whether what is under way is to be left, too."""
        return self._work.processes.stop.now

    @property
    def pool(self) -> PoolFolder:
        """The model servers that the stage asks."""
        return PoolFolder(self._work.step.run, str(self._work.plan.pool))

    def side(self, table: str) -> pl.DataFrame:
        """A side table of a step before, as far as it belongs to these items; in the order in which it was written."""
        return self._work.side(table, self.table)

    def places(self, table: str, columns: Sequence[str]) -> pl.DataFrame:
        """Columns of a side table as `side` gives it, and where each row lies: `file`, and `row`, its number there."""
        return self._work.side(table, self.table, [*columns, "file", "row"])

    def whole(self, tables: Mapping[str, pl.DataFrame]) -> Iterator[Output]:
        """All items finished at once, by tables that bear their keys."""
        yield Output(self.table[self._work.plan.item_key].cast(pl.String).to_list(), tables)


class Work:
    """A step's stage, its config and its worker processes; see `slurm.task.task.Work`."""

    def __init__(self, step: Step, stop: Stop, cluster: Cluster) -> None:
        self.step, self.plan = step, step.plan
        self.stage: Stage = load(self.plan.stage)
        if secret := hidden(self.plan.config):
            raise ChunkError(
                f"config.{secret[0]} has a password that is kept for another user alone ({step.paths.plan}): let that "
                f"user run the step, or make it again with an address without one"
            )
        try:
            self.config: Any = TypeAdapter(self.stage.config).validate_python(self.plan.config)
        except ValidationError as error:
            key = ".".join(map(str, error.errors()[0]["loc"]))
            what = "was planned by another version: this one wants another"
            raise ChunkError(f"{step} {what} config.{key}: give the command of the step again") from error
        self.chunk = 0  # the one whose items were read last
        self.whole = pl.DataFrame()  # these
        self.counters: dict[str, float] = {}  # of the work on that chunk
        self.warnings: dict[str, str] = {}
        self.schemas = make_schemas(self.stage, self.plan, self.config)
        for name in ("OMP_NUM_THREADS", "POLARS_MAX_THREADS"):  # of the workers: one core each
            os.environ.setdefault(name, "1")
        items, holds = self.plan.items, self.stage.holds_model
        holds_model = holds if isinstance(holds, bool) else holds(self.config)
        workers = items.workers or (max(1, cluster.gpus) if holds_model else cluster.cpus)
        self.cores, self.gpus = max(1, cluster.cpus // workers), cluster.gpus
        mem_gb = items.mem_gb
        if mem_gb is None and backend(cluster).limits_memory and not (holds_model and self.gpus):
            mem_gb = cluster.mem_gb * MEMORY_SHARE / workers
        self.scratch = Scratch()
        self.processes = Processes(workers, items.timeout_s, mem_gb, stop, at_once=items.at_once)

    def close(self) -> None:
        self.processes.close()
        self.scratch.close()

    def items(self, chunk: int) -> pl.DataFrame:
        """The input rows of a chunk; of a reduce step that has none, one item stands for all that it reads."""
        self.chunk, self.counters, self.warnings = chunk, {}, {}
        has_items = bool(self.plan.item_keys)
        self.whole = read_items(self.step, chunk) if has_items else pl.DataFrame({self.plan.item_key: ["all"]})
        return self.whole

    def side(self, name: str, items: pl.DataFrame, places: Sequence[str] = ()) -> pl.DataFrame:
        """A side table of a step before, as far as it belongs to these items; of `places` these columns only."""
        giver = Step(self.step.run, self.plan.columns.tables[name])
        rows = read_side(self.step, giver, name, self.chunk, places=bool(places))
        key = next(k for k in self.plan.item_keys if k in rows.collect_schema())
        return pick(rows.select(places) if places else rows, items[key]).collect()

    def reduced(self) -> Mapping[str, Any]:
        """The tables of a reduce step."""
        stage, step = self.stage, self.step
        if not stage.continues:
            steps = {name: Step(step.run, name) for name in self.plan.inputs}
            return dict(stage.run(steps, self.config, step.paths.root))
        needed = chunks_read(step, self.chunk)
        steps = {name: Step(step.run, name, only=needed[name]) for name in self.plan.inputs}
        return dict(stage.run(steps, self.config, step.paths.root, self.former()))

    def former(self) -> Former:
        """What a step that continues gave in its chunks before this one."""
        before = {name: self.step.scan(name, only=list(range(self.chunk))) for name in self.schemas if self.chunk}
        tables = {name: rows for name, rows in before.items() if rows is not None}
        items = read_former(self.step, self.chunk) if self.stage.judges and tables else None
        told = Rows(pl.DataFrame(), self)
        return Former(self.chunk, tables, items, told.note, told.warn)

    def judged(self, items: pl.DataFrame) -> Iterator[Output]:
        """The outputs of a reduce stage that judges. Raises ChunkError unless it gives a row for each item."""
        former = [self.former()] if self.stage.continues else []
        for output in self.stage.run(Rows(items, self), self.config, *former):
            given = output.tables[ROWS]
            assert isinstance(given, pl.DataFrame)
            if not given[self.plan.item_key].equals(items[self.plan.item_key]):
                raise ChunkError(f"stage {self.stage.name} gave {len(given)} rows for {len(items)}, or other ones")
            yield output

    def run(self, items: pl.DataFrame) -> Iterator[Output]:
        """The stage's outputs, each checked against its schemas."""
        outputs: Iterator[Output] = iter(())
        if self.stage.judges:
            outputs = self.judged(items)
        elif self.stage.kind == "reduce":
            outputs = iter([Output(["all"], self.reduced())])
        elif len(items):
            outputs = self.stage.run(Rows(items, self), self.config)
        if self.stage.watch:
            outputs = self.stage.watch(Rows(items, self), outputs, self.config)
        for output in outputs:
            self._check(output.tables)
            yield output

    def _check(self, tables: Mapping[str, Sequence[Row] | pl.DataFrame | pl.LazyFrame]) -> None:
        """Raises ChunkError if a table or a column is not in the stage's schemas."""
        for name, rows in tables.items():
            if name not in self.schemas:
                raise ChunkError(f"stage {self.stage.name} gave a table {name!r} that its `tables` do not name")
            columns = names_of(rows)
            if unknown := columns - self.schemas[name].keys():
                raise ChunkError(f"stage {self.stage.name} gave columns that its schema lacks: {sorted(unknown)}")


def make_schemas(stage: Stage, plan: Plan, config: Any) -> dict[str, Schema]:
    """The columns of each table of a step: the keys, what the stage gives, and of the main table the error."""
    keys, item_keys = (
        dict.fromkeys(names, TEXT) for names in (plan.keys, plan.item_keys if plan.kind == "map" else [])
    )
    side = {name: {**item_keys, **schema} for name, schema in stage.tables.items()}
    return {ROWS: {**keys, **stage.columns(config), "error": TEXT, "error_detail": TEXT}, **side}


def finished(item: str, own: Row, tables: Tables) -> Iterator[Output]:
    """An item's tables, its own keys in every row; what of them lies in the scratch is removed when it was taken."""
    spilled = [part for part in tables.values() if isinstance(part, Spilled)]
    keys = {name: pl.lit(value, TEXT) for name, value in own.items()}
    try:
        yield Output(
            [item],
            {
                table: part.scan().with_columns(**keys)
                if isinstance(part, Spilled)
                else [{**own, **row} for row in part]
                for table, part in tables.items()
            },
        )
    finally:
        for part in spilled:
            part.remove()


def names_of(rows: Sequence[Row] | pl.DataFrame | pl.LazyFrame) -> set[str]:
    if isinstance(rows, pl.DataFrame | pl.LazyFrame):
        return set(rows.collect_schema().names())
    return {name for row in rows for name in row}
