"""Pictures of rows that some points of a sweep keep and others do not: which point kept what, side by side."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from slurm.record.manifest import Step
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
    (differing,) = np.nonzero(keeps.any(axis=0) & ~keeps.all(axis=0))
    last, source = find_pictured([sweep.points[0].step])
    if not len(differing) or not most or last is None or source is None:
        return []
    numbers = differing[space_evenly(len(differing), LOOKED_AT)]
    chosen = sweep.ids[numbers]
    rows = read_spans([point.step for point in sweep.points], pl.Series("hash", chosen, pl.UInt64)).sort("id")
    of_videos = read_columns(last, ("source",), rows["video_id"])
    places = locate_pictures(source)
    rows = keep_pictured(rows.join(of_videos, on="video_id", how="left", maintain_order="left"), places)
    pictures = make_thumbnails(spread(rows.with_columns(reason=pl.lit(None, pl.String)), most), places, last)
    at = dict(zip(chosen.tolist(), numbers.tolist(), strict=True))
    hashes = pl.Series([one.id for one in pictures], dtype=pl.String).hash()
    return [Contested(one, keeps[:, at[hash_]].tolist()) for one, hash_ in zip(pictures, hashes, strict=True)]


def read_spans(steps: Sequence[Step], wanted: pl.Series) -> pl.DataFrame:
    """SPAN of the rows with these hashes, of the first of the steps that has each."""
    found = pl.DataFrame(schema={**SPAN, "hash": pl.UInt64()})
    for step in steps:
        missing = wanted.filter(~wanted.is_in(found["hash"].implode()))
        key = step.plan.key
        chain = [s for s in lineage(step) if s.plan.key == key and {key, "video_id"} <= s.plan.gives.keys()]
        first = next((s for s in reversed(chain) if "start_s" in s.plan.gives), chain[-1] if chain else None)
        table = first.scan() if first and len(missing) else None
        if first is None or table is None:
            continue
        spans = {name: name if name in first.plan.gives else pl.lit(None, pl.Float64) for name in ("start_s", "end_s")}
        rows = table.select(pl.col(key).alias("id"), "video_id", **spans, hash=hashed(key))
        own = rows.join(missing.to_frame().lazy(), on="hash", how="semi").collect(engine="streaming")
        found = pl.concat([found, own.unique("hash", keep="first", maintain_order=True)])
    return found.drop("hash")
