"""Reads every video's packets, decodes its sync frames alone, and estimates from them what `analyze` would find.

Reads the catalogue's `video_id`, `path` and `url`; writes a row a video (SKIM), and the table sync_frames
(SYNC_FRAMES: pictures). It costs a few hundredths of a decode, so a filter between `skim` and `analyze` spares most of
the cost of videos that stand still, are black, tiny or broken.

    python -m stages.skim run=NAME
    python -m stages.filter run=NAME rules=skim step=worth after=skim
    python -m stages.analyze run=NAME after=worth
"""

from collections.abc import Iterator

from slurm.task.attempt import Output
from stages.core.command_line.start import main
from stages.core.runner.stage import Stage
from stages.core.runner.work import Rows
from stages.core.schema.frame import SYNC_FRAMES
from stages.core.schema.types import Row
from stages.core.schema.video import SKIM
from stages.core.storage.spill import Spill, Tables
from stages.core.video.skim.settings import Settings


def skim_video(row: Row, settings: Settings) -> Tables:
    """The video's rows for both tables, without its id.

    Raises ItemError: not_downloaded, missing, unreadable, empty, corrupt, encrypted, no_video, no_frames, too_large,
    disk.
    """
    from stages.core.storage.scratch import open_video_of
    from stages.core.video.skim.one_skim import skim

    pictures = {name: kind for name, kind in SYNC_FRAMES.items() if name != "video_id"}
    with open_video_of(row) as path, Spill(pictures) as sync_frames:
        found = skim(str(path), settings, lambda picture: sync_frames.add(picture._asdict()))
        return {"rows": [found], "sync_frames": sync_frames.rows()}


def run(rows: Rows, settings: Settings) -> Iterator[Output]:
    yield from rows.each(skim_video, settings)


STAGE = Stage(
    name="skim",
    kind="map",
    config=Settings,
    run=run,
    gives=SKIM,
    needs=("path", "url"),
    tables={"sync_frames": SYNC_FRAMES},
    version=2,
)

if __name__ == "__main__":
    main(STAGE)
