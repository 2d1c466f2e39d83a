"""Chunks: a step's input table cut into n slices of about equal cost.

The borders are a pure function of the table, so whichever task needs them first computes them, and all get the same.
"""

from itertools import pairwise

import polars as pl


def count(rows: int, size: int) -> int:
    """How many chunks of about `size` rows; at least one, so that an empty table has an (empty) result too."""
    return max(1, -(-rows // size))


def fill_costs(cost: pl.Series) -> pl.Series:
    """A cost for every row: null, NaN and negative ones count as the median of the known ones."""
    known = cost.cast(pl.Float64).fill_nan(None)
    known = known.set(known < 0, None)
    median = known.median()
    known = known.fill_null(float(median) if isinstance(median, float | int) and median > 0 else 1.0)
    # every row is free: balance by count
    return known if float(known.sum()) > 0 else pl.repeat(1.0, len(known), eager=True)


def borders(cost: pl.Series, n: int) -> list[int]:
    """n + 1 row numbers: chunk i holds rows [borders[i], borders[i + 1]); costs are as equal as slices allow.

    `cost` has one number a row, see `fill_costs`.
    """
    known = fill_costs(cost)
    total, reached = float(known.sum()), known.cum_sum()
    targets = pl.Series([total * i / n for i in range(1, n)], dtype=pl.Float64)
    # a border goes behind the row in whose middle the target lies
    inner = (reached - known / 2).search_sorted(targets, side="left").to_list() if len(known) else [0] * (n - 1)
    return [0, *inner, len(known)]


def costs(cost: pl.Series, borders: list[int]) -> list[float]:
    """The cost of each chunk between these borders, to six digits."""
    reached = [0.0, *fill_costs(cost).cum_sum()]
    return [float(f"{reached[end] - reached[first]:.6g}") for first, end in pairwise(borders)]
