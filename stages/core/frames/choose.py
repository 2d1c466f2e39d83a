"""Which frames belong to which item: those that were kept inside its span."""

from collections.abc import Iterator
from typing import cast

import polars as pl

from stages.core.schema.types import Row

SPAN = ("start_s", "end_s", "shot")  # of a clip
JOB_FRAMES = 256  # that a worker gets at once: some seconds of work on a GPU


def choose_frames(items: pl.DataFrame, frames: pl.DataFrame, most: int | None) -> pl.DataFrame:
    """The frames of each item: `item` (its number), `number` (of the frame in it), `time_s`, `file`, `row`; in order.

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


def make_jobs(frames: pl.DataFrame, size: int = JOB_FRAMES) -> Iterator[Row]:
    """What workers get: `name`, `file`, `rows` in it in order, and `places`, which of `frames` these are."""
    for (file,), own in frames.with_row_index("place").group_by("file", maintain_order=True):
        ordered = own.sort("row")
        for at in range(0, len(ordered), size):
            part = ordered[at : at + size]
            yield _job(str(file), part["row"].to_list(), part["place"].to_list())


def split_job(job: Row) -> Iterator[Row]:
    """A job for each of its frames."""
    for row, place in zip(cast(list[int], job["rows"]), cast(list[int], job["places"]), strict=True):
        yield _job(str(job["file"]), [row], [place])


def _job(file: str, rows: list[int], places: list[int]) -> Row:
    return {"name": f"{len(rows)} frames from {rows[0]} on in {file}", "file": file, "rows": rows, "places": places}
