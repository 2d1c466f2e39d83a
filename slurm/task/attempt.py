"""An attempt: one try at a chunk. Its events and the rows it finished are on disk seconds after they happened.

    attempts/<bucket>/<chunk>/<attempt>.jsonl                        start, beats, end; a torn last line is ignored
    partial/<bucket>/<chunk>/<fingerprint>.<attempt>.<n>[.<table>].flush   rows finished so far, the main table last;
                                                                     Parquet, but not met by a glob for results

What is flushed is never computed again: the next attempt loads it. Two attempts at one chunk may run at once (a zombie
on a lost node): each writes its own files, and an item that both finished is taken from one of them.
"""

import json
import logging
import threading
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from slurm.record.done import Done
from slurm.record.files import names, scan_parts, write_table
from slurm.record.manifest import Step
from slurm.record.merge import ITEM, NOTHING, scan
from slurm.record.paths import ROWS

OURS = (ITEM, NOTHING, "error", "error_detail")  # columns that a stage need not give

MISFITS = (pl.exceptions.PolarsError, TypeError, ValueError, OverflowError)  # of making a table of rows

log = logging.getLogger(__name__)

Row = dict[str, object]


class Output(NamedTuple):
    """Items that are finished, and their rows in each table; every row bears its item's key.

    Files that a LazyFrame scans must exist until the next Output is requested.
    """

    keys: list[str]
    tables: Mapping[str, Sequence[Row] | pl.DataFrame | pl.LazyFrame]
    failed: int = 0

    @property
    def lazy(self) -> bool:
        return any(isinstance(table, pl.LazyFrame) for table in self.tables.values())


