"""What a task does with a step's stage: its input rows from the steps that give the columns, its output checked."""

import os
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import polars as pl
from pydantic import TypeAdapter

from slurm.errors import ChunkError, ItemError
from slurm.pool.registry import PoolFolder
from slurm.record.manifest import ROWS, Step
from slurm.scheduler.backend import backend
from slurm.scheduler.cluster import Cluster
from slurm.scheduler.signals import Stop
from slurm.task.attempt import Output
from stages.core.runner.processes import Processes
from stages.core.runner.stage import Stage, load
from stages.core.runner.worker import Function
from stages.core.schema.types import TEXT, Row, Schema
from stages.core.storage.scratch import Scratch
from stages.core.storage.spill import Spilled, Tables

MEMORY_SHARE = 0.9  # of the task's memory, for all its workers together


class Rows:
    """The items of a chunk that are still to be done, as a stage's `run` gets them."""

    def __init__(self, table: pl.DataFrame, work: "Work") -> None:
        self.table = table
        self.folder = work.folder  # for the files that the stage writes
        self.name = f"{work.step.root}/{work.chunk}"  # of the chunk, among those of all steps
        self.keys = work.keys
        self._work = work

    def each(self, function: Function, *args: object, table: pl.DataFrame | None = None) -> Iterator[Output]:
        """`function(row, *args)` of each row, in worker processes; it gives {table: rows} or raises ItemError.

        `table` holds some of the rows, perhaps with more columns; None: all of them.
        """
        key, rows = self._work.item_key, self.table if table is None else table
        for row, tables, error, detail in self._work.processes.map(function, args, rows.to_dicts()):
            if error is not None:
                yield self.failed(row, ItemError(error, detail or ""))
            else:
                own: Row = {name: row[name] for name in self.keys}
                yield from finished(str(row[key]), own, tables)

    def failed(self, row: Row, error: ItemError) -> Output:
        """The row as one that failed."""
        own: Row = {name: row[name] for name in self.keys}
        key = str(row[self._work.item_key])
        return Output([key], {ROWS: [{**own, "error": error.code, "error_detail": error.detail}]}, failed=1)

    @property
    def stopping(self) -> bool:
        """Whether the task was asked to stop: nothing new is to be begun."""
        return self._work.processes.stop.asked

    def note(self, **values: float) -> None:
        """Puts down what the work on these rows was like: it goes into the chunk's done record."""
        self._work.notes |= values

    @property
    def leaving(self) -> bool:
        """Whether what is under way is to be left, too."""
        return self._work.processes.stop.now

    @property
    def pool(self) -> PoolFolder:
        """The model servers that the stage asks."""
        return PoolFolder(self._work.step.run, self._work.plan.settings["pool"])

    def side(self, table: str) -> pl.DataFrame:
        """A side table of a step before, as far as it belongs to these items; in the order in which it was written."""
        return self._work.side(table, self.table)

    def whole(self, tables: Mapping[str, pl.DataFrame]) -> Iterator[Output]:
        """All items finished at once, by tables that bear their keys."""
        yield Output([str(key) for key in self.table[self._work.item_key]], tables)


