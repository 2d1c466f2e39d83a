"""Times of frames are those that ffmpeg gives, whatever times the container stores."""

import re
import subprocess
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from stages.core.video.cut.encode import ffmpeg_path
from stages.core.video.read.packets import open_video

Make = Callable[..., Path]
PICTURE = "testsrc2=s=160x96:r=25:d=3"
X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")
PYRAMID = (*X264, "-x264-params", "bframes=3:b-adapt=0:b-pyramid=normal:keyint=30")
MPEG2 = ("-c:v", "mpeg2video", "-bf", "2", "-g", "12")

# Containers that store no times of display (AVI, raw streams), and those that store them for some frames only.
STORED: dict[str, tuple[str, ...]] = {
    "no_b.avi": (*X264, "-bf", "0"),
    "b.avi": (*X264, "-bf", "2", "-b_strategy", "0"),
    "pyramid.avi": PYRAMID,
    "mpeg4.avi": ("-c:v", "mpeg4", "-bf", "2"),
    "mjpeg.avi": ("-c:v", "mjpeg", "-pix_fmt", "yuvj420p"),
    "b.asf": (*X264, "-bf", "2", "-b_strategy", "0"),
    "b.wmv": ("-c:v", "wmv2"),
    "b.h264": (*PYRAMID, "-f", "h264"),
    "b.m2v": MPEG2,
    "b.mpg": MPEG2,
    "b.vob": MPEG2,
    "b.mxf": (*MPEG2, "-pix_fmt", "yuv422p"),
    "b.flv": PYRAMID,
    "b.nut": PYRAMID,
    "b.ts": PYRAMID,
    "b.mkv": PYRAMID,
    "b.mp4": PYRAMID,
}


@pytest.mark.parametrize("frames", [20, 75])
def test_frames_of_an_mp4_without_offsets_have_the_times_that_ffmpeg_gives(make: Make, frames: int) -> None:
    whole = make(f"whole{frames}.mp4", PICTURE, *PYRAMID, "-frames:v", str(frames))
    path = whole.with_stem(f"without_offsets{frames}")
    path.write_bytes(whole.read_bytes().replace(b"ctts", b"free"))  # now each frame is shown when it is decoded
    with open_video(str(path), 10**8, 10**5) as video:
        ours = [time_s for time_s, _ in video.frames()]
    assert ours[:-2] == pytest.approx(times_by_ffmpeg(path)[:-2], abs=0.0006)  # its last two jump back
    assert all(later > earlier for earlier, later in pairwise(ours))


def times_by_ffmpeg(path: Path) -> list[float]:
    command = [ffmpeg_path(), "-nostdin", "-hide_banner", "-i", str(path), "-an", "-vf", "showinfo", "-f", "null", "-"]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    return [float(time_s) for time_s in re.findall(r"pts_time:([0-9.]+)", told)]


@pytest.mark.parametrize("name", STORED)
def test_frames_have_the_times_that_ffmpeg_gives(make: Make, name: str) -> None:
    path = make(f"stored_{name}", PICTURE, *STORED[name])
    with open_video(str(path), 10**8, 10**5) as video:
        ours = [time_s for time_s, _ in video.frames()]
    assert ours == pytest.approx(times_by_ffmpeg(path), abs=0.0006)
    assert [b - a for a, b in pairwise(ours)] == pytest.approx([0.04] * 74, abs=0.0011)
