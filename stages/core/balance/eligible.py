"""Which rows may be chosen at all, and in which order: by activity within their category."""

from collections.abc import Callable, Collection, Mapping
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from stages.core.balance.hashes import Hashes
from stages.core.balance.settings import Columns

MEASURE = "activity:"  # before the names of the columns that tell how active a row is
POOL = "(other)"  # the category of rows that are pooled
LONGEST_S = 1e9  # what is said to last longer than thirty years is no duration
US = 1_000_000  # in whole microseconds, sums are the same in any order


def judge(
    items: pl.DataFrame,
    columns: Columns,
    measures: Collection[str],
    *,
    known: Collection[str] | None,
    discarded: Collection[str],
    unknown: Literal["refuse", "pool"],
    without_channel: Literal["alone", "drop"],
) -> pl.DataFrame:
    """What is known of each item, and the `reason` why it cannot be chosen, or null.

    That is `category`, `channel`, `followers`, `duration_us` (0 if unknown), and the measures of its activity, each
    behind MEASURE. `known` are the categories that there are, None: all that occur.
    """
    text = pl.col(columns.category).cast(pl.String)
    text = pl.when(text.str.strip_chars() != "").then(text)
    foreign = pl.lit(False) if known is None else ~text.is_in(list(known))
    if unknown == "pool":
        text, foreign = pl.when(~foreign.fill_null(True)).then(text).otherwise(pl.lit(POOL)), pl.lit(False)
    duration_s = number(columns.duration_s)
    duration_s = pl.when(duration_s > 0, duration_s <= LONGEST_S).then(duration_s)
    channel = pl.coalesce(pl.lit(None, pl.String), *(pl.col(name).cast(pl.String) for name in columns.channel))
    channel = pl.when(channel.str.strip_chars() != "").then(channel)
    reasons = {
        "no_category": text.is_null(),
        "category_unknown": foreign,
        "category_discarded": text.is_in(list(discarded)),
        "no_duration": duration_s.is_null(),
        "no_channel": channel.is_null() & pl.lit(without_channel == "drop"),
    }
    return items.select(
        category=text,
        channel=channel.cast(pl.Categorical),
        followers=number(columns.followers) if columns.followers else pl.lit(None, pl.Float64),
        duration_us=(duration_s * US).round().cast(pl.Int64).clip(1).fill_null(0),
        reason=pl.coalesce(pl.when(applies).then(pl.lit(reason)) for reason, applies in reasons.items()),
        **{MEASURE + name: number(name) for name in measures},
    )


def number(column: str) -> pl.Expr:
    """A column's numbers; null for NaN, infinite, negative ones, and for what is no number."""
    value = pl.col(column).cast(pl.Float64, strict=False)
    return pl.when(value >= 0, value.is_finite()).then(value)


def find_wrong(items: pl.DataFrame, columns: Collection[str]) -> dict[str, int]:
    """The number of rows with NaN, infinite or negative numbers in each of these columns, where there are any."""
    counted = items.select(
        (pl.col(name).cast(pl.Float64, strict=False).is_not_null() & number(name).is_null()).sum() for name in columns
    )
    return {name: int(rows) for name, rows in counted.row(0, named=True).items() if rows} if columns else {}


def find_activity(
    items: pl.DataFrame, category: NDArray[np.int64], weights: Mapping[str, float]
) -> NDArray[np.float64]:
    """The activity of each item, from 0 to the sum of the weights; `category` has the number of its category.

    The sum over columns of weight times the rank of log(1 + x) among the n rows of its category, over n. Equal ones
    share their mean rank, so the logarithm changes no rank and is not taken. Null counts as the category's median.
    """
    total = np.zeros(len(items))
    for column, weight in weights.items():
        total += weight * within(category, items[MEASURE + column], ranks)
    return total


def find_size(items: pl.DataFrame, category: NDArray[np.int64]) -> NDArray[np.float64]:
    """The followers of each item's channel; null as the category's median."""
    return within(category, items["followers"], lambda values: values)


def within(
    category: NDArray[np.int64], values: pl.Series, function: Callable[[NDArray[np.float64]], NDArray[np.float64]]
) -> NDArray[np.float64]:
    """A function of all values of a category, for each; unknown ones as their median, 0 where all are.

    A sort of one category after another takes a third of the time of polars' `over`.
    """
    order = np.argsort(category.astype(np.min_scalar_type(category.max(initial=0))), kind="stable")
    ordered = values.cast(pl.Float64).to_numpy()[order]  # null is NaN
    for part in np.split(ordered, np.flatnonzero(np.diff(category[order])) + 1):
        unknown = np.isnan(part)
        if unknown.any():
            part[unknown] = 0.0 if unknown.all() else np.median(part[~unknown])
        part[:] = function(part)
    found = np.empty(len(ordered))
    found[order] = ordered
    return found


def ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The rank of each value over their number: above 0, at most 1; equal ones have their mean rank."""
    order = np.argsort(values)
    begins = np.flatnonzero(np.diff(values[order], prepend=np.nan) != 0)
    sizes = np.diff(begins, append=len(values))
    found = np.empty(len(values))
    found[order] = np.repeat(begins + (sizes + 1) / 2, sizes) / len(values)
    return found


def in_order(
    category: NDArray[np.integer], activity: NDArray[np.float64], followers: NDArray[np.float64], *hashes: Hashes
) -> NDArray[np.int64]:
    """The numbers of the rows by category, then the most active first, then small channels, then by these hashes.

    Few rows are as active as another one: the rest is sorted for these alone, which takes a third of the time.
    """
    order = np.argsort(-activity)
    order = order[np.argsort(category[order].astype(np.min_scalar_type(category.max(initial=0))), kind="stable")]
    same = (np.diff(category[order]) == 0) & (np.diff(activity[order]) == 0)
    tied = np.append(same, False) | np.insert(same, 0, False) if len(order) else np.zeros(0, bool)
    if tied.any():
        group = np.cumsum(~np.insert(same, 0, False))[tied]
        rows = order[tied]
        keys = [column[rows] for column in (*reversed(hashes), followers)]
        order[tied] = rows[np.lexsort((*keys, group))]
    return order
