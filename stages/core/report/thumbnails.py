"""Key frames of some kept and some dropped rows: of many sources and videos, the same each time."""

from base64 import b64encode
from collections.abc import Sequence
from typing import NamedTuple

import polars as pl

from slurm.credentials import redact
from slurm.record.manifest import Step
from stages.core.report.lineage import lineage, steps_with_column

FRAMES = "key_frames"
SPAN = {"id": pl.String(), "video_id": pl.String(), "start_s": pl.Float64(), "end_s": pl.Float64()}


class Thumbnail(NamedTuple):
    """One key frame of a clip, or of a whole video (then without a span); `reason` is None if it was kept."""

    id: str
    title: str
    place: str  # of its video: a path or an address, without passwords
    reason: str | None
    start_s: float | None
    end_s: float | None
    time_s: float
    uri: str


def choose_thumbnails(steps: Sequence[Step], max_count: int) -> list[Thumbnail]:
    """Up to `max_count`, half of kept rows, the others spread over all reasons; of clips, else of videos."""
    with_spans = [s.plan.key for step in reversed(steps) for s in lineage(step) if "start_s" in s.plan.gives]
    for key in dict.fromkeys([*with_spans, "video_id"]):
        last = next(
            (s for s in reversed(steps) if s.plan.key == key and {key, "video_id"} <= s.plan.gives.keys()), None
        )
        source = next((s for s in lineage(last) if FRAMES in s.plan.tables), None) if last else None
        if last is not None and source is not None and (frames := source.scan(FRAMES)) is not None:
            pictured = frames.select("video_id").unique().collect()["video_id"]
            rows = read_outcomes(last).filter(pl.col("video_id").is_in(pictured.implode())).collect()
            rows = rows.join(read_column(last, "source", pictured), on="video_id", how="left", maintain_order="left")
            return make_thumbnails(choose_rows(rows, max_count), source, last)
    return []


def read_outcomes(last: Step) -> pl.LazyFrame:
    """SPAN of every row, and `reason`, why the last step has not kept it; null if it has."""
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
    verdicts = table.select(pl.col(key).alias("id"), "video_id", **spans).drop_nulls("id").unique("id")
    lost = pl.concat(losses).unique("id", keep="first", maintain_order=True) if losses else None
    verdicts = (
        verdicts.with_columns(reason=pl.lit(None, pl.String))
        if lost is None
        else verdicts.join(lost, on="id", how="left")
    )
    kept = last.kept().select(id=key, kept=pl.lit(True)).unique("id")
    other = pl.when(pl.col("kept").is_null()).then(pl.lit(f"not in {last.name}"))
    return verdicts.join(kept, on="id", how="left").with_columns(reason=pl.coalesce("reason", other)).drop("kept")


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


def make_thumbnails(spans: pl.DataFrame, source: Step, last: Step) -> list[Thumbnail]:
    """A thumbnail per span: the key frame nearest to its middle, preferably inside it."""
    paths = [source.paths.part(done.part, FRAMES) for done in source.all_done() if FRAMES in done.tables]
    index = pl.scan_parquet(paths, glob=False, include_file_paths="file")
    index = index.select("video_id", "shot", "position", "time_s", "file")
    videos = spans["video_id"].unique()
    frames = index.filter(pl.col("video_id").is_in(videos.implode())).collect()
    middle = (pl.col("start_s") + pl.col("end_s")) / 2
    outside = ~pl.col("time_s").is_between("start_s", "end_s")
    ends = (pl.col("time_s").min() + pl.col("time_s").max()) / 2
    best = (
        spans.join(frames, on="video_id", maintain_order="left_right")
        .with_columns(
            far=(pl.col("time_s") - middle.fill_null(ends.over("id"))).abs(), outside=outside.fill_null(False)
        )
        .sort("outside", "far", "shot", maintain_order=True)
        .unique("id", keep="first", maintain_order=True)
    )
    pictures = pl.concat([read_pictures(str(file[0]), rows) for file, rows in best.group_by("file")] or [best.clear()])
    titles, files, urls = (dict(read_column(last, name, videos).iter_rows()) for name in ("title", "path", "url"))
    return [
        Thumbnail(
            id=row["id"],
            title=titles.get(row["video_id"], ""),
            place=redact(files.get(row["video_id"]) or urls.get(row["video_id"], "")),
            reason=row["reason"],
            start_s=row["start_s"],
            end_s=row["end_s"],
            time_s=row["time_s"],
            uri=f"data:image/jpeg;base64,{b64encode(row['jpeg']).decode()}",
        )
        for row in spans.select("id").join(pictures, on="id", maintain_order="left").iter_rows(named=True)
    ]


def read_pictures(file: str, rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with their `jpeg`, read from one file; other pictures are not held in memory."""
    keys = ["video_id", "shot", "position"]
    needed = pl.col("video_id").is_in(rows["video_id"].unique().implode()) & pl.col("shot").is_in(
        rows["shot"].unique().implode()
    )
    pictures = pl.scan_parquet(file, glob=False).filter(needed).select(*keys, "jpeg").collect()
    return rows.join(pictures.unique(keys), on=keys)


def read_column(last: Step, column: str, videos: pl.Series) -> pl.DataFrame:
    """`video_id` and a column of these videos, as far as the run knows it."""
    source = next((s for s in steps_with_column(last, column, "video_id")), None)
    table = source.scan() if source else None
    if table is None:
        return pl.DataFrame(schema={"video_id": pl.String(), column: pl.String()})
    known = table.filter(pl.col("video_id").is_in(videos.implode())).select("video_id", column).drop_nulls()
    return known.unique("video_id", keep="first", maintain_order=True).collect()
