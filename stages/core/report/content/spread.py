"""Chooses some of many rows for their pictures: of many reasons, sources and videos, the same each time."""

from collections.abc import Sequence

import polars as pl


def choose_rows(rows: pl.DataFrame, max_count: int) -> pl.DataFrame:
    """At most `max_count` rows: kept ones first, then by reason, each spread over sources and videos."""
    rows = rows.sort("reason", "id", nulls_last=False)
    kept = rows.filter(pl.col("reason").is_null())
    reasons = rows.drop_nulls("reason").group_by("reason").len().sort("len", "reason", descending=[True, False])
    places = min(int(reasons["len"].sum()), max(max_count // 2, max_count - len(kept)))
    parts = [spread(kept, max_count - places)]
    shares = share_fairly(reasons["len"].to_list(), places)
    for reason, share in zip(reasons["reason"], shares, strict=True):
        parts.append(spread(rows.filter(pl.col("reason") == reason), share))
    return pl.concat(parts)


def spread(rows: pl.DataFrame, n: int) -> pl.DataFrame:
    """At most n of the rows: of as many sources as can be, of as many of their videos, evenly spaced over the ids."""
    videos = rows.group_by("source", "video_id").len().sort("source", "video_id").partition_by("source")
    shares = share_fairly([len(own) for own in videos], n)
    chosen = pl.concat(
        [own[space_evenly(len(own), share)] for own, share in zip(videos, shares, strict=True)] or [rows]
    )
    counts = share_fairly(chosen["len"].to_list(), n) if videos else []
    parts = [rows.head(0)]
    for video, count in zip(chosen["video_id"], counts, strict=True):
        own = rows.filter(pl.col("video_id") == video)
        parts.append(own[space_evenly(len(own), count)])
    return pl.concat(parts)


def space_evenly(of: int, n: int) -> list[int]:
    """At most n of the numbers 0 … `of` - 1: the middles of n equal parts."""
    n = min(n, of)
    return [(2 * i + 1) * of // (2 * n) for i in range(n)]


def share_fairly(sizes: Sequence[int], n: int) -> list[int]:
    """How many of n places each group gets: dealt in turn, as long as a group has members left."""
    shares = [0] * len(sizes)
    while sum(shares) < min(n, sum(sizes)):
        for place, size in enumerate(sizes):
            if shares[place] < size and sum(shares) < n:
                shares[place] += 1
    return shares
