"""Key frames of some kept and some dropped rows: of many sources and videos, the same each time."""

from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import polars as pl

from slurm.credentials import redact
from slurm.record.files import scan_parts
from slurm.record.manifest import Step
from stages.core.report.content.media import DAMAGED, HALF, NEEDED
from stages.core.report.content.sample import read_columns, read_outcomes
from stages.core.report.content.spread import choose_rows
from stages.core.report.flow.lineage import hashed, lineage
from stages.core.report.flow.sources import NO_SOURCES, Sources

FRAMES = "key_frames"
INDEX = {
    **{"video_id": pl.String(), "shot": pl.Int64(), "time_s": pl.Float64(), "position": pl.String()},
    "file": pl.String(),
}


class Thumbnail(NamedTuple):
    """One key frame of a clip, or of a whole video (then without a span); `reason` is None if it was kept."""

    id: str
    title: str
    place: str  # of its video: a path or an address, without passwords
    source: str
    reason: str | None
    start_s: float | None
    end_s: float | None
    time_s: float
    torn: str  # what of its video could not be read; "": all of it could
    clip: str  # the file that was cut, as a link from the page; "": none
    uri: str


def choose_thumbnails(steps: Sequence[Step], max_count: int, sources: Sources = NO_SOURCES) -> list[Thumbnail]:
    """Up to `max_count`, half of kept rows, the others spread over all reasons; of clips, else of videos."""
    last, source = find_pictured(steps)
    if last is None or source is None:
        return []
    rows, places = read_outcomes(last, sources), locate_pictures(source)
    of_rows = choose_rows(keep_pictured(rows, places), max_count)
    made = make_thumbnails(of_rows, places, last)
    if len(made) < len(of_rows) or (of_rows.is_empty() and len(rows)):  # some good videos have no picture
        places = locate_pictures(source, exactly=True)
        rows = read_outcomes(last, sources, places.select("video").unique())
        made = make_thumbnails(choose_rows(keep_pictured(rows, places), max_count), places, last)
    return made


def find_pictured(steps: Sequence[Step]) -> tuple[Step | None, Step | None]:
    """The last step with rows of clips (else of videos) that have pictures, and the step that gives these."""
    with_spans = [s.plan.key for step in reversed(steps) for s in lineage(step) if "start_s" in s.plan.gives]
    for key in dict.fromkeys([*with_spans, "video_id"]):
        own = (s for s in reversed(steps) if s.plan.key == key and {key, "video_id"} <= s.plan.gives.keys())
        last = next(own, None)
        source = next((s for s in lineage(last) if FRAMES in s.plan.tables), None) if last else None
        if source is not None and source.files(FRAMES):
            return last, source
    return None, None


def locate_pictures(source: Step, *, exactly: bool = False) -> pl.DataFrame:
    """In which `file` the pictures of each `video` (its hash) lie.

    Those of a good video are taken to be in the file beside that of its row, since to read that of all pictures takes
    a second a million; `exactly` does so.
    """
    if exactly or "video_id" not in source.plan.gives:
        pictures = scan_parts(source.files(FRAMES), "file").select(video=hashed("video_id"), file="file")
        return pictures.unique().collect(engine="streaming")
    beside = {str(source.paths.part(d.part)): str(source.paths.part(d.part, FRAMES)) for d in source.all_done()}
    rows = scan_parts(source.files(), "file")
    good = rows.filter(pl.col("error").is_null()) if "error" in source.plan.gives else rows
    places = good.select(video=hashed("video_id"), file="file").drop_nulls().collect(engine="streaming")
    pictured = {str(file) for file in source.files(FRAMES)}
    held = {file: other for file, other in beside.items() if other in pictured}
    return places.with_columns(pl.col("file").replace_strict(held, default=None, return_dtype=pl.String)).drop_nulls()


def keep_pictured(rows: pl.DataFrame, places: pl.DataFrame) -> pl.DataFrame:
    """The rows of these videos."""
    named = rows.with_columns(video=hashed("video_id"))
    return named.join(places, on="video", how="semi", maintain_order="left").drop("video")


