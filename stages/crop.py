"""Finds what is left of each clip's picture without black bars, and without logos and texts that stand near an edge.

Reads the black borders, sizes and key frames of `analyze`, the clips of `split`, and with texts=true the texts that
`describe_frames` found in key frames; decodes no video. Writes a box for each clip (CROP), in pixels of the picture as
displayed; `cut` applies it, and a rule of `filter` drops clips of which too little is left.

    python -m stages.crop run=NAME
    python -m stages.crop run=NAME after='[split,describe_frames]' texts=true
    python -m stages.filter run=NAME step=large after=crop rules=crop
"""

from collections.abc import Iterator, Sequence
from typing import cast

from slurm.errors import InputError, ItemError
from slurm.task.attempt import Output
from stages.core.command_line.start import main
from stages.core.runner.stage import Stage
from stages.core.runner.work import Rows
from stages.core.schema.clip import CROP
from stages.core.schema.types import Row
from stages.core.schema.video import BORDERS
from stages.core.video.crop.settings import Settings

CRASHES = ("item_crashed", "item_timeout")
FRAMES = ("video_id", "shot", "position", "time_s", "width_px", "height_px")  # columns of key_frames


def run(rows: Rows, settings: Settings) -> Iterator[Output]:
    from stages.core.video.crop.clips import crop_clips, make_jobs

    frames = rows.places("key_frames", FRAMES)
    jobs = list(make_jobs(rows.table.to_dicts(), frames))
    while jobs:
        crashed: list[Row] = []
        for job, tables, error, detail in rows.give(crop_clips, jobs, settings):
            clips = cast(Sequence[Row], job["clips"])
            if error in CRASHES and len(clips) > 1:
                crashed += clips
            elif error is not None:
                yield from (rows.failed(row, ItemError(error, detail or "")) for row in clips)
            else:
                for row, found in zip(clips, cast(Sequence[Row], tables["clips"]), strict=True):
                    own: Row = {name: row[name] for name in rows.keys}
                    yield Output([str(row[rows.keys[0]])], {"rows": [{**own, **found}]}, failed=int("error" in found))
        jobs = list(make_jobs(crashed, frames, 1))


def check(settings: Settings) -> None:
    """Raises InputError, which names the key, for a value out of its range."""
    if not 0 < settings.near_edge <= 0.5:
        raise InputError(f"near_edge={settings.near_edge} is not above 0 and at most 0.5")


STAGE = Stage(
    name="crop",
    kind="map",
    config=Settings,
    run=run,
    gives=CROP,
    needs=lambda settings: (*BORDERS, *(("time_s", "texts") if settings.texts else ())),
    takes=("width_px", "height_px", "start_s", "end_s", "shot", "camera"),
    reads=("key_frames",),
    check=check,
)

if __name__ == "__main__":
    main(STAGE)