class Work:
    """A step's stage, its config and its worker processes; see `slurm.task.task.Work`."""

    def __init__(self, step: Step, stop: Stop, cluster: Mapping[str, Any]) -> None:
        self.step, self.plan = step, step.plan
        self.stage: Stage = load(self.plan.stage)
        self.config: Any = TypeAdapter(self.stage.config).validate_python(self.plan.config)
        self.item_key = self.plan.item_key
        self.folder = step.root / "media"
        source = step.input()
        self.chunk = 0  # the one whose items were read last
        self.notes: dict[str, float] = {}  # of that chunk
        self.keys = [str(k) for k in ("clip_id", "video_id") if source and k in source.plan.gives]
        self.schemas = self._schemas()
        for name in ("OMP_NUM_THREADS", "POLARS_MAX_THREADS"):  # of the workers: one core each
            os.environ.setdefault(name, "1")
        settings = self.plan.settings
        workers = settings["workers"] or cluster["cpus"]
        mem_gb = settings["mem_gb"]
        if mem_gb is None and backend(Cluster(**cluster)).limits_memory:
            mem_gb = cluster["mem_gb"] * MEMORY_SHARE / workers
        self.scratch = Scratch()
        self.processes = Processes(workers, settings["timeout_s"], mem_gb, stop, at_once=settings["at_once"])

    def close(self) -> None:
        self.processes.close()
        self.scratch.close()

    def _schemas(self) -> dict[str, Schema]:
        if self.stage.kind == "reduce":
            return {ROWS: {**self.stage.gives, "error": TEXT, "error_detail": TEXT}, **self.stage.tables}
        keys: Schema = dict.fromkeys([*([self.stage.key] if self.stage.key else []), *self.keys], TEXT)
        side = {name: {**dict.fromkeys(self.keys, TEXT), **schema} for name, schema in self.stage.tables.items()}
        return {ROWS: {**keys, **self.stage.gives, "error": TEXT, "error_detail": TEXT}, **side}

    def items(self, chunk: int) -> pl.DataFrame:
        """The input rows of a chunk, in order: the keys, and every needed column from the step that gives it."""
        self.chunk, self.notes, source = chunk, {}, self.step.input()
        if source is None:
            return pl.DataFrame({self.item_key: ["all"]})
        table = self._base(source, chunk)
        keys = table[self.item_key]
        if keys.n_unique() != len(keys):
            twice = keys.filter(keys.is_duplicated())[0]
            raise ChunkError(f"{source} gives {self.item_key}={twice!r} more than once: rows could not be told apart")
        for name in dict.fromkeys(self.plan.settings["columns"].values()):
            if name != source.name:
                table = self._join(table, Step(self.step.run, name), chunk)
        return table.select(*self.keys, *(c for c in self.plan.settings["columns"] if c not in self.keys))

    def _base(self, source: Step, chunk: int) -> pl.DataFrame:
        """The chunk's slice of the input's kept rows; only the parts that overlap it are read."""
        wanted = [c for c, name in self.plan.settings["columns"].items() if name == source.name and c not in self.keys]
        if self.plan.aligned:
            return source.kept(only=[chunk]).select(*self.keys, *wanted).collect()
        borders, offsets, _ = self.step.borders()
        first, last = borders[chunk], borders[chunk + 1]
        low = bisect_right(offsets, first) - 1
        high = max(low + 1, bisect_right(offsets, max(first, last - 1)))
        parts = list(range(min(low, source.plan.n - 1), min(high, source.plan.n)))
        now = [done.rows_kept if (done := source.done(part)) else None for part in parts]
        if now != [offsets[part + 1] - offsets[part] for part in parts]:
            raise ChunkError(
                f"{source} has other rows now than when the chunks of {self.step} were laid out over it: "
                f"run this step again with overwrite=true"
            )
        rows = source.kept(only=parts).select(*self.keys, *wanted)
        return rows.slice(first - offsets[parts[0]], last - first).collect()

    def _join(self, table: pl.DataFrame, giver: Step, chunk: int) -> pl.DataFrame:
        """The table with the columns that a step further up gives, by that step's key."""
        key = giver.plan.key
        columns = [c for c, name in self.plan.settings["columns"].items() if name == giver.name and c not in self.keys]
        rows = giver.scan(only=[chunk] if self._shares_chunks(giver) else None)
        if rows is None or key not in table.columns:
            raise ChunkError(f"{giver} cannot be joined: {'it has no rows' if rows is None else f'no column {key}'}")
        found = rows.filter(pl.col(key).is_in(table[key].implode())).select(key, *columns).collect()
        return table.join(found, on=key, how="left", maintain_order="left")

    def side(self, name: str, items: pl.DataFrame) -> pl.DataFrame:
        giver = Step(self.step.run, self.plan.settings["reads"][name])
        rows = giver.scan(name, only=[self.chunk] if self._shares_chunks(giver) else None)
        if rows is None:
            raise ChunkError(f"{giver} has no table {name!r}")
        key = next(k for k in self.keys if k in rows.collect_schema())
        return rows.filter(pl.col(key).is_in(items[key].implode())).collect()

    def _shares_chunks(self, giver: Step) -> bool:
        step: Step | None = self.step
        while step is not None and step.name != giver.name:
            if not step.plan.aligned:
                return False
            step = step.input()
        return step is not None

    def run(self, items: pl.DataFrame) -> Iterator[Output]:
        """The stage's outputs, each checked against its schemas."""
        if self.stage.kind == "reduce":
            steps = {name: Step(self.step.run, name) for name in self.plan.inputs}
            outputs: Iterator[Output] = iter([Output(["all"], self.stage.run(steps, self.config, self.step.root))])
        else:
            outputs = self.stage.run(Rows(items, self), self.config)
        for output in outputs if len(items) else ():
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
