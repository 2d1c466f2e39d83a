"""Pictures of rows: key frames that analyze kept (else sync frames of skim), small enough for a page of many."""

from base64 import b64encode
from io import BytesIO
from typing import NamedTuple

import polars as pl
from PIL import Image

from scripts.tune.scores import Scores
from slurm.record.manifest import Step, steps

TABLES = ("key_frames", "sync_frames")
EACH = 3  # pictures a row
SIDE_PX = 224


class Pictured(NamedTuple):
    """What a person sees of a row."""

    title: str  # of its video; "" if nobody knows it
    span: tuple[float, float] | None  # in its video, s
    uris: list[str]  # data:image/jpeg, in the order of time


def read_pictures(scores: Scores, near: pl.DataFrame) -> dict[str, Pictured]:
    """id → what is seen of each of these rows; of a clip those pictures that lie in it, else the nearest one."""
    base = scores.base
    there = [name for name in ("video_id", "start_s", "end_s") if find(base, name)]
    rows = near.select("id")
    for name in there:
        giver = find(base, name)
        assert giver is not None
        rows = with_column(rows, base, giver, name)
    spans = {row["id"]: (row["start_s"], row["end_s"]) for row in rows.to_dicts()} if "end_s" in there else {}
    if "video_id" not in rows.columns:
        return {key: Pictured("", None, []) for key in rows["id"]}
    titles = read_titles(base, rows["video_id"])
    frames = choose_frames(base, rows)
    uris: dict[str, list[str]] = {}
    for key, jpeg in frames:
        uris.setdefault(key, []).append(shrink(jpeg))
    found = {}
    for key, video in rows.select("id", "video_id").iter_rows():
        start_s, end_s = spans.get(key, (None, None))
        span = (start_s, end_s) if start_s is not None and end_s is not None else None
        found[key] = Pictured(titles.get(video, ""), span, uris.get(key, []))
    return found


def find(base: Step, column: str) -> Step | None:
    """The nearest step at or before the base that gives a column by the base's key, or by its video."""
    queue = [base]
    for here in queue:
        if column in here.plan.gives and here.plan.key in (base.plan.key, "video_id"):
            return here if column != "start_s" or here.plan.key == base.plan.key else None
        queue += [here.other(name) for name in here.plan.inputs if name not in {other.name for other in queue}]
    return None


def with_column(rows: pl.DataFrame, base: Step, giver: Step, column: str) -> pl.DataFrame:
    """The rows with a column of a step that has the base's key."""
    found = giver.scan()
    key = base.plan.key
    if found is None or key not in found.collect_schema():
        return rows.with_columns(pl.lit(None, pl.Float64).alias(column))
    if key == column:
        return rows.with_columns(pl.col("id").alias(column))
    picked = found.filter(pl.col(key).is_in(rows["id"].implode())).select(key, column).collect().unique(key)
    return rows.join(picked, left_on="id", right_on=key, how="left", maintain_order="left")


def read_titles(base: Step, videos: pl.Series) -> dict[str, str]:
    """The titles of these videos, as far as a step before knows them."""
    giver = find(base, "title")
    rows = giver.scan() if giver is not None else None
    if giver is None or rows is None or "video_id" not in rows.collect_schema():
        return {}
    known = rows.filter(pl.col("video_id").is_in(videos.implode())).select("video_id", "title").drop_nulls()
    return dict(known.collect().iter_rows())


def choose_frames(base: Step, rows: pl.DataFrame) -> list[tuple[str, bytes]]:
    """(id, JPEG) of up to EACH pictures a row, evenly over its span; none where no step of the run kept any."""
    found: list[tuple[str, bytes]] = []
    for table in TABLES:
        for name in steps(base.run):
            step = base.other(name)
            files = step.files(table) if table in step.plan.tables else []
            if files:
                found = chosen(files, rows)
            if found:
                return found
    return []


def chosen(files: list, rows: pl.DataFrame) -> list[tuple[str, bytes]]:  # type: ignore[type-arg]
    """As `choose_frames`, out of these files; the pictures are read only of those that are chosen."""
    index = pl.scan_parquet(files, glob=False, hive_partitioning=False, include_file_paths="file")
    index = index.select("video_id", "time_s", "file", row=pl.int_range(pl.len()).over("file"))
    frames = index.filter(pl.col("video_id").is_in(rows["video_id"].unique().implode())).collect()
    if "start_s" not in rows.columns:
        rows = rows.with_columns(start_s=pl.lit(None, pl.Float64), end_s=pl.lit(None, pl.Float64))
    both = rows.join(frames, on="video_id", maintain_order="left_right").sort("id", "time_s")
    inside = pl.col("time_s").is_between("start_s", "end_s", closed="left").fill_null(True)
    far = (pl.col("time_s") - (pl.col("start_s") + pl.col("end_s")) / 2).abs()
    both = both.with_columns(inside=inside, far=far)
    one = both.filter(~pl.col("inside").any().over("id")).sort("far").unique("id", keep="first", maintain_order=True)
    place, number = pl.int_range(pl.len()).over("id"), pl.len().over("id")
    within = both.filter("inside").with_columns(place=place, number=number)
    steps_of = pl.col("place") * EACH // pl.col("number")
    within = within.with_columns(third=steps_of).unique(["id", "third"], keep="first", maintain_order=True)
    wanted = pl.concat([one.select("id", "time_s", "file", "row"), within.select("id", "time_s", "file", "row")])
    found = []
    for (file,), own in wanted.group_by("file", maintain_order=True):
        numbers = own["row"].unique().sort()
        jpegs = pl.scan_parquet(str(file), glob=False).select("jpeg").with_row_index("row", 0)
        picked = jpegs.filter(pl.col("row").is_in(numbers.implode())).collect()
        found.append(own.join(picked.cast({"row": pl.Int64}), on="row", maintain_order="left"))
    table = (
        pl.concat(found).sort("id", "time_s") if found else pl.DataFrame(schema={"id": pl.String, "jpeg": pl.Binary})
    )
    return list(table.select("id", "jpeg").iter_rows())


def shrink(jpeg: bytes) -> str:
    """The picture as a data URI, its longer side SIDE_PX at most."""
    picture = Image.open(BytesIO(jpeg)).convert("RGB")
    picture.thumbnail((SIDE_PX, SIDE_PX))
    out = BytesIO()
    picture.save(out, "JPEG", quality=78)
    return f"data:image/jpeg;base64,{b64encode(out.getvalue()).decode()}"
