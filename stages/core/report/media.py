"""What the videos of a step are: their codecs, sizes, frame rates, lengths, sound, and how many are torn."""

from math import inf
from typing import NamedTuple

import polars as pl

from slurm.record.manifest import Step

NEEDED = {"codec", "width_px", "height_px", "fps", "duration_s", "has_audio", "decode_errors", "coverage"}
MOST = 6  # values of each that are shown
LENGTHS_S = {"under 10 s": 10, "10 s to 1 min": 60, "1 to 10 min": 600, "10 min to 1 h": 3600, "over 1 h": inf}
WHOLE = 0.995  # coverage from which on a video counts as read to its end: lengths in headers are rounded


class Media(NamedTuple):
    """`tables`: what is counted → (value, videos), most frequent first, those of lengths in their order."""

    step: Step
    videos: int
    tables: dict[str, list[tuple[str, int]]]


def describe_media(step: Step) -> Media | None:
    """What the good videos of a step are; None if it does not tell."""
    rows = step.scan() if step.plan.gives.keys() >= NEEDED else None
    if rows is None:
        return None
    size, duration_s = pl.format("{} x {}", "width_px", "height_px"), pl.col("duration_s").cast(pl.Float64)
    lengths = (pl.when(duration_s < below_s).then(pl.lit(name)) for name, below_s in LENGTHS_S.items())
    told = {
        "codec": pl.col("codec"),
        "size": size,
        "frames a second": pl.col("fps").cast(pl.Float64).round(3).cast(pl.String),
        "length": pl.coalesce(lengths),
        "sound": pl.when("has_audio").then(pl.lit("with sound")).otherwise(pl.lit("without")),
        "read": pl.when(pl.col("coverage") < WHOLE)
        .then(pl.lit("torn: not to its end"))
        .when(pl.col("decode_errors") > 0)
        .then(pl.lit("with decode errors"))
        .otherwise(pl.lit("whole")),
    }
    good = rows.filter(pl.col("error").is_null()).select(**told).collect()
    return Media(step, len(good), {what: count(good[what]) for what in told}) if len(good) else None


def count(values: pl.Series) -> list[tuple[str, int]]:
    """The values with their numbers, the most frequent first, the last of many being all others."""
    found = values.fill_null("unknown").value_counts().sort("count", values.name, descending=[True, False]).rows()
    if values.name == "length":
        order = [*LENGTHS_S, "unknown"]
        found.sort(key=lambda row: order.index(row[0]))
    if len(found) <= MOST:
        return found
    rest = found[MOST - 1 :]
    return [*found[: MOST - 1], (f"{len(rest)} others", sum(number for _, number in rest))]
