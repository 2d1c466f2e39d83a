"""Makes clips: spans of shots, neither too short nor too long, with the signals over them. Decodes nothing.

Reads analyze's tables `shots`, `changes`, `times` and `signals`; writes a row a clip (CLIP). A shot that is too short
is a row too, with its drop_reason.

    python -m stages.split run=NAME
    python -m stages.split -m run=NAME 'borders.cut=0.3,0.5,0.7'
"""

from collections.abc import Iterator, Mapping

import polars as pl
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from slurm.errors import InputError
from slurm.task.attempt import Output
from stages.core.command_line.start import main
from stages.core.runner.stage import Stage
from stages.core.runner.work import Rows
from stages.core.schema.clip import CLIP
from stages.core.schema.second import CLIP_SIGNALS
from stages.core.schema.types import FLAG, INT, REAL, Schema
from stages.core.timeline import clips as timeline

STRICT = ConfigDict(extra="forbid")
READS = ("shots", "changes", "times", "signals")  # analyze's tables
SPAN: Schema = {"start_frame": INT, "end_frame": INT, "start_s": REAL, "end_s": REAL}


@dataclass(frozen=True, config=STRICT)
class Borders:
    """Scores, 0 to 1, from which on a cut or a gradual transition is a border of shots; None: as analyze decided."""

    cut: float | None
    gradual: float | None


@dataclass(frozen=True, config=STRICT)
class Merge:
    """Adjacent shots are merged if the transition between them scores < `below` and they look alike; None: never.

    They look alike if their perceptual hashes differ in at most `bits` of 64 bits.
    """

    below: float | None
    bits: int


@dataclass(frozen=True, config=STRICT)
class Margin:
    """Frames that are trimmed on each side of a cut or a gradual transition; the latter's own frames always are."""

    cut: int
    gradual: int


@dataclass(frozen=True, config=STRICT)
class Config:
    """Values are in conf/stage/split.yaml."""

    min_s: float
    max_s: float
    margin_frames: Margin
    borders: Borders
    merge: Merge


def shots_between(changes: pl.DataFrame, shots: pl.DataFrame, config: Config) -> pl.DataFrame:
    """The shots between the transitions that `config` takes for borders: `video` and SPAN, in order.

    `changes` and `shots` are analyze's tables with `video`. Frames of a gradual transition belong to no shot, and a cut
    among them is not a border.
    """
    least = {"cut": config.borders.cut, "gradual": config.borders.gradual}
    counts = [
        (pl.col("kind") == kind) & (pl.col("taken") if score is None else pl.col("score") >= score)
        for kind, score in least.items()
    ]
    unlike = (pl.col("hash") ^ pl.col("hash").shift(1).over("video")).bitwise_count_ones()
    merged = shots.filter(pl.col("start_score") < (config.merge.below or 0), unlike <= config.merge.bits)
    borders = changes.filter(pl.any_horizontal(counts)).join(
        merged, left_on=["video", "end_frame"], right_on=["video", "start_frame"], how="anti"
    )
    whole = shots.group_by("video", maintain_order=True).agg(
        pl.col("start_frame", "start_s").first(), pl.col("end_frame", "end_s").last()
    )
    begin = whole.with_columns(end_frame="start_frame", end_s="start_s")
    end = whole.with_columns(start_frame="end_frame", start_s="end_s")
    return (
        pl.concat([edges.select("video", *SPAN) for edges in (begin, borders, end)])
        .sort("video", "start_frame", maintain_order=True)
        .select(
            "video",
            start_frame=pl.col("end_frame").cum_max().over("video"),
            end_frame=pl.col("start_frame").shift(-1).over("video"),
            start_s=pl.col("end_s").cum_max().over("video"),
            end_s=pl.col("start_s").shift(-1).over("video"),
        )
        .filter(pl.col("end_frame") > pl.col("start_frame"))
    )


