"""The moments of all rows, best row first: their hashes, of which those that tell nothing are left out."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from stages.core.schema.dedup import MOMENTS

SAME_BITS = 2  # a moment whose hash differs in no more bits from the one before it seeds nothing new


class Moments(NamedTuple):
    """Moments in the order of their rows, then of time: the row's number, seconds from its start, the hash. [n] each.

    `starts` is where each row's begin, [rows + 1].
    """

    row: NDArray[np.int64]
    time_s: NDArray[np.float64]
    hash: NDArray[np.uint64]
    starts: NDArray[np.int64]

    @property
    def counts(self) -> NDArray[np.int64]:
        """How many moments each row has."""
        return np.diff(self.starts)


def take_moments(items: pl.DataFrame, hashes: pl.DataFrame, contrast: float) -> pl.DataFrame:
    """The moments of each item that tell something, as MOMENTS has them: of a clip those in its span.

    `items` have `id`, clips also `video_id`, `start_s` and `end_s`; `hashes` is analyze's table. Left out are moments
    with less contrast: dark and plain pictures.
    """
    items = items if "video_id" in items.columns else items.with_columns(video_id="id")
    videos = items.select(pl.col("video_id").unique(maintain_order=True)).with_row_index("video")
    telling = (
        hashes.filter(pl.col("contrast") >= contrast, pl.col("hash").is_not_null())
        .join(videos, on="video_id")
        .sort("video", "time_s", "hash")
    )
    spans = items.join(videos, on="video_id", how="left", maintain_order="left").select(
        "video",
        start_s=pl.col("start_s") if "start_s" in items.columns else pl.lit(0.0),
        end_s=pl.col("end_s") if "end_s" in items.columns else pl.lit(float("inf")),
    )
    longest_s = float(telling["time_s"].max() or 0) + 1  # type: ignore[arg-type]
    line = telling["video"].to_numpy() * longest_s + telling["time_s"].to_numpy()  # all videos one behind the other
    begin, end = (
        np.searchsorted(line, spans["video"].to_numpy() * longest_s + spans[name].to_numpy().clip(0, longest_s - 0.5))
        for name in ("start_s", "end_s")
    )
    counts = np.maximum(end - begin, 0)
    places = np.arange(counts.sum()) + np.repeat(begin - (np.cumsum(counts) - counts), counts)
    start_s = np.repeat(spans["start_s"].to_numpy(), counts)
    found: pl.DataFrame = telling[places]
    return found.with_columns(
        id=items["id"].gather(np.repeat(np.arange(len(items)), counts)), time_s=pl.col("time_s") - start_s
    ).select(*MOMENTS)


def order_moments(parts: Sequence[tuple[pl.DataFrame, pl.DataFrame]]) -> Moments:
    """The moments of all rows; each part has the numbers of some rows, `id` and `row`, and moments of these ids.

    Parts follow each other in number, the first begins with 0. Moments of other ids are left out.
    """
    found = pl.concat(
        [moments.select("id", "time_s", "hash").join(rows, on="id").drop("id") for rows, moments in parts]
    )
    every = found.sort("row", "time_s", "hash")
    row = every["row"].to_numpy()
    starts = np.searchsorted(row, np.arange(sum(len(rows) for rows, _ in parts) + 1))
    return Moments(row, every["time_s"].to_numpy(), every["hash"].to_numpy(), starts)


def is_new(moments: Moments) -> NDArray[np.bool_]:
    """Which moments differ from the one before them, or are the first of their row: still pictures seed once."""
    new = np.ones(len(moments.row), dtype=np.bool_)
    if len(new):
        same = np.bitwise_count(moments.hash[1:] ^ moments.hash[:-1]) <= SAME_BITS
        new[1:] = ~same | (moments.row[1:] != moments.row[:-1])
    return new
