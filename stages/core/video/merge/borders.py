"""Finds the borders of shots that are none: the frames beside them show one take that goes on."""

import polars as pl

from stages.core.schema.video import MIXED
from stages.core.video.merge.beside import is_plain, read_pictures, unlikeness
from stages.core.video.read.frames import Image

SAME_S = 0.0005  # as far as times that are equal may differ
BESIDE = {"before": "last", "between": "middle", "after": "first"}  # which key frame of a shot is looked at


def find_merged(
    shots: pl.DataFrame, places: pl.DataFrame, below: float | None, unlike: float, flash_s: float | None
) -> pl.DataFrame:
    """The shots that begin at no border: `video_id`, `shot`, and `unlike` of the frames that were compared.

    Borders that score less than `below` are looked at, and plain shots of at most `flash_s`; the frames there may
    differ in the share `unlike` of the picture. `shots` is analyze's table, `places` tells where its key frames lie:
    `video_id`, `shot`, `position`, `file`, `row`.
    """
    wanted = borders_to_compare(shots, below, flash_s)
    pictures = {column: _pictures(wanted.select("video_id", shot=column), places, BESIDE[column]) for column in BESIDE}
    sides = zip(pictures["before"], pictures["after"], wanted["at_cut"], strict=True)
    compared = wanted.with_columns(
        unlike=pl.Series([unlikeness(last, first, at_cut=at_cut) for last, first, at_cut in sides], dtype=pl.Float64),
        plain=pl.Series([is_plain(picture) for picture in pictures["between"]], dtype=pl.Boolean),
    )
    found = compared.filter(pl.col("between").is_null() | pl.col("plain"), pl.col("unlike") <= unlike)
    begun = [found.select("video_id", shot=column, unlike="unlike") for column in ("between", "after")]
    return pl.concat(begun).drop_nulls().group_by("video_id", "shot", maintain_order=True).agg(pl.col("unlike").min())


def borders_to_compare(shots: pl.DataFrame, below: float | None, flash_s: float | None) -> pl.DataFrame:
    """Where shots may be merged: `video_id`, the shots `before` and `after`, and `between` if that may be a flash.

    `at_cut` is whether a cut alone parts the two.
    """
    last, last_but_one = (pl.col("shot").shift(n).over("video_id") for n in (1, 2))
    no_shot = pl.lit(None, pl.Int64)
    pairs = shots.with_columns(before=last, between=no_shot, after="shot").filter(pl.col("start_score") < (below or 0))
    lasts_s = (pl.col("end_s") - pl.col("start_s")).shift(1).over("video_id")
    flashes = shots.with_columns(before=last_but_one, between=last, after="shot").filter(
        lasts_s <= (-1.0 if flash_s is None else flash_s + SAME_S)
    )
    between = pl.col("start_frame") - pl.col("end_frame").shift(1).over("video_id")
    adjoins = (between <= MIXED).fill_null(False)
    is_cut = shots.select("video_id", after="shot", at_cut=adjoins)
    both = pl.concat([pairs, flashes]).drop_nulls("before").select("video_id", "before", "between", "after")
    found = both.join(is_cut, ["video_id", "after"], "left", maintain_order="left")
    return found.with_columns(at_cut=pl.col("at_cut") & pl.col("between").is_null())


def _pictures(shots: pl.DataFrame, places: pl.DataFrame, position: str) -> list[Image | None]:
    """The key frame at this position of each of these shots; None of no shot, or where there is none."""
    own = places.filter(pl.col("position") == position).unique(["video_id", "shot"], keep="first")
    at = shots.join(own, ["video_id", "shot"], "left", maintain_order="left")
    read = read_pictures(at.drop_nulls())
    return [next(read) if there else None for there in at["row"].is_not_null()]
