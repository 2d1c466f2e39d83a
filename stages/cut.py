"""The clips that are released, cut from their videos: re-encoded, exact to the frame, with sound.

Reads `clip_id`, `video_id`, `path`, `start_s`, `end_s` and `fps`; writes one mp4 a clip and a row about it (CUT).

    python -m stages.cut run=NAME
"""

from collections.abc import Iterator
from pathlib import Path
from typing import cast

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from slurm.attempt import Output
from slurm.errors import ItemError
from stages.core.schema import FLAG, INT, REAL, TEXT, Row, Schema
from stages.core.stage import Stage, main
from stages.core.work import Rows

CUT: Schema = {
    "clip_id": TEXT,
    "video_id": TEXT,
    "clip_path": TEXT,
    "bytes": INT,
    "width_px": INT,
    "height_px": INT,
    "frames": INT,
    "duration_s": REAL,
    "has_audio": FLAG,
}


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Limits:
    """What is too large to be opened: pixels of a frame (width times height), seconds."""

    max_px: int
    max_s: float


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Config:
    """Values are in conf/cut.yaml. `codec` is an H.264 encoder of ffmpeg's; `threads` is each codec's."""

    codec: str
    crf: int
    preset: str
    audio_bitrate: str
    threads: int
    limits: Limits


def cut_clip(row: Row, config: Config, folder: Path) -> dict[str, list[Row]]:
    """The clip's row, after its file is whole in `folder`/<first two hex digits of sha256(video_id)>/<clip_id>.mp4.

    Raises ItemError: encode_failed, and what opening the video raises (missing, corrupt, …).
    """
    from stages.core.scratch import local
    from stages.core.video.encode import Encoding, cut
    from stages.core.video.packets import open_video

    if not row["path"]:
        raise ItemError("not_downloaded", f"no local file of video {row['video_id']}")
    encoding = Encoding(config.codec, config.crf, config.preset, config.audio_bitrate, config.threads)
    start_s, end_s = float(cast(float, row["start_s"])), float(cast(float, row["end_s"]))
    out = clip_path(folder, str(row["video_id"]), str(row["clip_id"]))
    with local(str(row["path"])) as path:
        with open_video(str(path), config.limits.max_px, config.limits.max_s) as video:
            declared = video.facts
        fps = float(cast(float, row["fps"]) or declared.fps)
        clip = cut(str(path), start_s, end_s, fps, out, source=declared, encoding=encoding)
    fact: Row = {
        "clip_id": row["clip_id"],
        "video_id": row["video_id"],
        "clip_path": str(out),
        "bytes": clip.bytes,
        "width_px": clip.width_px,
        "height_px": clip.height_px,
        "frames": clip.frames,
        "duration_s": clip.duration_s,
        "has_audio": clip.has_audio,
    }
    return {"rows": [fact]}


def clip_path(folder: Path, video_id: str, clip_id: str) -> Path:
    """Where a clip lies: those of a video side by side, under names that are plain whatever the ids are."""
    from stages.core.store import file_name, place

    return folder / place(video_id, f"{file_name(clip_id)}.mp4")


def run(rows: Rows, config: Config) -> Iterator[Output]:
    yield from rows.each(cut_clip, config, rows.folder)


STAGE = Stage(
    name="cut",
    kind="map",
    config=Config,
    run=run,
    gives=CUT,
    needs=("path", "start_s", "end_s", "fps"),
)

if __name__ == "__main__":
    main(STAGE)
