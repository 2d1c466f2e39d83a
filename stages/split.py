"""Makes clips: spans of shots, neither too short nor too long, with the signals over them. Decodes no video.

Reads analyze's tables `shots`, `changes`, `times` and `signals`, and where shots are merged the `key_frames` beside
their borders; writes a row a clip (CLIP). A shot that is too short is a row too, with its drop_reason.

With borders=spans a clip is made of each span that the catalogue names (its table `spans`: LVD-2M, OpenVid), with
what the catalogue says of it (OF_SPAN), and `cut_inside` tells whether analyze found a border of shots in it.

    python -m stages.split run=NAME
    python -m stages.split run=NAME borders=spans spans.cut_inside=trim
    python -m stages.split -m run=NAME 'borders.cut=0.3,0.5,0.7'
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Literal

import polars as pl
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from slurm.errors import InputError
from slurm.task.attempt import Output
from stages.core.command_line.start import main
from stages.core.runner.stage import Stage
from stages.core.runner.work import Rows
from stages.core.schema.clip import CLIP, OF_SPAN, SPAN
from stages.core.schema.types import FLAG, INT, REAL, TEXT, Schema
from stages.core.timeline import clips as timeline
from stages.core.timeline.measures import with_proof, with_signals
from stages.core.timeline.spans import CutInside, clips_of_spans, place_spans

STRICT = ConfigDict(extra="forbid")
READS = ("shots", "changes", "times", "signals")  # analyze's tables
MERGED: Schema = {"video_id": TEXT, "shot": INT, "unlike": REAL}  # shots that go on the take of the one before
NUMBER = pl.UInt32()  # of a video in its chunk
MOST_OUTSIDE_S = 1.0  # of a span that is kept: catalogues round, and some count to the end of the sound
Clocked = tuple[int, timeline.Shots, timeline.Clock]


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
class Spans:
    """What becomes of a span of the catalogue with a border of shots inside; trim: its longest part stays."""

    cut_inside: CutInside


@dataclass(frozen=True, config=STRICT)
class Config:
    """Values are in conf/stage/split.yaml."""

    min_s: float
    max_s: float
    margin_frames: Margin
    borders: Borders | Literal["spans"]
    spans: Spans
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


def make_clips(
    videos: pl.DataFrame,
    tables: Mapping[str, pl.DataFrame],
    config: Config,
    merged: pl.DataFrame | None = None,
    spans: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """The rows of CLIP, in the order of `videos` (`video_id`, `fps`) and of time; `tables` are those of READS.

    `merged` (MERGED) are the shots of analyze that begin at no border. With `spans` (SPANS) of the catalogue each is a
    row, with the columns OF_SPAN too; `videos` has the `offset_s` of files that are parts of videos then.
    """
    numbered = videos.with_row_index("video")
    shots, changes, times, signals = (
        tables[name].join(numbered.select("video", "video_id"), on="video_id", maintain_order="left") for name in READS
    )
    merged = pl.DataFrame(schema=MERGED) if merged is None else merged
    without = shots.join(merged, on=["video_id", "shot"], maintain_order="left")
    borders = config.borders if isinstance(config.borders, Borders) else Borders(None, None)
    clocks = find_clocks(shots_between(changes, shots, without, borders), numbered["fps"], times)
    margin = {"at_cut": config.margin_frames.cut, "at_gradual": config.margin_frames.gradual}
    if spans is None:
        clips = clips_of_shots(clocks, config.max_s, **margin)
    else:
        clips = clips_of_spans(place_spans(spans, numbered), clocks, cut_inside=config.spans.cut_inside, **margin)
    ids = {} if spans is not None else {"clip_id": pl.format("{}_{}_{}", "video_id", "start_frame", "end_frame")}
    begun = changes.join(without, left_on=["video", "end_frame"], right_on=["video", "start_frame"])
    begun = begun.select("video", "start_frame", "end_frame", "unlike")
    return (
        with_proof(with_signals(clips, signals), changes, begun)
        .join(numbered.select("video", "video_id", "fps"), on="video", maintain_order="left")
        .join_asof(shots.select("video", "shot", "start_frame"), on="start_frame", by="video", check_sortedness=False)
        .with_columns(duration_s=pl.col("end_s") - pl.col("start_s"), **ids)
        .with_columns(drop_reason=why_dropped(config, of_spans=spans is not None))
        .select(*CLIP, *(OF_SPAN if spans is not None else ()))
    )


def find_clocks(between: pl.DataFrame, fps: pl.Series, times: pl.DataFrame) -> Iterator[Clocked]:
    """The number of each video that has shots, these, and the times of its frames."""
    stored = {video: row for row, video in enumerate(times["video"])}
    for (video,), own in between.group_by("video", maintain_order=True):
        number, shots = int(str(video)), timeline.Shots(*(own[column].to_numpy() for column in SPAN))
        if (row := stored.get(video)) is None:
            yield number, shots, timeline.even_clock(shots, fps[number])
        else:
            yield number, shots, timeline.stored_clock(shots, times["first_us"][row], times["steps_us"][row].to_numpy())


def clips_of_shots(clocks: Iterator[Clocked], max_s: float, *, at_cut: int, at_gradual: int) -> pl.DataFrame:
    """`video`, SPAN and `short` of the clips of all shots, by video and time."""
    made = [pl.DataFrame(schema={"video": NUMBER, **SPAN, "short": FLAG})]
    for video, shots, clock in clocks:
        clips = timeline.make_clips(shots, clock, at_cut=at_cut, at_gradual=at_gradual, max_s=max_s)
        number = pl.repeat(video, len(clips.short), dtype=NUMBER, eager=True)
        made.append(pl.DataFrame({"video": number, **clips._asdict()}))
    return pl.concat(made)


def why_dropped(config: Config, *, of_spans: bool) -> pl.Expr:
    """The drop_reason of a clip, or null."""
    too_short = pl.col("duration_s") < config.min_s - timeline.SAME_S
    if not of_spans:
        return pl.when(pl.col("short") | too_short).then(pl.lit("too_short"))
    parted = pl.col("border_inside") & (config.spans.cut_inside == "drop")
    outside = (pl.col("start_frame") >= pl.col("end_frame")) | (pl.col("outside_s") > MOST_OUTSIDE_S)
    reasons = {"outside": outside, "cut_inside": parted, "too_short": too_short}
    return pl.coalesce(pl.when(applies).then(pl.lit(reason)) for reason, applies in reasons.items())


def check(config: Config) -> None:
    """Raises InputError, which names the key, for a value out of its range."""
    if not (0 <= config.min_s <= config.max_s and config.max_s > 0):
        raise InputError(f"min_s={config.min_s} max_s={config.max_s}: say 0 <= min_s <= max_s, and a max_s above 0")
    margin, borders, merge = config.margin_frames, config.borders, config.merge
    for key, frames in {"margin_frames.cut": margin.cut, "margin_frames.gradual": margin.gradual}.items():
        if frames < 0:
            raise InputError(f"{key}={frames} is below 0")
    scores = {"merge.below": merge.below, "merge.unlike": merge.unlike}
    if isinstance(borders, Borders):
        scores |= {"borders.cut": borders.cut, "borders.gradual": borders.gradual}
    for key, score in scores.items():
        if score is not None and not 0 <= score <= 1:
            raise InputError(f"{key}={score} is no score: they are from 0 to 1")
    if merge.flash_s is not None and not 0 <= merge.flash_s < float("inf"):
        raise InputError(f"merge.flash_s={merge.flash_s} is no duration in seconds")


def merges(config: Config) -> bool:
    return config.merge.below is not None or config.merge.flash_s is not None


def reads(config: Config) -> list[str]:
    """The side tables that it reads."""
    more = {"key_frames": merges(config), "spans": config.borders == "spans"}
    return [*READS, *(name for name, wanted in more.items() if wanted)]


def run(rows: Rows, config: Config) -> Iterator[Output]:
    tables, merged = {name: rows.side(name) for name in READS}, None
    if merges(config):
        from stages.core.video.merge.borders import find_merged

        places = rows.places("key_frames", ["video_id", "shot", "position"])
        merged = find_merged(tables["shots"], places, **asdict(config.merge))
    spans = rows.side("spans") if config.borders == "spans" else None
    made = make_clips(rows.table, tables, config, merged, spans)
    if spans is not None:
        without = rows.table.filter(~pl.col("video_id").is_in(spans["video_id"].implode())).select("video_id")
        failed = without.with_columns(error=pl.lit("no_spans"), error_detail=pl.lit("the catalogue names none of it"))
        made = pl.concat([made, failed], how="diagonal")
    yield from rows.whole({"rows": made})


STAGE = Stage(
    name="split",
    kind="map",
    config=Config,
    run=run,
    gives=lambda config: CLIP | OF_SPAN if config.borders == "spans" else CLIP,
    needs=("fps",),
    takes=("offset_s",),
    reads=reads,
    key="clip_id",
    check=check,
    version=3,
)

if __name__ == "__main__":
    main(STAGE)
