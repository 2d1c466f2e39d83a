"""Which frames belong to which item: those that were kept inside its span, or those at even times in it."""

from collections.abc import Iterator
from typing import cast

import polars as pl

from stages.core.schema.types import Row

SPAN = ("start_s", "end_s", "shot")  # of a clip
OF_JOBS = ("time_s", "row", "start_s", "end_s", "share")  # columns by which a worker finds a frame
JOB_FRAMES = 256  # that a worker gets at once: some seconds of work on a GPU


def choose_frames(items: pl.DataFrame, frames: pl.DataFrame, most: int | None) -> pl.DataFrame:
    """The kept frames of each item: `item` (its number), `number` (of the frame), `time_s`, `file`, `row`; in order.

    `items` have `video_id`, clips also `start_s` and `end_s`, perhaps `shot`; `frames` have `video_id`,
    `time_s`, `file`, `row`, perhaps `shot`. A clip in which no frame was kept has the one of its shot, else of its
    video, that is nearest to its middle. With `most`, so many at even distances.
    """
    own = items.with_row_index("item").select("item", "video_id", *(c for c in SPAN if c in items.columns))
    both = own.join(frames, on="video_id", suffix="_of_frame", maintain_order="left_right").sort(
        "item", "time_s", maintain_order=True
    )
    if "start_s" in own.columns:
        inside = both.filter(pl.col("time_s") >= pl.col("start_s"), pl.col("time_s") < pl.col("end_s"))
        other_shot = pl.lit(False)
        if {"shot", "shot_of_frame"} <= set(both.columns):
            other_shot = pl.col("shot") != pl.col("shot_of_frame")
        far_s = (pl.col("time_s") - (pl.col("start_s") + pl.col("end_s")) / 2).abs()
        nearest = (
            both.join(inside, on="item", how="anti")
            .with_columns(other_shot=other_shot.fill_null(True), far_s=far_s)
            .sort("item", "other_shot", "far_s", "time_s")
            .group_by("item", maintain_order=True)
            .first()
        )
        both = pl.concat([part.select("item", "time_s", "file", "row") for part in (inside, nearest)])
        both = both.sort("item", "time_s", maintain_order=True)
    numbered = both.select("item", "time_s", "file", "row").with_columns(
        number=pl.int_range(pl.len()).over("item"), count=pl.len().over("item")
    )
    if most is not None:
        numbered = numbered.filter(_is_even(most)).with_columns(number=pl.int_range(pl.len()).over("item"))
    return numbered.drop("count")


def _is_even(most: int) -> pl.Expr:
    """Whether a frame is one of `most` at even distances, the first and the last among them; of one, the middle."""
    number, count = pl.col("number"), pl.col("count")
    if most == 1:
        return number == count // 2
    step = (pl.col("count") - 1) / (most - 1)
    nearest = (number / step).round()
    return (count <= most) | ((nearest * step).round() == number)


def spread_frames(items: pl.DataFrame, count: int) -> pl.DataFrame:
    """`count` frames of each item's video, in the middles of as many equal parts of its span.

    As `choose_frames`, but with `start_s`, `end_s` (null: of the whole video) and `share` (of the way) for `row`, and
    no `time_s`. `items` have `path`, clips also `start_s` and `end_s`. Those without a path, or with a time that is not
    finite, are left out.
    """
    span = [pl.col(name) if name in items.columns else pl.lit(None, pl.Float64()).alias(name) for name in SPAN[:2]]
    numbers = pl.DataFrame({"number": range(count)}).with_columns(share=(pl.col("number") + 0.5) / count)
    own = items.with_row_index("item").select("item", pl.col("path").alias("file"), *span)
    known = pl.all_horizontal(pl.col(name).is_finite() | pl.col(name).is_null() for name in SPAN[:2])
    own = own.filter(pl.col("file") != "", known)
    return own.join(numbers, how="cross", maintain_order="left_right").with_columns(time_s=pl.lit(None, pl.Float64()))


def make_jobs(frames: pl.DataFrame, side_px: int, size: int = JOB_FRAMES) -> Iterator[Row]:
    """What workers get: `name`, `file`, `columns` of its frames in order, `places`: which of `frames` these are."""
    order = ["row"] if "row" in frames.columns else ["start_s", "share"]
    for (file,), own in frames.with_row_index("place").group_by("file", maintain_order=True):
        ordered = own.sort(order)
        for at in range(0, len(ordered), size):
            part = ordered[at : at + size]
            columns = part.select(name for name in OF_JOBS if name in part.columns).to_dict(as_series=False)
            name, places = f"{len(part)} frames of {file}", part["place"].to_list()
            yield {"name": name, "file": file, "side_px": side_px, "columns": [*columns], "places": places, **columns}


def split_job(job: Row) -> Iterator[Row]:
    """A job for each of its frames."""
    columns = {name: cast(list[object], job[name]) for name in ("places", *cast(list[str], job["columns"]))}
    for number in range(len(columns["places"])):
        yield {**job, "name": f"frame {number} of {job['name']}", **{n: [v[number]] for n, v in columns.items()}}
