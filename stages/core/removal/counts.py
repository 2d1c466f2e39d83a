"""How many rows of each step go, and where they lie: so what lies behind them moves up, and what read them had fewer.

Places are those among the kept rows of a chunk, which are what a step behind reads.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import polars as pl

from slurm.record.chunks import input_of, laid_out_over
from slurm.record.done import Borders, Done
from slurm.record.files import scan_parts
from slurm.record.formats import load
from slurm.record.inputs import chunks_read
from slurm.record.manifest import Step, steps
from slurm.record.paths import ROWS
from stages.core.removal.mentions import SHORT
from stages.core.removal.task import Task
from stages.core.schema.types import TEXT

Records = dict[int, Done]
Places = dict[int, list[int]]  # chunk → the places of rows that go, among its kept rows
NAMING = ("group", "duplicate_of")  # columns of rows that stay, which may name one that goes


class Counted(NamedTuple):
    """What goes of a step's finished chunks."""

    rows: int
    released: int
    places: Places


def count(run: Path, task: Task) -> dict[str, Counted]:
    """What goes of each step."""
    return {name: count_in(Step(run, name), task) for name in steps(run)}


def count_in(step: Step, task: Task) -> Counted:
    rows = released = 0
    places: Places = {}
    records = records_of(step)
    for chunk in holding(step, ROWS, records, task):
        table = scan_parts([step.paths.part(records[chunk].part)])
        marks = goes_and_stays(step, table, task)
        rows += int(marks["goes"].sum())
        if "shard" in table.collect_schema() and step.plan.stage == "package":
            packed = table.select(pl.col("shard").is_not_null()).collect().to_series()
            released += int((packed & marks["goes"]).sum())
        kept = marks.filter("kept")["goes"]
        places[chunk] = kept.arg_true().to_list()
    return Counted(rows, released, places)


def records_of(step: Step) -> Records:
    """The done records of the step as it is now, by chunk."""
    return {done.chunk: done for done in step.records() if done.fingerprint == step.plan.fingerprint}


def holding(step: Step, table: str, records: Records, task: Task) -> list[int]:
    """The chunks of which a table has rows that go, or names such a row."""
    files = {
        str(step.paths.part(done.part, table)): chunk
        for chunk, done in records.items()
        if table == ROWS or table in done.tables
    }
    if not files:
        return []
    rows = scan_parts(map(Path, files), file_column="_file")
    columns = dict(rows.collect_schema())
    tests = [test for test in (task.goes(columns), names_one(columns, task)) if test is not None]
    if not tests:
        return []
    found = rows.filter(pl.any_horizontal(tests)).select(pl.col("_file").unique()).collect()["_file"]
    return sorted(files[file] for file in found)


def names_one(columns: Mapping[str, pl.DataType], task: Task) -> pl.Expr | None:
    """Whether a row names one that goes in a column that may."""
    named = [pl.col(name).is_in(sorted(task.gone)) for name in NAMING if columns.get(name) == TEXT]
    if columns.get("error_detail") == TEXT:
        long = [name for name in sorted(task.gone) if len(name.encode()) >= SHORT]
        named += [pl.col("error_detail").str.contains_any(long)] if long else []
    return pl.any_horizontal(named).fill_null(False) if named else None


def goes_and_stays(step: Step, table: pl.LazyFrame, task: Task) -> pl.DataFrame:
    """Of each row of a main table whether it `goes`, and whether it is `kept` by its step."""
    columns = table.collect_schema()
    marks = [pl.col(mark).is_null() for mark in ("error", "drop_reason") if mark in columns and mark in step.plan.gives]
    goes = task.goes(columns)
    told = {"goes": pl.lit(False) if goes is None else goes, "kept": pl.all_horizontal(pl.lit(True), *marks)}
    return table.select(pl.col(columns.names()[0]).alias("first"), **told).collect()


# the chunks behind


def items_gone(step: Step, counted: Mapping[str, Counted]) -> dict[int, int]:
    """How many items of each chunk go; chunks of which none goes are left out."""
    plan = step.plan
    places = counted[plan.inputs[0]].places if plan.inputs and plan.item_keys else {}
    if not places:
        return {}
    if plan.kind == "reduce":
        needed = {chunk: chunks_read(step, chunk)[plan.inputs[0]] for chunk in range(plan.n)}
        return {chunk: sum(len(places.get(number, ())) for number in numbers) for chunk, numbers in needed.items()}
    if laid_out_over(step) is None:
        return {chunk: len(found) for chunk, found in places.items()}
    gone: Counter[int] = Counter()
    for layout in step.layouts:
        with suppress(FileNotFoundError):
            borders = load_borders(step.paths.borders_of(layout.number))
            for number in numbers_gone(borders, input_of(step, layout), places, step):
                gone[layout.first + bisect_right(borders.borders, number) - 1] += 1
    return dict(gone)


def numbers_gone(borders: Borders, needed: range, places: Places, step: Step) -> list[int]:
    """The numbers, in the input of a layout, of the rows that go; none of chunks that got other rows since."""
    source = step.other(step.plan.inputs[0])
    found: list[int] = []
    for number, chunk in enumerate(needed):
        if number < len(borders.offsets) - 1 and places.get(chunk):
            done = source.done(chunk)
            rows = borders.offsets[number + 1] - borders.offsets[number]
            if done is not None and done.rows_kept == rows and same_edition(borders, number, done):
                found += [borders.offsets[number] + place for place in places[chunk]]
    return found


def same_edition(borders: Borders, number: int, done: Done) -> bool:
    return not borders.editions or borders.editions[number] == done.edition


def moved_borders(step: Step, counted: Mapping[str, Counted]) -> Iterator[tuple[Path, Borders]]:
    """The borders of a step's chunks that lie elsewhere when the rows are gone, by their files."""
    name = laid_out_over(step)
    if name is None or name not in counted or not counted[name].places:
        return
    for layout in step.layouts:
        path = step.paths.borders_of(layout.number)
        with suppress(FileNotFoundError):
            old = load_borders(path)
            gone = pl.Series(
                numbers_gone(old, input_of(step, layout), counted[name].places, step), dtype=pl.Int64
            ).sort()
            if len(gone):
                cuts, offsets = (shifted(numbers, gone) for numbers in (old.borders, old.offsets))
                yield path, old._replace(borders=cuts, offsets=offsets)


def shifted(numbers: list[int], gone: pl.Series) -> list[int]:
    """Numbers of rows, or of borders before them, once the rows with the numbers `gone` are gone."""
    values = pl.Series(numbers, dtype=pl.Int64)
    return (values - gone.search_sorted(values, side="left").cast(pl.Int64)).to_list()


def load_borders(path: Path) -> Borders:
    content = load(path, decides=False)
    return Borders(**{name: content[name] for name in Borders._fields if name in content})
