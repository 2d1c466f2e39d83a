"""Merges downloaded video and audio streams into one file, without re-encoding."""

import os
import subprocess
from pathlib import Path

from slurm.errors import ItemError
from stages.core.video.cut.encode import NOT_THE_ITEM, ffmpeg_path
from stages.core.video.read.facts import codec_name
from stages.core.video.read.opening import SAFE_INPUT, open_container

# Codecs that players accept in mp4; with any other the file becomes mkv, which accepts all.
MP4 = {"h264", "hevc", "av1", "vp9", "mpeg4", "aac", "mp3", "opus", "ac3", "eac3", "alac"}
TRUNCATED = ("partial file", "ended prematurely")  # ffmpeg prints this and still exits with status 0


def choose_suffix(codecs: list[str], container: str) -> str:
    return ".mp4" if container == "mp4" and MP4.issuperset(codecs) else ".mkv"


def merge_streams(streams: list[Path], name: Path, container: str) -> Path:
    """Writes `name`.mp4 or .mkv, atomically: the video of the first of the files, the audio of the last.

    Raises ItemError: corrupt, no_video, disk, item_crashed (ffmpeg was killed).
    """
    picked, codecs = [], []
    for kind, number in (("video", 0), ("audio", len(streams) - 1)):
        with open_container(str(streams[number])) as opened:
            stream = opened.streams.best(kind)  # type: ignore[arg-type]
            if stream is not None:
                picked += ["-map", f"{number}:{stream.index}"]
                codecs.append(codec_name(stream.codec_context))
            elif kind == "video":
                raise ItemError("no_video", "the site sent a file without a video stream")
    file = name.with_suffix(choose_suffix(codecs, container))
    unfinished = file.with_name(
        f"unfinished-{os.getpid()}-{file.name}"
    )  # the ffmpeg of a killed worker may still be writing
    command = [ffmpeg_path(), "-nostdin", "-v", "error", "-y"]
    for stream_file in streams:
        for option, value in SAFE_INPUT.items():
            command += [f"-{option}", value]
        command += ["-i", f"file:{stream_file}"]
    # -strict -2: older ffmpeg versions call some of these codecs experimental in mp4
    command += [*picked, "-c", "copy", "-map_chapters", "-1", "-movflags", "+faststart", "-strict", "-2"]
    process = subprocess.run(
        [*command, f"file:{unfinished}"], capture_output=True, text=True, errors="replace", check=False
    )
    messages = process.stderr.strip()
    if process.returncode or any(sign in messages for sign in TRUNCATED):
        code = "disk" if any(trouble in messages for trouble in NOT_THE_ITEM) else "corrupt"
        what = messages.splitlines()[-1] if messages else f"ffmpeg ended with status {process.returncode}"
        raise ItemError("item_crashed" if process.returncode < 0 else code, what)
    unfinished.replace(file)
    return file
