"""Cuts the clips that are released from their videos: exact to the frame, with sound, encoding as little as possible.

Reads `clip_id`, `video_id`, `path`, `start_s` and `end_s`, and the box of `crop` where that ran before; writes one mp4
a clip and a row about it (CUT), of which `mode` says how the clip was made: copied, joined (`encoded_frames` at its
ends were encoded again) or encoded, as all are of which only a box is kept. A copied or joined clip is decoded once
before it counts. Sizes are in the video's own pixels, turned as shown; `sar` is the shape of one.

    python -m stages.cut run=NAME
"""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Literal, cast

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from slurm.errors import InputError, ItemError
from slurm.task.attempt import Output
from stages.core.command_line.start import main
from stages.core.runner.stage import Stage
from stages.core.runner.work import Rows
from stages.core.schema.clip import CROP_BOX
from stages.core.schema.types import FLAG, INT, REAL, TEXT, Row, Schema

CUT: Schema = {
    "clip_id": TEXT,
    "video_id": TEXT,
    "clip_path": TEXT,
    "bytes": INT,
    "width_px": INT,
    "height_px": INT,
    "sar": REAL,  # width of a pixel by its height, 1: square
    "bit_depth": INT,  # of a sample: 8 or 10
    "transfer": TEXT,  # as ffmpeg names it: bt709, smpte2084 (PQ), arib-std-b67 (HLG); null: not declared
    "frames": INT,
    "duration_s": REAL,
    "has_audio": FLAG,
    "mode": TEXT,
    "encoded_frames": INT,
    "decode_errors": INT,  # packets and frames of its span that are damaged in the source; a copied clip has none
    **CROP_BOX,  # what was kept of the picture; null: all of it
}
MAX_FPS, MAX_PARTS = (
    1000,
    1001,
)  # NTSC's rates are n/1001; more digits (29.97002997) would make fractions that no file can hold


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Limits:
    """Larger videos are refused before they are decoded: pixels of a frame (width times height), seconds."""

    max_pixels: int
    max_s: float


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Config:
    """Values are in conf/stage/cut.yaml. `fps` is a number or a fraction ("30000/1001"); None: the video's times."""

    mode: Literal["smart", "encode"]
    codec: str
    quality: float
    preset: str | int
    fps: float | str | None
    pixels: Literal["keep", "square"]
    hdr: Literal["keep", "sdr"]
    audio_kbps: int
    threads: int
    limits: Limits


def frame_rate(config: Config) -> Fraction | None:
    """The constant frame rate in frames a second, None to keep the video's times. Raises InputError."""
    if config.fps is None:
        return None
    try:
        fps = Fraction(str(config.fps)).limit_denominator(MAX_PARTS)
    except (ValueError, ZeroDivisionError) as error:
        raise InputError(f"fps={config.fps} is neither a number nor a fraction like 30000/1001") from error
    if not 0 < fps <= MAX_FPS:
        raise InputError(f"fps={config.fps} is not between 1/{MAX_PARTS} and {MAX_FPS}")
    return fps


def cut_clip(row: Row, config: Config, folder: Path) -> dict[str, list[Row]]:
    """The clip's row; its file is written to `folder`/<first two hex digits of sha256(video_id)>/<clip_id>.mp4.

    Raises ItemError: not_downloaded, encode_failed, bad_value for its times or its crop, and those of opening the video
    (missing, corrupt, …).
    """
    from stages.core.storage.scratch import open_local_copy
    from stages.core.video.cut.clip import Cutting, cut
    from stages.core.video.cut.convert import Crop
    from stages.core.video.cut.encode import Encoding

    if not row["path"]:
        raise ItemError("not_downloaded", f"no local file of video {row['video_id']}")
    limits, encoding = config.limits, Encoding(config.codec, config.quality, str(config.preset), config.threads)
    box = [cast(int, row[name]) for name in CROP_BOX if row.get(name) is not None]
    how = Cutting(
        config.mode,
        encoding,
        frame_rate(config),
        1000 * config.audio_kbps,
        limits.max_pixels,
        limits.max_s,
        Crop(*box) if len(box) == len(CROP_BOX) else None,
        square=config.pixels == "square",
        sdr=config.hdr == "sdr",
    )
    start_s, end_s = float(cast(float, row["start_s"])), float(cast(float, row["end_s"]))
    out = clip_path(folder, str(row["video_id"]), str(row["clip_id"]))
    with open_local_copy(str(row["path"])) as path:
        clip = cut(str(path), start_s, end_s, out, how)
    fact: Row = {
        "clip_id": row["clip_id"],
        "video_id": row["video_id"],
        "clip_path": str(out),
        "bytes": clip.bytes,
        "width_px": clip.width_px,
        "height_px": clip.height_px,
        "sar": clip.sar,
        "bit_depth": clip.bit_depth,
        "transfer": clip.transfer,
        "frames": clip.frames,
        "duration_s": clip.duration_s,
        "has_audio": clip.has_audio,
        "mode": clip.mode,
        "encoded_frames": clip.encoded_frames,
        "decode_errors": clip.decode_errors,
        **(dict(zip(CROP_BOX, how.crop, strict=True)) if how.crop else {}),
    }
    return {"rows": [fact]}


def clip_path(folder: Path, video_id: str, clip_id: str) -> Path:
    """The path of a clip's file: those of a video in one folder, under names that are safe whatever the ids are."""
    from stages.core.storage.store import file_name, media_path

    return folder / media_path(video_id, f"{file_name(clip_id)}.mp4")


def check(config: Config) -> None:
    """Raises InputError, which names the key, for a config with which no clip can be cut."""
    from stages.core.video.cut import encode

    encode.check(encode.Encoding(config.codec, config.quality, str(config.preset), config.threads))
    frame_rate(config)


def run(rows: Rows, config: Config) -> Iterator[Output]:
    yield from rows.each(cut_clip, config, rows.folder)


STAGE = Stage(
    name="cut",
    kind="map",
    config=Config,
    run=run,
    gives=CUT,
    needs=("path", "start_s", "end_s"),
    takes=tuple(CROP_BOX),
    check=check,
    media="clip_path",
    shows="media",
    version=5,
)

if __name__ == "__main__":
    main(STAGE)
