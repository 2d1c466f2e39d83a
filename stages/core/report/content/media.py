"""What the videos of a step are: their codecs, sizes, frame rates, lengths, sound, and which are torn."""

from math import inf
from typing import NamedTuple

import polars as pl

from slurm.credentials import redact
from slurm.record.manifest import Step
from stages.core.report.content.sample import read_columns

NEEDED = {"codec", "width_px", "height_px", "fps", "duration_s", "has_audio", "decode_errors", "coverage"}
MOST = 6  # values of each that are shown
MOST_TORN = 50  # torn videos that are listed
LENGTHS_S = {"under 10 s": 10, "10 s to 1 min": 60, "1 to 10 min": 600, "10 min to 1 h": 3600, "over 1 h": inf}
WHOLE = 0.995  # coverage from which on a video counts as read to its end: lengths in headers are rounded
DYNAMICS = {"smpte2084": "HDR (PQ)", "arib-std-b67": "HDR (HLG)"}
HALF = (pl.col("coverage") < WHOLE).fill_null(value=False)
DAMAGED = (pl.col("decode_errors") > 0).fill_null(value=False)


class Media(NamedTuple):
    """`tables`: what is counted → (value, videos), most frequent first, those of lengths in their order."""

    step: Step
    videos: int
    tables: dict[str, list[tuple[str, int]]]
    torn: list[tuple[str, str, int | None, float | None]]  # id, path, decode errors, coverage; the worst first
    torn_in_all: int


def describe_media(step: Step) -> Media | None:
    """What the good videos of a step are; None if it does not tell."""
    videos_of = step.scan() if step.plan.gives.keys() >= NEEDED else None
    if videos_of is None:
        return None
    size, duration_s = pl.format("{} x {}", "width_px", "height_px"), pl.col("duration_s").cast(pl.Float64)
    lengths = (pl.when(duration_s < below_s).then(pl.lit(name)) for name, below_s in LENGTHS_S.items())
    counted = {
        "codec": pl.col("codec"),
        "size": size,
        "frames a second": pl.col("fps").cast(pl.Float64).round(3).cast(pl.String),
        "length": pl.coalesce(lengths),
        "sound": pl.when("has_audio").then(pl.lit("with sound")).when(~pl.col("has_audio")).then(pl.lit("without")),
        "read": pl.when(HALF)
        .then(pl.lit("torn: not to its end"))
        .when(DAMAGED)
        .then(pl.lit("with decode errors"))
        .otherwise(pl.lit("whole")),
    }
    if "transfer" in step.plan.gives:
        counted["light"] = pl.col("transfer").replace_strict(DYNAMICS, default="SDR, or not declared")
    good = videos_of.filter(pl.col("error").is_null())
    lazy = [good.group_by(value=of.alias("value")).len("videos") for of in counted.values()]
    tables = {
        what: order(what, found) for what, found in zip(counted, pl.collect_all(lazy, engine="streaming"), strict=True)
    }
    videos = sum(number for _, number in tables["read"])
    torn = good.filter(HALF | DAMAGED).select("video_id", "decode_errors", "coverage")
    listed = torn.sort("coverage", "decode_errors", "video_id", descending=[False, True, False], nulls_last=True)
    in_all = sum(number for value, number in tables["read"] if value != "whole")
    worst = listed.head(MOST_TORN).collect()
    worst = worst.join(
        read_columns(step, ("path", "url"), worst["video_id"]), on="video_id", how="left", maintain_order="left"
    )
    place = pl.coalesce("path", "url", pl.lit(""))
    rows = worst.select("video_id", place, "decode_errors", "coverage").rows()
    named = [(video, redact(path), errors, coverage) for video, path, errors, coverage in rows]
    return Media(step, videos, tables, named, in_all) if videos else None


def order(what: str, counted: pl.DataFrame) -> list[tuple[str, int]]:
    """The values with their numbers, the most frequent first, the last of many being all others."""
    known = counted.with_columns(pl.col("value").fill_null("unknown"))
    found = known.sort("videos", "value", descending=[True, False]).rows()
    if what == "length":
        lengths = [*LENGTHS_S, "unknown"]
        found.sort(key=lambda row: lengths.index(row[0]))
    if len(found) <= MOST:
        return found
    rest = found[MOST - 1 :]
    return [*found[: MOST - 1], (f"{len(rest)} others", sum(number for _, number in rest))]
