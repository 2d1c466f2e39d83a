"""Lays spans that a catalogue names, in seconds of the whole video, on the frames of the file that there is of it."""

from collections.abc import Iterable
from typing import Literal, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from stages.core.schema.clip import OF_SPAN, SPAN
from stages.core.schema.types import FLAG, REAL, Schema
from stages.core.timeline.clips import Clock, Frames, Seconds, Shots, margins_between

CutInside = Literal["keep", "trim", "drop"]
LAID: Schema = {**SPAN, "border_inside": FLAG, "outside_s": REAL}


class Laid(NamedTuple):
    """Spans of a video as frames [start_frame, end_frame), with their times; [spans] each.

    `border_inside`: a border of shots lies in what was asked for. `outside_s`: so much of it is before the video's
    first frame and behind its last one; a span that is outside as a whole has no frame.
    """

    start_frame: Frames
    end_frame: Frames
    start_s: Seconds
    end_s: Seconds
    border_inside: NDArray[np.bool_]
    outside_s: Seconds


def place_spans(spans: pl.DataFrame, videos: pl.DataFrame) -> pl.DataFrame:
    """The spans (SPANS) of these videos (`video`, `video_id`, maybe `offset_s`): `video`, `clip_id`, OF_SPAN.

    A span's id is its clip's; behind that of the video where it does not begin with it, and the number of the span in
    its video where it has none: ids of clips are those of one clip in the whole run.
    """
    span, video = pl.col("span_id"), pl.col("video_id")
    names_video = (span == video) | span.str.starts_with(video + ".") | span.str.starts_with(video + "_")
    numbered = pl.format("span{}", pl.int_range(pl.len()).over("video"))
    return spans.join(videos, on="video_id").select(
        "video",
        pl.col("offset_s").fill_null(0.0) if "offset_s" in videos.columns else pl.lit(0.0).alias("offset_s"),
        pl.when(names_video).then(span).otherwise(video + "." + span.fill_null(numbered)).alias("clip_id"),
        *(pl.col(name) for name in OF_SPAN if name in spans.columns),
        span_source="source",
        span_start_s="start_s",
        span_end_s="end_s",
    )


def clips_of_spans(
    placed: pl.DataFrame,
    clocks: Iterable[tuple[int, Shots, Clock]],
    *,
    cut_inside: CutInside,
    at_cut: int,
    at_gradual: int,
) -> pl.DataFrame:
    """The spans as `place_spans` gives them with SPAN, `border_inside` and `outside_s`, by video and time."""
    made = [placed.clear().with_columns(pl.Series(name, [], kind) for name, kind in LAID.items())]
    for video, shots, clock in clocks:
        own = placed.filter(pl.col("video") == video)
        first_s, last_s = (own[name].to_numpy() - own["offset_s"].to_numpy() for name in ("span_start_s", "span_end_s"))
        laid = lay_spans(first_s, last_s, shots, clock, trim=cut_inside == "trim", at_cut=at_cut, at_gradual=at_gradual)
        made.append(own.with_columns(pl.Series(name, column, LAID[name]) for name, column in laid._asdict().items()))
    return pl.concat(made).sort("video", "start_frame", maintain_order=True)


def lay_spans(
    start_s: Seconds, end_s: Seconds, shots: Shots, clock: Clock, *, trim: bool, at_cut: int, at_gradual: int
) -> Laid:
    """The spans from their nearest frame on to their nearest frame; what is outside of the video is left off.

    With `trim`, the longest part between the borders of shots inside, without `at_cut`/`at_gradual` frames on the side
    of a border.
    """
    first, end = (np.rint(np.interp(at_s, clock.at_s, clock.frames)).astype(np.int64) for at_s in (start_s, end_s))
    shot = np.searchsorted(shots.end_frame, first, side="right").clip(max=len(shots.end_frame) - 1)
    parted = (first < end) & ((shots.start_frame[shot] > first) | (shots.end_frame[shot] < end))
    for span in np.flatnonzero(parted) if trim else ():
        first[span], end[span] = longest_part(first[span], end[span], shots, at_cut=at_cut, at_gradual=at_gradual)
    outside_s = (shots.start_s[0] - start_s).clip(min=0) + (end_s - shots.end_s[-1]).clip(min=0)
    return Laid(first, end, np.interp(first, *clock), np.interp(end, *clock), parted, outside_s)


def longest_part(first: int, end: int, shots: Shots, *, at_cut: int, at_gradual: int) -> tuple[int, int]:
    """The longest run of frames in [first, end) that is of one shot, without margins; all of it where none is left."""
    margin = margins_between(shots, at_cut=at_cut, at_gradual=at_gradual)
    before, behind = np.append(0, margin), np.append(margin, 0)
    starts = np.where(shots.start_frame > first, shots.start_frame + before, first)
    ends = np.where(shots.end_frame < end, shots.end_frame - behind, end)
    most = int(np.argmax(ends - starts))
    return (int(starts[most]), int(ends[most])) if ends[most] > starts[most] else (first, end)
