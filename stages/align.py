"""Aligns the times of annotations with the shots that analyze found: scenes begin and end at cuts. Decodes nothing.

Reads `content_metadata` (FineVideo's schema, as JSON), `fps` and `duration_s`, and analyze's table `shots`; writes
ALIGNED. An annotation whose scenes cannot be repaired in one way only fails.

    python -m stages.align run=NAME
    python -m stages.align -m run=NAME snap_s=1,2,3
"""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import polars as pl
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from slurm.errors import InputError, ItemError
from slurm.task.attempt import Output
from stages.core.command_line.start import main
from stages.core.runner.stage import Stage
from stages.core.runner.work import Rows
from stages.core.schema.annotation import ALIGNED
from stages.core.schema.types import Row

if TYPE_CHECKING:
    from stages.core.text.annotation.align import Video
    from stages.core.text.annotation.inside import Limits

Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Config:
    """Values are in conf/stage/align.yaml."""

    snap_s: Seconds
    shift_s: Seconds
    overlap_s: Seconds
    contiguous: bool


def check(config: Config) -> None:
    """Raises InputError for limits that contradict each other."""
    if config.snap_s > config.shift_s:
        raise InputError(f"snap_s={config.snap_s:g}: a cut may not be farther away than shift_s={config.shift_s:g}")


def run(rows: Rows, config: Config) -> Iterator[Output]:
    from stages.core.text.annotation.inside import Limits

    limits = Limits(config.snap_s, config.shift_s, config.overlap_s, config.contiguous)
    cuts = {str(video): shots for (video,), shots in rows.side("shots").group_by("video_id", maintain_order=True)}
    for row in rows.table.to_dicts():
        key = str(row["video_id"])
        try:
            columns = align_row(row, cuts.get(key), limits)
        except ItemError as error:
            yield rows.failed(row, error)
        else:
            yield Output([key], {"rows": [{**{name: row[name] for name in rows.keys}, **columns}]})


def align_row(row: dict[str, Any], shots: pl.DataFrame | None, limits: "Limits") -> Row:
    """The columns of ALIGNED for a row with these shots. Raises ItemError."""
    from stages.core.text.annotation.align import align

    if row["content_metadata"] is None:
        raise ItemError("no_words", "there is no annotation")
    try:
        metadata = json.loads(row["content_metadata"])
    except (ValueError, RecursionError) as error:
        raise ItemError("invalid_json", f"content_metadata: {error}") from error
    if not isinstance(metadata, dict):
        raise ItemError("schema", "content_metadata is no object")
    aligned = align(metadata, video_of(row, shots), limits)
    shifts_s = aligned.shifts_s
    return {
        "content_metadata": json.dumps(aligned.metadata, ensure_ascii=False),
        "shifts": sum(shift > 0 for shift in shifts_s),
        "shift_mean_s": sum(shifts_s) / len(shifts_s),
        "shift_max_s": max(shifts_s),
        "mended": aligned.notes.total() - aligned.notes["dropped"],
        "dropped": aligned.notes["dropped"],
        "alignment": aligned.quality,
    }


def video_of(row: dict[str, Any], shots: pl.DataFrame | None) -> "Video":
    """What alignment needs to know of a video. Raises ItemError without its length, frame rate or shots."""
    from stages.core.text.annotation.align import Video

    if shots is None or not row["duration_s"] or not row["fps"]:
        raise ItemError("no_frames", "no shots are known of it: align needs the rows of analyze")
    ordered = shots.sort("start_s")
    return Video(row["duration_s"], row["fps"], ordered["start_s"].to_list()[1:], ordered["end_s"].to_list()[:-1])


STAGE = Stage(
    name="align",
    kind="map",
    config=Config,
    run=run,
    gives=ALIGNED,
    needs=("content_metadata", "duration_s", "fps"),
    reads=("shots",),
    check=check,
)

if __name__ == "__main__":
    main(STAGE)
