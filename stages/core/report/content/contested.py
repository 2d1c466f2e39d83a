"""Pictures of rows that some points of a sweep keep and others do not: which point kept what, side by side."""

from typing import NamedTuple

import numpy as np
import polars as pl

from stages.core.report.content.sample import SPAN, read_columns
from stages.core.report.content.spread import space_evenly, spread
from stages.core.report.content.thumbnails import (
    Thumbnail,
    find_pictured,
    keep_pictured,
    locate_pictures,
    make_thumbnails,
)
from stages.core.report.flow.lineage import hashed, lineage
from stages.core.report.flow.sweeps import Sweep

LOOKED_AT = 400  # of the rows on which points differ


class Contested(NamedTuple):
    """`kept`: of each point of the sweep, in their order, whether it keeps the row."""

    picture: Thumbnail
    kept: list[bool]


def choose_contested(sweep: Sweep, most: int) -> list[Contested]:
    """At most so many rows on which the sweep's points differ, of many sources and videos."""
    keeps = np.array(sweep.keeps)
    number = keeps.sum(axis=0)
    (differing,) = np.nonzero((number > 0) & (number < len(keeps)))
    last, source = find_pictured([sweep.points[0].step])
    if not len(differing) or not most or last is None or source is None:
        return []
    chosen = sweep.ids[differing[space_evenly(len(differing), LOOKED_AT)]]
    wanted = pl.LazyFrame({"hash": chosen}, schema={"hash": pl.UInt64})
    parts = [read_spans(sweep, number, wanted) for number in range(len(sweep.points))]
    rows = pl.concat(parts).unique("id", keep="first", maintain_order=True).sort("id")
    of_videos = read_columns(last, ("source",), rows["video_id"])
    places = locate_pictures(source)
    rows = keep_pictured(rows.join(of_videos, on="video_id", how="left", maintain_order="left"), places)
    pictures = make_thumbnails(spread(rows.with_columns(reason=pl.lit(None, pl.String)), most), places, last)
    shown = np.searchsorted(sweep.ids, pl.Series([one.id for one in pictures], dtype=pl.String).hash().to_numpy())
    return [Contested(one, keeps[:, at].tolist()) for one, at in zip(pictures, shown, strict=True)]


def read_spans(sweep: Sweep, number: int, wanted: pl.LazyFrame) -> pl.DataFrame:
    """SPAN of those of these rows that a point has."""
    step = sweep.points[number].step
    key = step.plan.key
    chain = [s for s in lineage(step) if s.plan.key == key and {key, "video_id"} <= s.plan.gives.keys()]
    first = next((s for s in reversed(chain) if "start_s" in s.plan.gives), chain[-1] if chain else None)
    table = first.scan() if first else None
    if first is None or table is None:
        return pl.DataFrame(schema=SPAN)
    spans = {name: name if name in first.plan.gives else pl.lit(None, pl.Float64) for name in ("start_s", "end_s")}
    rows = table.select(pl.col(key).alias("id"), "video_id", **spans, hash=hashed(key))
    return rows.join(wanted, on="hash", how="semi").select([*SPAN]).collect(engine="streaming")
