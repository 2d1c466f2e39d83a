"""Clips: spans of shots, long enough and no longer than allowed, with the signals over them. Decodes nothing.

Reads analyze's tables `shots` and `signals`; writes a row a clip (CLIP). A shot that is too short is a row too, with
its drop_reason. Frames within a shot are taken to be evenly spaced where a long shot is cut into parts.

    python -m stages.split run=NAME
"""

import math
from collections.abc import Iterator
from itertools import pairwise

import polars as pl
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from slurm.attempt import Output
from stages.core.schema import CLIP, Row
from stages.core.stage import Stage, main
from stages.core.work import Rows

SIGNALS = ("motion", "luma", "sharpness", "frozen")


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Config:
    min_s: float
    max_s: float


def clips_of_shot(
    video_id: str, shot: int, frames: tuple[int, int], times_s: tuple[float, float], config: Config
) -> list[Row]:
    """The shot's equal parts of at most max_s; frames and times are [start, end). One part if it is too short."""
    length_s = times_s[1] - times_s[0]
    parts = max(1, math.ceil(length_s / config.max_s - 1e-9))
    borders = [frames[0] + round((frames[1] - frames[0]) * i / parts) for i in range(parts + 1)]
    per_frame_s = length_s / (frames[1] - frames[0])
    at = [times_s[0] + (frame - frames[0]) * per_frame_s for frame in borders]
    return [
        {
            "clip_id": f"{video_id}_{first}_{last}",
            "video_id": video_id,
            "shot": shot,
            "start_s": start_s,
            "end_s": end_s,
            "duration_s": end_s - start_s,
            "drop_reason": "too_short" if end_s - start_s < config.min_s else None,
        }
        for (first, last), (start_s, end_s) in zip(pairwise(borders), pairwise(at), strict=True)
    ]


def with_signals(clips: pl.DataFrame, signals: pl.DataFrame) -> pl.DataFrame:
    """The clips with lists of the per-second signals whose second lies in the clip, or begins in it."""
    first, last = pl.col("start_s").round(3).floor().cast(pl.Int64), pl.col("end_s").round(3).ceil().cast(pl.Int64)
    seconds = clips.select("clip_id", "video_id", second=pl.int_ranges(first, pl.max_horizontal(last, first + 1)))
    found = (
        seconds.explode("second")
        .join(signals.select("video_id", "second", *SIGNALS), on=["video_id", "second"], maintain_order="left")
        .group_by("clip_id", maintain_order=True)
        .agg(pl.col(name).drop_nulls().cast(pl.Float32) for name in SIGNALS)
    )
    return clips.drop(SIGNALS).join(found, on="clip_id", how="left", maintain_order="left")


def run(rows: Rows, config: Config) -> Iterator[Output]:
    shots = rows.side("shots").join(rows.table.select("video_id", "fps"), on="video_id", maintain_order="left")
    made = [
        {**clip, "fps": shot["fps"]}
        for shot in shots.iter_rows(named=True)
        for clip in clips_of_shot(
            shot["video_id"],
            shot["shot"],
            (shot["start_frame"], shot["end_frame"]),
            (shot["start_s"], shot["end_s"]),
            config,
        )
    ]
    clips = with_signals(pl.DataFrame(made, schema=CLIP), rows.side("signals"))
    yield from rows.whole({"rows": clips})


STAGE = Stage(
    name="split",
    kind="map",
    config=Config,
    run=run,
    gives=CLIP,
    needs=("fps",),
    reads=("shots", "signals"),
    key="clip_id",
)

if __name__ == "__main__":
    main(STAGE)
