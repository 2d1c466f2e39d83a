"""A few key frames of what was kept and of what was dropped: evenly spaced over the ids, the same on every walk."""

from base64 import b64encode
from collections.abc import Sequence
from typing import NamedTuple

import polars as pl

from slurm.record.manifest import Step
from stages.core.report.lineage import givers, lineage

FRAMES = "key_frames"
SPAN = {"id": pl.String(), "video_id": pl.String(), "start_s": pl.Float64(), "end_s": pl.Float64()}


class Thumbnail(NamedTuple):
    """A clip, or a whole video (then without a span), by one key frame; `reason` is None if it was kept."""

    id: str
    title: str
    reason: str | None
    start_s: float | None
    end_s: float | None
    time_s: float
    uri: str


def thumbnails(steps: Sequence[Step], most: int) -> list[Thumbnail]:
    """Up to `most`, half of them kept, the others spread over all reasons. Clips if the run has clips, else videos."""
    for key in ("clip_id", "video_id"):
        last = next(
            (s for s in reversed(steps) if s.plan.key == key and {key, "video_id"} <= s.plan.gives.keys()), None
        )
        giver = next((s for s in lineage(last) if FRAMES in s.plan.tables), None) if last else None
        if last is not None and giver is not None and (frames := giver.scan(FRAMES)) is not None:
            pictured = frames.select("video_id").unique().collect()["video_id"]
            rows = with_verdicts(last).filter(pl.col("video_id").is_in(pictured.implode())).collect()
            return with_pictures(choose(rows, most), giver, last)
    return []


def with_verdicts(last: Step) -> pl.LazyFrame:
    """SPAN of every row, and `reason`: why it is not among the rows that the last step kept; null if it is."""
    key = last.plan.key
    chain = [s for s in lineage(last) if s.plan.key == key and {key, "video_id"} <= s.plan.gives.keys()]
    first = next((s for s in reversed(chain) if "start_s" in s.plan.gives), chain[-1])
    table, losses = first.scan(), []
    if table is None:
        return pl.LazyFrame(schema={**SPAN, "reason": pl.String()})
    for step in reversed(chain):
        reasons = [pl.col(name) for name in ("error", "drop_reason") if name in step.plan.gives]
        rows = step.scan()
        if reasons and rows is not None:
            losses.append(rows.select(id=key, reason=pl.coalesce(reasons)).drop_nulls())
    spans = {name: name if name in first.plan.gives else pl.lit(None, pl.Float64) for name in ("start_s", "end_s")}
    found = table.select(pl.col(key).alias("id"), "video_id", **spans).drop_nulls("id").unique("id")
    lost = pl.concat(losses).unique("id", keep="first", maintain_order=True) if losses else None
    found = (
        found.with_columns(reason=pl.lit(None, pl.String)) if lost is None else found.join(lost, on="id", how="left")
    )
    kept = last.kept().select(id=key, kept=pl.lit(True)).unique("id")
    other = pl.when(pl.col("kept").is_null()).then(pl.lit(f"not in {last.name}"))
    return found.join(kept, on="id", how="left").with_columns(reason=pl.coalesce("reason", other)).drop("kept")


def choose(rows: pl.DataFrame, most: int) -> pl.DataFrame:
    """At most `most` rows: kept ones first, then by reason, each evenly spaced over the ids."""
    rows = rows.sort("reason", "id", nulls_last=False)
    kept = rows.filter(pl.col("reason").is_null())
    reasons = rows.drop_nulls("reason").group_by("reason").len().sort("len", "reason", descending=[True, False])
    places = min(int(reasons["len"].sum()), max(most // 2, most - len(kept)))
    parts = [kept[evenly(len(kept), most - places)]]
    shares = fair(reasons["len"].to_list(), places)
    for reason, share in zip(reasons["reason"], shares, strict=True):
        own = rows.filter(pl.col("reason") == reason)
        parts.append(own[evenly(len(own), share)])
    return pl.concat(parts)


def evenly(of: int, n: int) -> list[int]:
    """At most n of the numbers below `of`, in the middle of n equal parts."""
    n = min(n, of)
    return [(2 * i + 1) * of // (2 * n) for i in range(n)]


def fair(sizes: Sequence[int], n: int) -> list[int]:
    """How many of n places each group gets: one after the other in turn, as long as it has members left."""
    shares = [0] * len(sizes)
    while sum(shares) < min(n, sum(sizes)):
        for place, size in enumerate(sizes):
            if shares[place] < size and sum(shares) < n:
                shares[place] += 1
    return shares


def with_pictures(spans: pl.DataFrame, giver: Step, last: Step) -> list[Thumbnail]:
    """A thumbnail of each span: of the key frames inside it, else of all, the one nearest to its middle."""
    paths = [giver.paths.part(done.part, FRAMES) for done in giver.all_done() if FRAMES in done.tables]
    index = pl.scan_parquet(paths, glob=False, include_file_paths="file")
    index = index.select("video_id", "shot", "position", "time_s", "file")
    wanted = spans["video_id"].unique()
    there = index.filter(pl.col("video_id").is_in(wanted.implode())).collect()
    middle = (pl.col("start_s") + pl.col("end_s")) / 2
    outside = ~pl.col("time_s").is_between("start_s", "end_s")
    ends = (pl.col("time_s").min() + pl.col("time_s").max()) / 2
    best = (
        spans.join(there, on="video_id", maintain_order="left_right")
        .with_columns(
            far=(pl.col("time_s") - middle.fill_null(ends.over("id"))).abs(), outside=outside.fill_null(False)
        )
        .sort("outside", "far", "shot", maintain_order=True)
        .unique("id", keep="first", maintain_order=True)
    )
    pictures = pl.concat([pictures_of(str(file[0]), rows) for file, rows in best.group_by("file")] or [best.clear()])
    names = titles(last, wanted)
    return [
        Thumbnail(
            id=row["id"],
            title=names.get(row["video_id"], ""),
            reason=row["reason"],
            start_s=row["start_s"],
            end_s=row["end_s"],
            time_s=row["time_s"],
            uri=f"data:image/jpeg;base64,{b64encode(row['jpeg']).decode()}",
        )
        for row in spans.select("id").join(pictures, on="id", maintain_order="left").iter_rows(named=True)
    ]


def pictures_of(file: str, rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with the `jpeg` of each, out of one file; no other picture of it is kept."""
    keys = ["video_id", "shot", "position"]
    wanted = pl.col("video_id").is_in(rows["video_id"].unique().implode()) & pl.col("shot").is_in(
        rows["shot"].unique().implode()
    )
    found = pl.scan_parquet(file, glob=False).filter(wanted).select(*keys, "jpeg").collect()
    return rows.join(found.unique(keys), on=keys)


def titles(last: Step, videos: pl.Series) -> dict[str, str]:
    """The titles of these videos, where the run knows them."""
    giver = next((s for s in givers(last, "title", "video_id")), None)
    table = giver.scan() if giver else None
    if table is None:
        return {}
    known = table.filter(pl.col("video_id").is_in(videos.implode())).select("video_id", "title").drop_nulls()
    return dict(known.collect().iter_rows())
