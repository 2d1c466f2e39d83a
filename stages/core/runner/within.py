"""Rows of a video's table that lie within each of its clips: the seconds, shots, cuts or key frames of a span."""

from collections.abc import Mapping, Sequence

import polars as pl

SPAN = ("start_s", "end_s")  # columns of an item
ITEMS = 1000  # that are joined at once with all rows of their videos
SAME_S = 0.0005  # times that differ by less are equal: containers round to milliseconds


def gather_within(
    table: pl.DataFrame, rows: pl.LazyFrame, keys: Sequence[str], columns: Mapping[str, str]
) -> pl.DataFrame:
    """The items with a list of each of these columns (name → column of `rows`): of the rows within each item's span.

    `rows` bear a key of what an item is part of, the first of `keys` that they have. Where items have no span, or rows
    no times (`has_times`), an item has all rows with its key. The order of `rows` is kept; without any, a list is null.
    """
    there = rows.collect_schema().names()
    key = next(name for name in keys if name in there)
    timed = has_times(there) and set(SPAN) <= set(table.columns)
    times = {f"row:{name}": name for name in ("time_s", "second", *SPAN) if timed and name in there}
    named = [pl.col(column).alias(name) for name, column in {**columns, **times}.items()]
    found = rows.filter(pl.col(key).is_in(table[key].implode())).select(key, *named).collect()
    own = table.select([keys[0], key, *(SPAN if timed else ())])
    lists = [
        part.join(found, on=key, how="inner", maintain_order="left_right")
        .filter(lies_within([*times.values()]) if timed else pl.lit(True))
        .group_by(keys[0], maintain_order=True)
        .agg(*columns)
        for part in (own.iter_slices(ITEMS) if len(own) else [own])
    ]
    return table.join(pl.concat(lists), on=keys[0], how="left", maintain_order="left")


def has_times(columns: Sequence[str]) -> bool:
    """Whether rows with these columns lie at a time, in a second or in a span."""
    return "time_s" in columns or "second" in columns or set(SPAN) <= {*columns}


def lies_within(times: Sequence[str]) -> pl.Expr:
    """Whether a row lies within `start_s` to `end_s`.

    A frame does by its time, a span if it overlaps, a second if half of it does; a clip without any such second has the
    one that holds its middle (as in the lists of `split`).
    """
    start, end = pl.col("start_s"), pl.col("end_s")
    if "time_s" in times:
        return (pl.col("row:time_s") >= start) & (pl.col("row:time_s") < end)
    if "second" in times:
        begin, stop = start.round(3), end.round(3)
        middle = ((begin + stop) / 2).floor()
        first = pl.min_horizontal((begin - 0.5).ceil(), middle)
        last = pl.max_horizontal((stop - 0.5).floor(), middle)
        return pl.col("row:second").is_between(first, last)
    return (pl.col("row:start_s") < end - SAME_S) & (pl.col("row:end_s") > start + SAME_S)
