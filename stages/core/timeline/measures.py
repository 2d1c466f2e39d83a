"""What `analyze` measured, by clip: lists of its seconds' values, the camera's move, and changes that lie within."""

import polars as pl

from stages.core.schema.second import CLIP_SIGNALS
from stages.core.schema.types import INT, REAL
from stages.core.timeline.camera import name_move

PROOF = {"cut": "cut_score_max", "gradual": "gradual_score_max", "merged": "merged_unlike"}


def with_signals(clips: pl.DataFrame, signals: pl.DataFrame) -> pl.DataFrame:
    """The clips with `camera_move`, and a list for each of CLIP_SIGNALS: its seconds' values that are not null.

    A clip's seconds are those of which at least half lies in it; without any, the one that contains its middle. Signals
    that an older `analyze` did not give have no values.
    """
    start, end = pl.col("start_s").round(3), pl.col("end_s").round(3)
    middle = ((start + end) / 2).floor()
    first, last = pl.min_horizontal((start - 0.5).ceil(), middle), pl.max_horizontal((end - 0.5).floor(), middle)
    missing = [pl.lit(None, REAL).alias(name) for name in CLIP_SIGNALS if name not in signals.columns]
    given = signals.with_columns(missing).select("video", "second", *CLIP_SIGNALS)
    found = (
        clips.select(
            "video",
            clip=pl.int_range(pl.len()),
            second=pl.int_ranges(first.cast(INT), last.cast(INT) + 1),
            start=start,
            end=end,
        )
        .explode("second")
        .join(given, ["video", "second"], "left", maintain_order="left")
        .group_by("clip", maintain_order=True)
        .agg(
            *(pl.col(name).drop_nulls().cast(pl.Float32) for name in CLIP_SIGNALS),
            camera_move=name_move((pl.col("second") >= pl.col("start")) & (pl.col("second") + 1 <= pl.col("end"))),
        )
    )
    return clips.with_columns(found.drop("clip"))


def with_proof(clips: pl.DataFrame, changes: pl.DataFrame, merged: pl.DataFrame) -> pl.DataFrame:
    """The clips with the largest scores of changes within them, 0 if analyze saw none, and `merged_unlike`.

    A cut before a clip's first frame is not within it, nor is a gradual transition that ends there.
    """
    numbered = clips.with_row_index("clip")
    own = numbered.select("clip", "video", first="start_frame", behind="end_frame")
    of_merged = merged.select("video", "start_frame", "end_frame", kind=pl.lit("merged"), score="unlike")
    both = pl.concat([changes.select(of_merged.columns), of_merged]).join(own, on="video")
    is_cut = pl.col("start_frame") == pl.col("end_frame")
    within = (pl.col("start_frame") < pl.col("behind")) & (pl.col("end_frame") > pl.col("first"))
    found = both.filter(within & (~is_cut | (pl.col("start_frame") > pl.col("first"))))
    most = found.group_by("clip").agg(
        *(pl.col("score").filter(pl.col("kind") == kind).max().alias(name) for kind, name in PROOF.items())
    )
    filled = [pl.col(name).fill_null(0.0) for kind, name in PROOF.items() if kind != "merged"]
    return numbered.join(most, on="clip", how="left", maintain_order="left").with_columns(filled).drop("clip")