def with_signals(clips: pl.DataFrame, signals: pl.DataFrame) -> pl.DataFrame:
    """The clips with a list of values for each of CLIP_SIGNALS: those of the clip's seconds that are not null.

    A clip's seconds are those of which at least half lies in it; without any, the one that contains its middle.
    """
    start, end = pl.col("start_s").round(3), pl.col("end_s").round(3)
    middle = ((start + end) / 2).floor()
    first, last = pl.min_horizontal((start - 0.5).ceil(), middle), pl.max_horizontal((end - 0.5).floor(), middle)
    seconds = pl.int_ranges(first.cast(INT), last.cast(INT) + 1)
    found = (
        clips.select("video", clip=pl.int_range(pl.len()), second=seconds)
        .explode("second")
        .join(signals.select("video", "second", *CLIP_SIGNALS), ["video", "second"], "left", maintain_order="left")
        .group_by("clip", maintain_order=True)
        .agg(pl.col(name).drop_nulls().cast(pl.Float32) for name in CLIP_SIGNALS)
    )
    return clips.with_columns(found.drop("clip"))


def make_clips(videos: pl.DataFrame, tables: Mapping[str, pl.DataFrame], config: Config) -> pl.DataFrame:
    """The rows of CLIP, in the order of `videos` (`video_id`, `fps`) and of time; `tables` are those of READS."""
    numbered = videos.select("video_id", "fps").with_row_index("video")
    shots, changes, times, signals = (
        tables[name].join(numbered, on="video_id", maintain_order="left") for name in READS
    )
    stored = {video: row for row, video in enumerate(times["video"])}
    number, margin = numbered.schema["video"], config.margin_frames
    made = [pl.DataFrame(schema={"video": number, **SPAN, "short": FLAG})]
    for (video,), own in shots_between(changes, shots, config).group_by("video", maintain_order=True):
        arrays = timeline.Shots(*(own[column].to_numpy() for column in SPAN))
        if (row := stored.get(video)) is None:
            clock = timeline.even_clock(arrays, numbered["fps"][video])
        else:
            clock = timeline.stored_clock(arrays, times["first_us"][row], times["steps_us"][row].to_numpy())
        clips = timeline.make_clips(
            arrays, clock, at_cut=margin.cut, at_gradual=margin.gradual, max_s=config.max_s
        )._asdict()
        made.append(pl.DataFrame({"video": pl.repeat(video, len(clips["short"]), dtype=number, eager=True), **clips}))
    duration_s = pl.col("end_s") - pl.col("start_s")
    too_short = pl.col("short") | (duration_s < config.min_s - timeline.SAME_S)
    return (
        with_signals(pl.concat(made), signals)
        .join(numbered, on="video", maintain_order="left")
        .join_asof(shots.select("video", "shot", "start_frame"), on="start_frame", by="video", check_sortedness=False)
        .with_columns(
            clip_id=pl.format("{}_{}_{}", "video_id", "start_frame", "end_frame"),
            duration_s=duration_s,
            drop_reason=pl.when(too_short).then(pl.lit("too_short")),
        )
        .select(*CLIP)
    )


def check(config: Config) -> None:
    """Raises InputError, which names the key, for a value out of its range."""
    if not (0 <= config.min_s <= config.max_s and config.max_s > 0):
        raise InputError(f"min_s={config.min_s} max_s={config.max_s}: say 0 <= min_s <= max_s, and a max_s above 0")
    margin, borders, merge = config.margin_frames, config.borders, config.merge
    for key, frames in {"margin_frames.cut": margin.cut, "margin_frames.gradual": margin.gradual}.items():
        if frames < 0:
            raise InputError(f"{key}={frames} is below 0")
    scores = {"borders.cut": borders.cut, "borders.gradual": borders.gradual, "merge.below": merge.below}
    for key, score in scores.items():
        if score is not None and not 0 <= score <= 1:
            raise InputError(f"{key}={score} is no score: they are from 0 to 1")
    if not 0 <= merge.bits <= 64:
        raise InputError(f"merge.bits={merge.bits} is not from 0 to 64, the bits of a hash")


def run(rows: Rows, config: Config) -> Iterator[Output]:
    tables = {name: rows.side(name) for name in READS}
    yield from rows.whole({"rows": make_clips(rows.table, tables, config)})


STAGE = Stage(
    name="split",
    kind="map",
    config=Config,
    run=run,
    gives=CLIP,
    needs=("fps",),
    reads=READS,
    key="clip_id",
    check=check,
    version=2,
)

if __name__ == "__main__":
    main(STAGE)