class Attempt:
    """A running attempt; also a context manager that keeps the heartbeat."""

    def __init__(
        self, step: Step, chunk: int, name: str, schemas: Mapping[str, dict[str, pl.DataType]], beat_s: float = 15.0
    ) -> None:
        self.step, self.chunk, self.name = step, chunk, name
        self.beat_s = beat_s
        self.schemas = schemas  # table → column → type
        self.events_path = step.paths.attempts_at(chunk) / f"{name}.jsonl"
        self.partial = step.paths.partial_of(chunk)
        self.prefix = f"{step.plan.fingerprint[:8]}."
        self.files: list[Path] = []  # of the main table: loaded ones, then our own
        self.old: Done | None = None  # what the chunk was before, if its good rows are to stay
        self.buffer: list[Output] = []
        self.rows = self.failed = 0
        self.counters: dict[str, float] = {}  # of the stage's work, as far as it has noted them
        self.warnings: dict[str, str] = {}  # of the stage
        self.started = self.flushed = time.time()
        self.may_give_nothing = step.plan.key not in step.plan.item_keys  # it has rows of its own, perhaps none
        self._lock = threading.Lock()
        self._over = threading.Event()

    def __enter__(self) -> "Attempt":
        threading.Thread(target=self._beat, daemon=True, name="heartbeat").start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()

    def _beat(self) -> None:
        while not self._over.wait(self.beat_s):
            self.event("beat", rows=self.rows, failed=self.failed)

    def event(self, kind: str, **fields: Any) -> None:
        """Appends one line to the attempt's own file; a full disk costs the line, not the attempt."""
        counters = {"counters": dict(self.counters)} if self.counters and kind in ("beat", "end") else {}
        line = json.dumps({"event": kind, "t": round(time.time(), 3), **fields, **counters}) + "\n"
        with self._lock:
            if kind == "beat" and self._over.is_set():
                return
            if kind == "end":
                self._over.set()
            try:
                self.events_path.parent.mkdir(parents=True, exist_ok=True)
                with self.events_path.open("a") as file:
                    file.write(line)
            except OSError as error:
                log.warning("event not written: %s (%s)", line.strip(), error)

    def load(self, retry_failed: bool, items: Iterable[str] | None = None) -> set[str]:
        """The keys of items that earlier attempts finished; with `retry_failed` those that failed are left out.

        `items` are those of the chunk: it may have had other ones before the chunks were laid out again.
        """
        if self.step.plan.kind == "reduce":  # one item, whose tables go to the part in one piece
            return set()
        finished: set[str] = set()
        files = main_files(self.partial, self.prefix)
        wanted = None if items is None or not files else set(items)
        for path in files:
            try:
                table = pl.read_parquet(path, columns=[ITEM, "error"], glob=False)
                for side in self.schemas.keys() - {ROWS}:
                    pl.read_parquet(flush_file(path, side), columns=[ITEM], glob=False)
            except (pl.exceptions.PolarsError, OSError) as error:  # torn by a power cut: its items are done again
                log.warning("%s is not readable and left out: %s", path, error)
                continue
            if wanted is not None and not wanted.issuperset(table[ITEM]):
                log.warning("%s has rows of items that are not in the chunk any more, and is left out", path)
                continue
            failed = table.filter(pl.col("error").is_not_null())[ITEM].n_unique()
            if retry_failed and failed:
                table = self._take_good(path)
            else:
                self.files.append(path)
                self.failed += failed
            finished.update(table[ITEM])
        return finished

    def adopt(self, old: Done, again: Collection[str]) -> set[str]:
        """The keys of items whose rows in the chunk's last part stay.

        That is all but those that failed, or lost a part, with a code `again`.
        """
        self.old = old
        key = self.step.plan.item_key
        part = self.step.paths.part(old.part)
        table = scan_parts([part])
        codes = [name for name in ("error", "loss") if name in table.collect_schema()]
        rows = table.select(key, *codes).collect()
        return set(rows[key]) - set(rows.filter(pl.any_horizontal(pl.col(codes).is_in(again)))[key])

    def _take_good(self, path: Path) -> pl.DataFrame:
        """The good rows of another attempt's main file, which are ours from now on, with those of its side files.

        They get a file of their own: what two attempts finished would stand in one file twice.
        """
        good = scan([path]).filter(pl.col("error").is_null()).select(ITEM).collect()
        taken = pl.col(ITEM).is_in(good[ITEM].implode())
        tables = {table: scan([flush_file(path, table)]).filter(taken) for table in self.schemas}
        self.buffer.append(Output(good[ITEM].to_list(), tables))
        self.flush()
        path.unlink(missing_ok=True)
        return good

    def add(self, output: Output, flush_s: float) -> None:
        """Takes finished items; writes them out when the last flush is more than `flush_s` ago, lazy ones at once."""
        self.buffer.append(output)
        self.rows += len(output.keys)
        self.failed += output.failed
        if time.time() - self.flushed > flush_s or (output.lazy and self.step.plan.kind == "map"):
            self.flush()

    def _fitting(self, output: Output) -> Output:
        """The output; or of an item with a value that fits no column of its table, a row with the error misfit."""
        lists = {table: rows for table, rows in output.tables.items() if isinstance(rows, list)}
        try:
            for table, rows in lists.items():
                pl.DataFrame(rows, self.schemas[table])
        except MISFITS as error:
            if len(output.keys) != 1:
                raise
            first: Row = dict(lists[ROWS][0]) if lists.get(ROWS) else {}
            own = {name: first.get(name) for name in self.step.plan.item_keys}
            own[self.step.plan.item_key] = output.keys[0]
            detail = f"{type(error).__name__}: {error}"[:500].encode(errors="replace").decode()
            self.failed += 1 - output.failed
            return Output(output.keys, {ROWS: [{**own, "error": "misfit", "error_detail": detail}]}, failed=1)
        return output

    def flush(self) -> None:
        if self.buffer and self.step.plan.kind == "map":
            main = self.partial / f"{self.prefix}{self.name}.{len(self.files):05d}.flush"
            tables = sorted(self.schemas, key=lambda name: name == ROWS)  # the main one last: it makes them count
            try:
                frames = {table: self._frame(table) for table in tables}
            except MISFITS:
                self.buffer = [self._fitting(output) for output in self.buffer]
                frames = {table: self._frame(table) for table in tables}
            for table, frame in frames.items():
                write_table(flush_file(main, table), frame)
            self.files.append(main)
            self.buffer = []
            self.event("beat", rows=self.rows, failed=self.failed)
        self.flushed = time.time()

    def whole(self, items: pl.Series) -> dict[str, pl.LazyFrame] | None:
        """The tables of a chunk that one output finished as a whole, the rows in the order of its items.

        They need not be flushed, and read again to be merged; None where this is needed.
        """
        key, given = self.step.plan.item_key, self.buffer[0].tables if len(self.buffer) == 1 else {}
        main = given.get(ROWS)
        if self.files or self.old or self.may_give_nothing or not isinstance(main, pl.DataFrame):
            return None
        order = pl.DataFrame({key: items}, schema={key: pl.String()}).with_row_index("_order")
        found = {}
        for table, schema in self.schemas.items():
            part = given.get(table, pl.DataFrame(schema=schema))
            if not isinstance(part, pl.DataFrame):
                return None
            if table != ROWS:
                placed = part.join(order, on=key, how="left", maintain_order="left")
                part = placed.sort("_order", maintain_order=True)
            if not (part[key].equals(items) if table == ROWS else part["_order"].null_count() == 0):
                return None
            found[table] = part.select(*columns_of(part, schema, pl.lit(None))).lazy()
        return found

    def _frame(self, table: str) -> pl.LazyFrame:
        """The buffered rows of a table, each with its item in the column ITEM."""
        schema = {**self.schemas[table], ITEM: pl.String()}
        if table == ROWS and self.may_give_nothing:
            schema[NOTHING] = pl.Boolean()
        rows: list[Row] = []
        frames: list[pl.DataFrame] = []
        lazy: list[pl.LazyFrame] = []
        for keys, tables, _ in self.buffer:
            part = tables.get(table, [])
            own = pl.lit(keys[0]) if len(keys) == 1 else pl.col(self.step.plan.item_key)
            if isinstance(part, pl.LazyFrame):
                lazy.append(part.select(*columns_of(part, schema, own)))
            elif isinstance(part, pl.DataFrame):
                frames.append(part.select(*columns_of(part, schema, own)))
            else:
                rows += [{**row, ITEM: keys[0]} for row in part]
            if NOTHING in schema and not isinstance(part, pl.LazyFrame):
                there = set(part[self.step.plan.item_key]) if isinstance(part, pl.DataFrame) else keys[:1] * bool(part)
                rows += [{ITEM: key, NOTHING: True} for key in keys if key not in there]
        return pl.concat([pl.concat([pl.DataFrame(rows, schema=schema), *frames]).lazy(), *lazy])

    def lost_file(self) -> Path | None:
        """A file of flushed rows that it loaded or wrote and that somebody has removed or damaged since."""
        files = (flush_file(path, table) for path in self.files for table in self.schemas)
        return next((path for path in files if not is_readable(path)), None)

    def withdraw(self) -> None:
        """Removes what it flushed: another attempt has done the chunk, and removed what was there then."""
        for name in names(self.partial):
            if name.startswith(f"{self.prefix}{self.name}."):
                (self.partial / name).unlink(missing_ok=True)
        with suppress(OSError):  # a third one is at work
            self.partial.rmdir()


def is_readable(path: Path) -> bool:
    try:
        pl.read_parquet_schema(path)
    except (OSError, pl.exceptions.PolarsError):
        return False
    return True


def columns_of(
    table: pl.DataFrame | pl.LazyFrame, schema: Mapping[str, pl.DataType], item: pl.Expr
) -> Iterator[pl.Expr]:
    """The columns of a schema with ITEM out of a stage's table, or of a flushed one, which has ITEM already."""
    there = table.collect_schema().names()
    for name, kind in schema.items():
        given = pl.col(name) if name in there or name not in OURS else pl.lit(False if name == NOTHING else None)
        yield (item if name == ITEM and ITEM not in there else given).cast(kind).alias(name)


def flush_file(main: Path, table: str) -> Path:
    """The file of a table that was flushed together with this one of the main table."""
    return main if table == ROWS else main.with_suffix(f".{table}.flush")


def main_files(folder: Path, prefix: str) -> list[Path]:
    """Partial files of the main table: `<fingerprint>.<attempt>.<n>.flush`, with no table name before the suffix."""
    return [folder / name for name in names(folder) if name.startswith(prefix) and name.count(".") == 3]
