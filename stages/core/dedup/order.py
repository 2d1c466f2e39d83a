"""Which of two rows is the better one."""

from collections.abc import Mapping, Sequence

import polars as pl

from stages.core.dedup.settings import Quality

TAKES = ("bytes", "fps", "frames", "bits_per_s", "width_px", "height_px", "upload_date", "duration_s")  # columns


def order_rows(items: pl.DataFrame, prefer: Sequence[Quality]) -> pl.DataFrame:
    """The items, best first; those that are equal, or of which too little is known, by `id`.

    Each quality decides where those before it are equal: more seconds, more pixels, more bits a second of the whole
    file, an earlier upload. Not known is worst.
    """
    columns = {name: pl.col(name) if name in items.columns else pl.lit(None) for name in TAKES}
    keys = [quality_of(one, columns).alias(f"by:{one}") for one in prefer]
    named = [f"by:{one}" for one in prefer]
    ordered = items.with_columns(keys).sort(
        *named, "id", descending=[one != "age" for one in prefer] + [False], nulls_last=True
    )
    return ordered.drop(named)


def quality_of(quality: Quality, columns: Mapping[str, pl.Expr]) -> pl.Expr:
    if quality == "length":
        return columns["duration_s"].cast(pl.Float64)
    if quality == "resolution":
        return columns["width_px"].cast(pl.Int64) * columns["height_px"].cast(pl.Int64)
    if quality == "age":
        return columns["upload_date"].cast(pl.Date)
    seconds = columns["frames"].cast(pl.Float64) / columns["fps"].cast(pl.Float64)  # of the file, not of a clip
    by_size = pl.when(seconds > 0).then(columns["bytes"].cast(pl.Float64) * 8 / seconds)
    return pl.coalesce(columns["bits_per_s"].cast(pl.Float64), by_size)
