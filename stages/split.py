"""Makes clips: spans of shots, neither too short nor too long, with the signals over them. Decodes no video.

Reads analyze's tables `shots`, `changes`, `times` and `signals`, and where shots are merged the `key_frames` beside
their borders; writes a row a clip (CLIP). A shot that is too short is a row too, with its drop_reason.

    python -m stages.split run=NAME
    python -m stages.split -m run=NAME 'borders.cut=0.3,0.5,0.7'
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict

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
from stages.core.schema.types import FLAG, INT, REAL, TEXT, Schema
from stages.core.timeline import clips as timeline
from stages.core.timeline.camera import name_move

STRICT = ConfigDict(extra="forbid")
READS = ("shots", "changes", "times", "signals")  # analyze's tables
MERGED: Schema = {"video_id": TEXT, "shot": INT, "unlike": REAL}  # shots that go on the take of the one before
PROOF = {"cut": "cut_score_max", "gradual": "gradual_score_max", "merged": "merged_unlike"}
SPAN: Schema = {"start_frame": INT, "end_frame": INT, "start_s": REAL, "end_s": REAL}


@dataclass(frozen=True, config=STRICT)
class Borders:
    """Scores, 0 to 1, from which on a cut or a gradual transition is a border of shots; None: as analyze decided."""

    cut: float | None
    gradual: float | None


@dataclass(frozen=True, config=STRICT)
class Merge:
    """Adjacent shots are merged if the transition between them scores < `below` and they look alike; None: never.

    They look alike if at most the share `unlike` of the picture is in only one of the frames beside the border. A plain
    shot of at most `flash_s` between two that look alike is a flash, and merged with both; None: never.
    """

    below: float | None
    unlike: float
    flash_s: float | None


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


def shots_between(changes: pl.DataFrame, shots: pl.DataFrame, merged: pl.DataFrame, borders: Borders) -> pl.DataFrame:
    """The shots between the transitions that `borders` takes for borders: `video` and SPAN, in order.

    `changes` and `shots` are analyze's tables with `video`, `merged` those of `shots` that begin at no border. Frames
    of a gradual transition belong to no shot, and a cut among them is not a border.
    """
    least = {"cut": borders.cut, "gradual": borders.gradual}
    counts = [
        (pl.col("kind") == kind) & (pl.col("taken") if score is None else pl.col("score") >= score)
        for kind, score in least.items()
    ]
    parting = changes.filter(pl.any_horizontal(counts)).join(
        merged, left_on=["video", "end_frame"], right_on=["video", "start_frame"], how="anti"
    )
    whole = shots.group_by("video", maintain_order=True).agg(
        pl.col("start_frame", "start_s").first(), pl.col("end_frame", "end_s").last()
    )
    begin = whole.with_columns(end_frame="start_frame", end_s="start_s")
    end = whole.with_columns(start_frame="end_frame", start_s="end_s")
    return (
        pl.concat([edges.select("video", *SPAN) for edges in (begin, parting, end)])
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


def make_clips(
    videos: pl.DataFrame, tables: Mapping[str, pl.DataFrame], config: Config, merged: pl.DataFrame | None = None
) -> pl.DataFrame:
    """The rows of CLIP, in the order of `videos` (`video_id`, `fps`) and of time; `tables` are those of READS.

    `merged` (MERGED) are the shots of analyze that begin at no border.
    """
    numbered = videos.select("video_id", "fps").with_row_index("video")
    shots, changes, times, signals = (
        tables[name].join(numbered, on="video_id", maintain_order="left") for name in READS
    )
    merged = pl.DataFrame(schema=MERGED) if merged is None else merged
    without = shots.join(merged, on=["video_id", "shot"], maintain_order="left")
    stored = {video: row for row, video in enumerate(times["video"])}
    number, margin = numbered.schema["video"], config.margin_frames
    made = [pl.DataFrame(schema={"video": number, **SPAN, "short": FLAG})]
    for (video,), own in shots_between(changes, shots, without, config.borders).group_by("video", maintain_order=True):
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
    begun = changes.join(without, left_on=["video", "end_frame"], right_on=["video", "start_frame"])
    begun = begun.select("video", "start_frame", "end_frame", "unlike")
    return (
        with_proof(with_signals(pl.concat(made), signals), changes, begun)
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
    scores = {
        "borders.cut": borders.cut,
        "borders.gradual": borders.gradual,
        "merge.below": merge.below,
        "merge.unlike": merge.unlike,
    }
    for key, score in scores.items():
        if score is not None and not 0 <= score <= 1:
            raise InputError(f"{key}={score} is no score: they are from 0 to 1")
    if merge.flash_s is not None and not 0 <= merge.flash_s < float("inf"):
        raise InputError(f"merge.flash_s={merge.flash_s} is no duration in seconds")


def merges(config: Config) -> bool:
    return config.merge.below is not None or config.merge.flash_s is not None


def run(rows: Rows, config: Config) -> Iterator[Output]:
    tables, merged = {name: rows.side(name) for name in READS}, None
    if merges(config):
        from stages.core.video.merge.borders import find_merged

        places = rows.places("key_frames", ["video_id", "shot", "position"])
        merged = find_merged(tables["shots"], places, **asdict(config.merge))
    yield from rows.whole({"rows": make_clips(rows.table, tables, config, merged)})


STAGE = Stage(
    name="split",
    kind="map",
    config=Config,
    run=run,
    gives=CLIP,
    needs=("fps",),
    reads=lambda config: (*READS, "key_frames") if merges(config) else READS,
    key="clip_id",
    check=check,
    version=3,
)

if __name__ == "__main__":
    main(STAGE)
