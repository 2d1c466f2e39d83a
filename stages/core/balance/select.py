"""From the items and their columns to a verdict on each, and a row a category."""

from collections.abc import Collection, Mapping, Sequence
from math import inf
from typing import Literal, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from stages.core.balance import choose
from stages.core.balance.choose import Ints, Limits, Supply
from stages.core.balance.eligible import US, find_activity, find_size, in_order
from stages.core.balance.hashes import keyed_hashes, shares_of
from stages.core.balance.quotas import fill_evenly, weigh
from stages.core.balance.settings import Caps
from stages.core.balance.swap import swap

HOUR_US = 3600 * US
NO_CATEGORY = "(none)"  # of rows that have none
DROPPED = {
    choose.FULL: "quota_full",
    choose.DAMPED: "channel_damped",
    choose.CHANNEL_CAP: "channel_cap",
    choose.VIDEO_CAP: "video_cap",
}
CHOSEN_BY = {choose.RANK: "rank", choose.RELAXED: "relaxed", choose.KEEP: "keep"}


class Target(NamedTuple):
    """What is wanted, as in conf/stage/balance.yaml."""

    hours: float
    shares: Mapping[str, float]
    alpha: float
    activity: Mapping[str, float]
    damping: float
    relax: Literal["hours", "quotas", "never"]
    caps: Caps
    seed: int


class Selection(NamedTuple):
    """`rows`: activity, rank, chosen_by and drop_reason of each item; `categories`: a row a category."""

    rows: pl.DataFrame
    categories: pl.DataFrame


def select(items: pl.DataFrame, keys: Sequence[str], known: Collection[str] | None, target: Target) -> Selection:
    """Chooses among items with their keys, what `judge` says of them, and `fate`.

    `fate` is KEEP or PASSED (see choose.py) of what was decided before, else null. `known` are the categories that have
    a share, None: all of which there are rows.
    """
    able = pl.col("reason").is_null()
    occurring = items["category"].fill_null(NO_CATEGORY)
    names = sorted({*(known or ()), *occurring.unique()})
    placed = items.with_row_index("place").with_columns(occurring.cast(pl.Enum(names)))
    there = placed.filter(able | (pl.col("fate") == choose.KEEP).fill_null(False))
    hours = dict(there.filter(able).group_by("category").agg(pl.col("duration_us").sum() / HOUR_US).iter_rows())
    closed = set(names) - {*(hours if known is None else known)} | {NO_CATEGORY}
    weights = weigh(names, hours, {**target.shares, **dict.fromkeys(closed, 0.0)}, target.alpha)
    code = there["category"].to_physical().cast(pl.Int64).to_numpy()
    hashes = [keyed_hashes(there[key], target.seed) for key in dict.fromkeys((keys[-1], keys[0]))]
    activity = find_activity(there, code, target.activity)
    order = in_order(code, activity, find_size(there, code), *hashes)
    supply = make_supply(there, keys, code, shares_of(hashes[0]), order)
    limits = limits_of(target, names, weights)
    choice = choose.choose(supply, limits)
    swap(supply, limits, choice)
    first = np.searchsorted(supply.category, np.arange(len(names)))
    fate, rank = np.empty_like(choice.fate), np.empty(len(order), np.int64)
    fate[order], rank[order] = choice.fate, np.arange(len(order)) - first[supply.category] + 1
    judged = there.with_columns(fate=pl.Series(fate), activity=pl.Series(activity), rank=pl.Series(rank))
    every = pl.DataFrame({"category": pl.Series(names, dtype=there.schema["category"]), "weight": weights})
    every = every.with_columns(exhausted=pl.Series(choice.exhausted))
    return Selection(verdicts(placed, judged), count(placed, judged, every, target.hours))


def make_supply(
    there: pl.DataFrame, keys: Sequence[str], category: Ints, chance: NDArray[np.float64], order: Ints
) -> Supply:
    """The rows in this order. A video of an unknown channel is the only one of its channel."""
    video = np.arange(len(there)) if len(keys) == 1 else codes_of(there[keys[-1]])
    channel, unknown = codes_of(there["channel"]), there["channel"].is_null().to_numpy()
    channel = np.where(unknown, channel.max(initial=-1) + 1 + video, channel)
    fate = there["fate"].fill_null(choose.FULL).cast(pl.UInt8).to_numpy()
    duration_us = there["duration_us"].to_numpy()
    return Supply(category[order], duration_us[order], channel[order], video[order], chance[order], fate[order])


