"""What ten rules over millions of rows in memory take: verdicts and reasons, the table `values`, and writing it.

The rules are those that filters have: limits of numbers, ratios, values that may be missing, a group. Of each figure
the least of several turns counts.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import polars as pl
from pydantic import TypeAdapter

from scripts.bench.lines import Line, each
from slurm.record.files import write_table
from stages.core.choose.rule import Rule
from stages.core.choose.verdicts import Verdicts, judge

COLUMNS = 10
SECONDS = 5  # elements of a list
RULES = {
    **{f"c{n}": Rule(min=0.01, max=0.99) for n in range(5)},
    "c5": Rule(above=0.01, below=0.99),
    "c6": Rule(max=0.9, on_null="pass"),
    "ratio": Rule(column="c7", per="c8", max=50),
    "group": Rule(any={"c8": Rule(min=0.05), "c9": Rule(min=0.05)}),
    "whole": TypeAdapter(Rule).validate_python({"column": "views", "in": [*range(990)]}),
}


def made(rows: int) -> pl.DataFrame:
    """Clips of videos, twenty a video, with numbers of which some are null or none, and lists of numbers."""
    chance, number = np.random.default_rng(15), pl.int_range(rows)
    numbers = {f"c{n}": chance.random(rows) for n in range(COLUMNS)}
    table = pl.DataFrame(numbers).with_columns(
        video_id=pl.format("video_{}", number // 20),
        clip_id=pl.format("video_{}_{}", number // 20, number),
        views=number % 1000,
        c6=pl.when(number % 3 > 0).then(pl.col("c6")),
        c0=pl.when(number % 97 > 0).then(pl.col("c0")).otherwise(float("nan")),
    )
    listed = {f"l{n}": pl.Series(chance.random((rows, SECONDS), np.float32)).arr.to_list() for n in range(COLUMNS)}
    return table.with_columns(**listed)


def measure(folder: Path, *, rows: int = 1_800_000, times: int = 3, small: bool = False) -> Iterator[Line]:
    rows, times = (1000, 1) if small else (rows, times)
    table, keys = made(rows), made(rows).select("clip_id", "video_id")
    over_lists = {f"l{n}": Rule(min=0.2, max=0.8) for n in range(COLUMNS)}
    dropped = []

    def decide(rules: dict[str, Rule]) -> Verdicts:
        verdicts = judge(table, rules)
        dropped.append(verdicts.reasons().count())
        return verdicts

    yield timed(f"verdicts and reasons of ten rules over {rows:,} rows", lambda: decide(RULES), times, 3.0)
    verdicts = decide(RULES)
    yield Line("… rows dropped", dropped[-1], how="as many each time" if len({*dropped}) == 1 else f"{dropped}")
    yield timed(f"the same over lists of {SECONDS} numbers", lambda: decide(over_lists), times)
    yield timed("the table `values` of ten rules", lambda: verdicts.values(keys), times)
    values = verdicts.values(keys)
    file = folder / "values.parquet"
    yield timed("writing that table", lambda: write_table(file, values), 1)
    yield Line("… its size", file.stat().st_size / 2**20, "MiB", how=f"{len(values):,} rows")


def timed(what: str, work: Callable[[], object], times: int, bar_s: float | None = None) -> Line:
    took = []
    for _ in range(times):
        before = time.perf_counter()
        work()
        took.append(time.perf_counter() - before)
    return Line(what, min(took), "s", bar_s, each(took))
