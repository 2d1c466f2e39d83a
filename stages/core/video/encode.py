"""Clips cut from a video by ffmpeg, exact to the frame at both ends, with their sound in sync."""

import os
import shutil
import subprocess
import uuid
from dataclasses import dataclass
from functools import cache
from math import floor
from pathlib import Path

import imageio_ffmpeg

from slurm.errors import ItemError
from stages.core.video.facts import Facts
from stages.core.video.opening import SAFE_INPUT, open_container

TIME_BASE = 120_000  # ticks a second in which the frames of all usual rates, NTSC's too, are whole numbers
# Broadcast formats have no index: a seek lands up to a key frame's distance too late, so it aims this much earlier.
UNINDEXED, UNINDEXED_S = ("mpegts", "mpeg"), 15.0
NOT_THE_ITEM = ("No space left on device", "Disk quota exceeded", "Read-only file system", "Cannot allocate memory")


@dataclass(frozen=True)
class Encoding:
    """How a clip is written: x264's settings, AAC's bit rate (as ffmpeg reads it: "128k"), threads of each codec."""

    codec: str
    crf: int
    preset: str
    audio_bitrate: str
    threads: int


@dataclass(frozen=True)
class Clip:
    """A written clip; `frames` is counted from its packets, `duration_s` is the video stream's."""

    bytes: int
    width_px: int
    height_px: int
    frames: int
    duration_s: float
    has_audio: bool


@cache
def ffmpeg_path() -> str:
    """The system's ffmpeg, else the one that imageio-ffmpeg brings."""
    return shutil.which("ffmpeg") or str(imageio_ffmpeg.get_ffmpeg_exe())


def cut(path: str, start_s: float, end_s: float, fps: float, out: Path, *, source: Facts, encoding: Encoding) -> Clip:
    """The clip of all frames whose time lies in [start_s, end_s), written to `out`, a file or none: never half a one.

    Times are seconds from the container's start; `source` is what `open_video` found. Raises ItemError
    encode_failed with ffmpeg's last line, or when no frame lies in the span; RuntimeError when it was not the item's
    fault (a signal, a full disk).
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    unfinished = out.with_name(f".{uuid.uuid4().hex}{out.suffix}")
    arguments = _arguments(path, start_s, end_s, fps, source=source, encoding=encoding)
    command = [ffmpeg_path(), *arguments, str(unfinished)]
    try:
        ended = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
        if ended.returncode != 0:
            raise failure(ended.returncode, ended.stderr)
        clip = probe(unfinished)
        if clip.frames == 0:
            raise ItemError("encode_failed", f"{path}: no frame in {start_s:.3f} to {end_s:.3f} s")
        with unfinished.open("rb") as written:
            os.fsync(written.fileno())
        unfinished.replace(out)
        return clip
    finally:
        unfinished.unlink(missing_ok=True)


def _arguments(path: str, start_s: float, end_s: float, fps: float, *, source: Facts, encoding: Encoding) -> list[str]:
    """ffmpeg's arguments but for the output's name.

    ffmpeg seeks half a frame early, because a seek to the frame's own time can miss it by rounding; then the filters
    take exactly what lies in the span, and move both streams by the same time, so that they stay in sync. The seek is
    in whole milliseconds, which is exact in Matroska's time base as well.
    """
    before_s = 0.5 / fps + (UNINDEXED_S if source.container in UNINDEXED else 0)
    seek_s = max(0, floor((start_s - before_s) * 1000)) / 1000
    first, last = start_s - seek_s, end_s - seek_s
    early = 0.0005  # rounded up to a tick, a time may lie this much before the border it means
    # a first frame one tick before 0 would be dropped by the mp4's edit list, so what is within 1 ms of 0 is 0
    at = f"PTS-{first:.6f}/TB"
    pick = (
        f"settb=1/{TIME_BASE},trim=start={first - early:.6f}:end={last - early:.6f},"
        f"setpts=if(lt({at}\\,{TIME_BASE // 1000})\\,0\\,{at}),"
        "crop=trunc(iw/2)*2:trunc(ih/2)*2"  # 4:2:0 has even sides
    )
    threads = ["-threads", str(encoding.threads)]
    command = ["-nostdin", "-v", "error", "-y"]
    for option, value in SAFE_INPUT.items():
        command += [f"-{option}", value]
    # the input's own end spares reading on to the end of the file when the sound is shorter than the span
    command += [*threads, *(["-ss", f"{seek_s:.3f}"] if seek_s else [])]
    command += ["-t", f"{last + 1:.3f}", "-i", f"file:{path}"]
    command += ["-map", f"0:{source.index}", "-vf", pick, "-c:v", encoding.codec, "-crf", str(encoding.crf)]
    command += ["-preset", encoding.preset, "-pix_fmt", "yuv420p", *threads]
    command += ["-fps_mode", "passthrough", "-enc_time_base", f"1/{TIME_BASE}"]
    if source.audio_index is not None:
        # aresample fills with silence what the span has before the sound begins
        sound = f"atrim=start={first:.6f}:end={last:.6f},asetpts=PTS-{first:.6f}/TB,aresample=async=1:first_pts=0"
        command += ["-map", f"0:{source.audio_index}", "-af", sound, "-c:a", "aac", "-b:a", encoding.audio_bitrate]
    return [*command, "-map_metadata", "-1", "-map_chapters", "-1", "-movflags", "+faststart"]


def failure(returncode: int, stderr: str) -> Exception:
    """What ffmpeg's end means: RuntimeError for a signal or a full disk, else ItemError encode_failed."""
    said = stderr.strip()
    last_line = said.splitlines()[-1] if said else f"ffmpeg ended with status {returncode}"
    # ffmpeg catches SIGTERM and SIGINT and ends with 255; at log level "error" it does not say so
    stopped = returncode < 0 or (returncode == 255 and (not said or "received signal" in said))
    if stopped or any(trouble in said for trouble in NOT_THE_ITEM):
        return RuntimeError(f"ffmpeg was stopped or had no room (status {returncode}): {last_line}")
    return ItemError("encode_failed", last_line)


def probe(path: Path) -> Clip:
    """Facts of a media file that ffmpeg wrote, without decoding it."""
    with open_container(str(path)) as container:
        if not container.streams.video:
            raise ItemError("encode_failed", f"{path.name}: nothing was written")
        picture = container.streams.video[0]
        frames = sound = 0
        for packet in container.demux():
            if packet.size > 0 and not packet.is_discard:
                frames += packet.stream.type == "video"
                sound += packet.stream.type == "audio"
        duration_s = float(picture.duration * picture.time_base) if picture.duration and picture.time_base else 0.0
        context = picture.codec_context
        return Clip(path.stat().st_size, context.width, context.height, frames, duration_s, sound > 0)