def codes_of(texts: pl.Series) -> Ints:
    """A number for each different text, from 0; of a null any."""
    codes = texts.cast(pl.Categorical).to_physical().fill_null(0).to_numpy()  # of all texts that the process has met
    occurs = np.zeros(int(codes.max(initial=0)) + 1, bool)
    occurs[codes] = True
    numbers: Ints = (np.cumsum(occurs) - 1)[codes]
    return numbers


def limits_of(target: Target, names: Sequence[str], weights: Sequence[float]) -> Limits:
    caps = target.caps
    hours = {"channel_us": caps.channel_hours, "video_us": caps.video_hours}
    counts = {"channel_videos": caps.channel_videos, "video_rows": caps.video_rows}
    most = {name: value * HOUR_US for name, value in hours.items() if value is not None}
    most |= {name: value for name, value in counts.items() if value is not None}
    ties = np.argsort(np.argsort(keyed_hashes(pl.Series(names), target.seed)))
    target_us = round(target.hours * HOUR_US)
    return Limits(target_us, np.array(weights), ties, target.damping, target.relax, **most)


def verdicts(placed: pl.DataFrame, judged: pl.DataFrame) -> pl.DataFrame:
    """activity, rank, chosen_by and drop_reason of each item; `judged` are those that may be chosen, by `place`."""
    alone = pl.col("channel").is_null() & (pl.col("fate") == choose.RANK)
    by = pl.when(alone).then(pl.lit("no_channel")).otherwise(pl.col("fate").replace_strict(CHOSEN_BY, default=None))
    left = pl.col("fate").replace_strict(DROPPED, default=None)
    own = judged.select("place", "activity", "rank", chosen_by=by, left=left)
    joined = placed.select("place", "reason").join(own, on="place", how="left", maintain_order="left")
    reason = pl.when(pl.col("chosen_by").is_null()).then(pl.coalesce("left", "reason"))
    return joined.select("activity", "rank", "chosen_by", drop_reason=reason)


def count(placed: pl.DataFrame, judged: pl.DataFrame, every: pl.DataFrame, target_hours: float) -> pl.DataFrame:
    """A row a category: what there is of it, its part of the target, what was chosen, and what is missing.

    `every` has each category, its weight, and whether it had no more to give.
    """
    chosen, length_us, channels = pl.col("fate").is_in(choose.CHOSEN), pl.col("duration_us"), pl.col("channel")
    supply = placed.group_by("category").agg(
        supply_rows=pl.len(), supply_hours=length_us.sum() / HOUR_US, supply_channels=channels.drop_nulls().n_unique()
    )
    counted = judged.group_by("category").agg(
        chosen_rows=chosen.sum(),
        chosen_hours=length_us.filter(chosen).sum() / HOUR_US,
        chosen_channels=channels.filter(chosen).drop_nulls().n_unique(),
        kept_hours=length_us.filter(pl.col("fate") == choose.KEEP).sum() / HOUR_US,
        relaxed_rows=(pl.col("fate") == choose.RELAXED).sum(),
        damped_rows=(pl.col("fate") == choose.DAMPED).sum(),
        capped_rows=pl.col("fate").is_in([choose.CHANNEL_CAP, choose.VIDEO_CAP]).sum(),
    )
    for part in (supply, counted):
        every = every.join(part, on="category", how="left", maintain_order="left")
    every = every.with_columns(pl.col("category").cast(pl.String), pl.exclude("category", "exhausted").fill_null(0))
    weights, had, kept = (every[name].to_list() for name in ("weight", "chosen_hours", "kept_hours"))
    most = [of_it if empty else inf for of_it, empty in zip(had, every["exhausted"], strict=True)]
    share = pl.col("weight") / (sum(weights) or 1.0) * target_hours
    quotas = pl.Series(fill_evenly(target_hours, weights, kept, most), dtype=pl.Float64)
    lacks = pl.when("exhausted").then((share - pl.col("chosen_hours")).clip(0)).otherwise(0.0)
    return every.with_columns(share_hours=share, quota_hours=quotas, missing_hours=lacks).drop("weight", "exhausted")