def read_index(places: pl.DataFrame, videos: pl.Series) -> pl.DataFrame:
    """The key frames of these videos, each with the `file` in which it lies."""
    own = places.filter(pl.col("video").is_in(videos.hash().implode()))["file"].unique().sort().to_list()
    if not own:
        return pl.DataFrame(schema=INDEX)
    index = scan_parts(map(Path, own), "file").filter(pl.col("video_id").is_in(videos.implode()))
    return index.select([*INDEX]).collect(engine="streaming").sort([*INDEX])


def make_thumbnails(spans: pl.DataFrame, places: pl.DataFrame, last: Step) -> list[Thumbnail]:
    """A thumbnail per span: the key frame nearest to its middle, preferably inside it."""
    videos = spans["video_id"].unique()
    frames = read_index(places, videos)
    middle = (pl.col("start_s") + pl.col("end_s")) / 2
    outside = ~pl.col("time_s").is_between("start_s", "end_s")
    ends = (pl.col("time_s").min() + pl.col("time_s").max()) / 2
    best = (
        spans.join(frames, on="video_id", maintain_order="left_right")
        .with_columns(
            far=(pl.col("time_s") - middle.fill_null(ends.over("id"))).abs(), outside=outside.fill_null(value=False)
        )
        .sort("outside", "far", "shot", maintain_order=True)
        .unique("id", keep="first", maintain_order=True)
    )
    parts = [read_pictures(str(file[0]), rows) for file, rows in best.group_by("file")]
    if not parts:
        return []
    known = read_columns(last, ("title", "path", "url"), videos)
    torn, clips = read_torn(last, videos), read_clips(last, spans["id"])
    shown = spans.select("id").join(pl.concat(parts), on="id", maintain_order="left")
    return [
        Thumbnail(
            id=row["id"],
            title=row["title"] or "",
            place=redact(row["path"] or row["url"] or ""),
            source=redact(row["source"] or ""),
            reason=row["reason"],
            start_s=row["start_s"],
            end_s=row["end_s"],
            time_s=row["time_s"],
            torn=torn.get(row["video_id"], ""),
            clip=clips.get(row["id"], ""),
            uri=f"data:image/jpeg;base64,{b64encode(row['jpeg']).decode()}",
        )
        for row in shown.join(known, on="video_id", how="left", maintain_order="left").iter_rows(named=True)
    ]


def read_pictures(file: str, rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with their `jpeg`, read from one file; other pictures are not held in memory."""
    keys = ["video_id", "shot", "position"]
    needed = pl.col("video_id").is_in(rows["video_id"].unique().implode()) & pl.col("shot").is_in(
        rows["shot"].unique().implode()
    )
    pictures = pl.scan_parquet(file, glob=False).filter(needed).select(*keys, "jpeg").collect(engine="streaming")
    return rows.join(pictures.unique(keys), on=keys)


def read_torn(last: Step, videos: pl.Series) -> dict[str, str]:
    """What could not be read of those of these videos that are torn."""
    giver = next((s for s in lineage(last) if s.plan.gives.keys() >= NEEDED), None)
    rows = giver.scan() if giver else None
    if rows is None:
        return {}
    torn = rows.filter(pl.col("video_id").is_in(videos.implode()) & (HALF | DAMAGED))
    found = torn.select("video_id", "decode_errors", "coverage").collect(engine="streaming")
    return {video: describe_damage(errors, coverage) for video, errors, coverage in found.iter_rows()}


def describe_damage(errors: int | None, coverage: float | None) -> str:
    parts = [f"{errors:,} decode errors"] if errors else []
    return ", ".join([*parts, *([f"{coverage:.0%} read"] if coverage is not None and coverage < 1 else [])])


def read_clips(last: Step, ids: pl.Series) -> dict[str, str]:
    """The files that were cut of these rows, as links from a page in another step's folder."""
    own = {"clip_path", last.plan.key}
    giver = next((s for s in lineage(last) if own <= {*s.plan.gives} and s.plan.key == last.plan.key), None)
    rows = giver.scan() if giver else None
    if giver is None or rows is None:
        return {}
    found = rows.filter(pl.col(last.plan.key).is_in(ids.implode())).select(last.plan.key, "clip_path").drop_nulls()
    media = f"{giver.paths.media}/"
    return {
        name: f"../{quote(giver.name)}/media/{quote(path.removeprefix(media))}"
        for name, path in found.collect(engine="streaming").iter_rows()
        if path.startswith(media)
    }
