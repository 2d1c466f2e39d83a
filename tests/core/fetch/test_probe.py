"""Properties of a fetched file, read from the file, whatever its header says."""

import subprocess
from hashlib import sha256
from pathlib import Path

import pytest

from slurm.errors import ItemError
from stages.core.fetch.probe import probe, read_header
from stages.core.fetch.settings import Limits
from stages.core.video.cut.encode import ffmpeg_path

LIMITS = Limits(max_s=100, max_gb=1, max_pixels=320 * 180, stall_s=1)
H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")
SOUND = ("-f", "lavfi", "-i", "sine=d=2")


def made(file: Path, *arguments: str, size: str = "320x180") -> Path:
    picture = ("-f", "lavfi", "-i", f"testsrc2=s={size}:r=30000/1001:d=2")
    subprocess.run([ffmpeg_path(), "-nostdin", "-v", "error", *picture, *arguments, str(file)], check=True)
    return file


def code(file: Path, limits: Limits = LIMITS) -> str:
    with pytest.raises(ItemError) as caught:
        probe(file, limits)
    return caught.value.code


@pytest.mark.parametrize(
    ("name", "arguments", "codecs"),
    [
        ("a.mp4", (*SOUND, *H264, "-c:a", "aac"), ("h264", "aac")),
        ("fragments.mp4", (*SOUND, *H264, "-c:a", "aac", "-movflags", "frag_keyframe+empty_moov"), ("h264", "aac")),
        ("silent.mov", H264, ("h264", None)),
        ("a.mkv", (*SOUND, *H264, "-c:a", "libopus"), ("h264", "opus")),
        ("a.webm", (*SOUND, "-c:v", "libvpx-vp9", "-cpu-used", "8", "-c:a", "libopus"), ("vp9", "opus")),
        ("a.avi", (*SOUND, "-c:v", "mpeg4", "-c:a", "mp3"), ("mpeg4", "mp3")),
        ("a1.mkv", (*SOUND, "-c:v", "libsvtav1", "-preset", "12", "-c:a", "libopus"), ("av1", "opus")),
        ("no_size_in_its_header.mp4", (*SOUND, "-c:v", "mpeg4", "-c:a", "aac"), ("mpeg4", "aac")),
        ("no_sound_in_its_header.ts", (*SOUND, *H264, "-c:a", "aac"), ("h264", "aac")),
        ("later.ts", (*SOUND, *H264, "-c:a", "aac", "-output_ts_offset", "500"), ("h264", "aac")),
    ],
)
def test_every_container_tells_the_same(
    tmp_path: Path, name: str, arguments: tuple[str, ...], codecs: tuple[str, str | None]
) -> None:
    file = made(tmp_path / name, *arguments)
    found = probe(file, LIMITS)
    assert (found["codec"], found["audio_codec"]) == codecs
    assert (found["width_px"], found["height_px"]) == (320, 180)
    assert found["fps"] == pytest.approx(30000 / 1001, abs=0.5)
    assert found["duration_s"] == pytest.approx(2, abs=0.1)
    assert found["bytes"] == file.stat().st_size
    assert found["sha256"] == sha256(file.read_bytes()).hexdigest()
    assert (read_header(file, LIMITS) is None) == (name.startswith("no_") or file.suffix == ".ts")


def test_of_several_pictures_the_largest_counts(tmp_path: Path) -> None:
    small = ("-f", "lavfi", "-i", "testsrc2=s=160x90:r=10:d=2")
    file = made(tmp_path / "a.mp4", *small, "-map", "1", "-map", "0", *H264)
    assert probe(file, LIMITS)["width_px"] == 320


def test_a_cover_is_no_video(tmp_path: Path) -> None:
    cover = ("-map", "0", "-map", "1", "-c:v", "mjpeg", "-frames:v", "1", "-disposition:v", "attached_pic")
    assert code(made(tmp_path / "a.m4a", *SOUND, *cover, "-c:a", "aac")) == "no_video"


@pytest.mark.parametrize(
    "limits", [Limits(1, 1, 10**6, 1), Limits(100, 1, 320 * 180 - 1, 1), Limits(100, 1e-6, 10**6, 1)]
)
def test_what_is_too_large_is_reported(tmp_path: Path, limits: Limits) -> None:
    assert code(made(tmp_path / "a.mp4", *H264), limits) == "too_large"


def test_what_is_no_video_is_reported(tmp_path: Path) -> None:
    file = made(tmp_path / "a.mp4", *H264)
    for content, wanted in ((file.read_bytes()[:5000], "corrupt"), (b"<html>", "corrupt"), (b"", "empty")):
        file.write_bytes(content)
        assert code(file) == wanted
