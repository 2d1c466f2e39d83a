"""Follows one item through the steps of a run, from chunk to chunk as its tasks did: no other part is opened."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import polars as pl

from slurm.record.done import Done
from slurm.record.files import scan_parts
from slurm.record.lineage import Reach, chunks_behind
from slurm.record.manifest import Step, steps

CHUNK, PLACE, KEPT = "_chunk", "_place", "_kept"  # of a row: its chunk, its number there, whether it goes on
FEW = 100  # chunks whose records are read one by one


class Item(NamedTuple):
    """What an id names: the key column and its value, and those of the rows that it was made of."""

    key: str
    value: str
    above: Mapping[str, str]


@dataclass
class Visit:
    """What a step has of an item; `stop` says why the item does not get as far."""

    step: Step
    column: str | None  # the key by which its rows are picked; None: its rows are of another kind
    stop: str = ""
    chunks: Sequence[int] = ()  # that have its rows, or will
    done: dict[int, Done] = field(default_factory=dict)  # the records of those that are finished
    rows: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema={CHUNK: pl.Int64(), KEPT: pl.Boolean()}))

    @cached_property
    def reaches(self) -> list[Reach]:
        """Where its kept rows lie, for the steps behind."""
        kept = self.rows.filter(KEPT)
        return [
            reach
            for chunk in kept[CHUNK].unique().sort()
            for reach in _reaches(self.step, self.done[chunk], kept.filter(pl.col(CHUNK) == chunk)[PLACE])
        ]


def walk(run: Path, item: Item) -> list[Visit]:
    """What each step of the run has of the item; a step comes behind those that it reads."""
    found: dict[str, Visit] = {}
    for name in steps(run):
        found[name] = _visit(Step(run, name), item, found)
    return list(found.values())


def _visit(step: Step, item: Item, before: Mapping[str, Visit]) -> Visit:
    plan = step.plan
    column = item.key if item.key in plan.keys else next((key for key in plan.keys[:1] if key in item.above), None)
    visit = Visit(step, column)
    source = before[plan.inputs[0]] if plan.kind == "map" and plan.inputs else None
    if source is None:
        visit.chunks = range(plan.n)
    elif source.column is None:
        visit.column = None
    else:
        visit.stop = _why_not(source)
        visit.chunks = () if visit.stop else _chunks(step, source)
        if not visit.stop and not visit.chunks:
            visit.stop = f"no chunk for it yet: {source.step.name} was extended since (extend=true adds one)"
    _look(visit, item.value if visit.column == item.key else item.above.get(str(visit.column), ""))
    return visit


def _why_not(source: Visit) -> str:
    """Why none of the item's rows goes on behind this step; "" if one does."""
    name, rows = source.step.name, source.rows
    if source.stop or source.reaches:
        return source.stop
    if not len(rows):
        unfinished = len(source.done) < len(source.chunks)
        return f"waits for {name}" if unfinished else f"it has no row in {name}"
    dropped = "drop_reason" in rows.columns and bool(rows["drop_reason"].count())
    return f"dropped by {name}" if dropped else f"failed in {name}"


def _chunks(step: Step, source: Visit) -> Sequence[int]:
    """The chunks that read the item's rows; all where that cannot be told."""
    found: set[int] = set()
    for reach in source.reaches:
        behind = chunks_behind(step, reach)
        if behind is None:  # laid out over other rows than its input has now
            return range(step.plan.n)
        found |= {chunk for chunk in behind if chunk < step.plan.n}
    return sorted(found)


def _look(visit: Visit, value: str) -> None:
    """Finds the item's rows in the visit's chunks."""
    step, chunks = visit.step, visit.chunks
    if len(chunks) < FEW:
        visit.done = {chunk: record for chunk in chunks if (record := step.done(chunk))}
    else:
        visit.done = {record.chunk: record for record in step.all_done()}
    if visit.column is not None and visit.done:
        visit.rows = rows_of(step, visit.done, visit.column, value)
    if isinstance(chunks, range) and len(visit.rows):  # they were looked for everywhere
        visit.chunks = visit.rows[CHUNK].unique().sort().to_list()


def rows_of(step: Step, done: Mapping[int, Done], column: str, value: str) -> pl.DataFrame:
    """The rows of these chunks with this value, in order, without pictures; with CHUNK, PLACE and KEPT."""
    chunks = list(done) if len(done) < FEW else _holding(step, done, column, value)
    parts = [_rows_in(step, done[chunk], column, value) for chunk in chunks or list(done)[:1]]
    return pl.concat(parts)


def _holding(step: Step, done: Mapping[int, Done], column: str, value: str) -> list[int]:
    """Those of these chunks that have such a row: the statistics in their files rule out nearly all."""
    files = {str(step.paths.part(record.part)): chunk for chunk, record in done.items()}
    table = scan_parts(map(Path, files), file_column="_file")
    found = table.filter(pl.col(column) == value).select("_file").collect()["_file"]
    return sorted(files[file] for file in found.unique())


def _rows_in(step: Step, done: Done, column: str, value: str) -> pl.DataFrame:
    path = step.paths.part(done.part)
    table = pl.scan_parquet(path, glob=False, hive_partitioning=False, row_index_name=PLACE)
    shown = [name for name, kind in table.collect_schema().items() if kind != pl.Binary()]
    rows = table.filter(pl.col(column) == value).select(shown).collect()
    return rows.with_columns(_goes_on(step).alias(KEPT), pl.lit(done.chunk, pl.Int64).alias(CHUNK))


def _goes_on(step: Step) -> pl.Expr:
    marks = [pl.col(mark).is_null() for mark in ("error", "drop_reason") if mark in step.plan.gives]
    return pl.all_horizontal(marks) if marks else pl.lit(True)


def _reaches(step: Step, done: Done, places: pl.Series) -> Iterator[Reach]:
    """Where the rows at these places of a chunk are among its kept ones, each run of neighbours by itself."""
    if done.rows_kept < done.rows_out:
        table = pl.scan_parquet(step.paths.part(done.part), glob=False, hive_partitioning=False)
        before = table.select(_goes_on(step).alias(KEPT)).collect()[KEPT].cum_sum()
        places = before.gather(places) - 1
    numbers = places.cast(pl.Int64).rename("place").to_frame()
    runs = numbers.group_by(pl.col("place") - pl.int_range(pl.len()), maintain_order=True).agg(
        first=pl.col("place").first(), last=pl.col("place").last()
    )
    for first, last in runs.select("first", "last").iter_rows():
        yield Reach(range(done.chunk, done.chunk + 1), range(first, last + 1))
