"""What the points of a sweep keep: how many rows and hours, of which categories, and how much of it they share."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from slurm.record.manifest import Step
from slurm.record.plan import Plan

Bits = np.ndarray[tuple[int], np.dtype[np.uint8]]
BESIDE = ("duration_s", "category")  # columns that a step before the points may give


class Kept(NamedTuple):
    """Of a step at one point."""

    hours: float | None = None  # None: no step before it knows durations
    categories: pl.DataFrame | None = None  # category, rows, hours, the most frequent first; None: nobody gives them
    bits: Bits | None = None  # one for each id that the sweep met so far; None: its rows have no names


class Look:
    """Looks at one step of a sweep, a point after another.

    Points that have the same rows, as those of a filter have, share all that is known of these but what is kept.
    """

    def __init__(self) -> None:
        self.ids = pl.Series("id", [], pl.String())  # of the rows of the last point
        self.numbers = np.zeros(0, np.uint32)  # of these among all ids
        self.known = pl.DataFrame(schema={"id": pl.String(), "number": pl.UInt32()})
        self.beside: dict[str, pl.Series] = {}  # column → its value of each row
        self.givers: dict[str, str] = {}  # column → the step that gives it

    def at(self, step: Step) -> Kept:
        """What a point's step keeps; nothing is known of one without a finished chunk."""
        key, rows = step.plan.key, step.scan()
        if rows is None or key not in (there := rows.collect_schema()):
            return Kept()
        givers = {name: giver for name in BESIDE if (giver := find_giver(step, gives(name))) is not None}
        givers = {name: giver for name, giver in givers.items() if giver.plan.key in there}
        keys = dict.fromkeys([key, *(giver.plan.key for giver in givers.values())])
        marks = [pl.col(mark).is_null() for mark in ("error", "drop_reason") if mark in there]
        table = rows.select(*keys, kept=pl.all_horizontal(pl.lit(True), *marks)).collect()
        named = {name: giver.name for name, giver in givers.items()}
        if named != self.givers or not table[key].equals(self.ids):
            self.beside = {name: beside(giver, name, table) for name, giver in givers.items()}
            self.givers, self.ids = named, table[key]
            self.numbers = self.number(table[key])
        kept = table.select("kept", **self.beside).filter("kept")
        bits = np.zeros(len(self.known), np.bool_)
        bits[self.numbers[table["kept"].to_numpy()]] = True
        return Kept(hours(kept), categories(kept), np.packbits(bits))

    def number(self, ids: pl.Series) -> "np.ndarray[tuple[int], np.dtype[np.uint32]]":
        """The number of each of these ids, the same at every point; new ones get the next numbers."""
        own = pl.DataFrame({"id": ids}, schema={"id": pl.String()})
        new = own.unique(maintain_order=True).join(self.known, on="id", how="anti", nulls_equal=True)
        numbered = new.with_columns(number=pl.int_range(len(self.known), len(self.known) + len(new), dtype=pl.UInt32))
        self.known = pl.concat([self.known, numbered])
        found = own.join(self.known, on="id", how="left", maintain_order="left", nulls_equal=True)
        return found["number"].to_numpy()


def gives(column: str) -> Callable[[Plan], bool]:
    return lambda plan: column in plan.gives


def find_giver(step: Step, does: Callable[[Plan], bool]) -> Step | None:
    """The nearest step of which this is true: the step itself, or one before it."""
    queue = [step]
    for here in queue:
        if does(here.plan):
            return here
        queue += [step.other(name) for name in here.plan.inputs if name not in {other.name for other in queue}]
    return None


def beside(giver: Step, column: str, table: pl.DataFrame) -> pl.Series:
    """The column of a step for each row of a table with its key."""
    rows, key = giver.scan(), giver.plan.key
    if rows is None:
        return pl.Series(column, [None] * len(table), pl.Float64() if column == "duration_s" else pl.String())
    values = rows.filter(pl.col(key).is_not_null()).select(key, column).collect().unique(key, keep="first")
    return table.select(key).join(values, on=key, how="left", maintain_order="left")[column]


def hours(kept: pl.DataFrame) -> float | None:
    """Hours of video in these rows; None if no length is known."""
    if "duration_s" not in kept.columns:
        return None
    known = kept["duration_s"]
    return float(known.sum()) / 3600 if known.count() or not len(known) else None


def categories(kept: pl.DataFrame) -> pl.DataFrame | None:
    """Rows and hours of each category, the most frequent first."""
    if "category" not in kept.columns:
        return None
    length = pl.col("duration_s").sum() / 3600 if "duration_s" in kept.columns else pl.lit(None, pl.Float64())
    counts = kept.group_by("category").agg(rows=pl.len().cast(pl.Int64), hours=length)
    return counts.sort(["rows", "category"], descending=[True, False])


def jaccard(points: Sequence[Bits | None]) -> "np.ndarray[tuple[int, int], np.dtype[np.float64]]":
    """For every two points the share of what either keeps that both keep; NaN where the rows have no names.

    Two that keep nothing keep the same: 1.
    """
    length = max((len(bits) for bits in points if bits is not None), default=0)
    known = np.array([bits is not None for bits in points])
    every = np.zeros((len(points), length), np.uint8)
    for row, bits in zip(every, points, strict=True):
        if bits is not None:
            row[: len(bits)] = bits
    sizes = np.bitwise_count(every).sum(axis=1, dtype=np.int64)
    found = np.full((len(points), len(points)), np.nan)
    for number, bits in enumerate(every):
        both = np.bitwise_count(every & bits).sum(axis=1, dtype=np.int64)
        either = sizes + sizes[number] - both
        found[number] = np.where(either == 0, 1.0, both / np.maximum(either, 1))
    found[~known, :] = found[:, ~known] = np.nan
    return found
