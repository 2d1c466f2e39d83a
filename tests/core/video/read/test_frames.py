"""Small frames: brightness and colour whatever the pixel format, range and rotation."""

import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from stages.core.video.cut.encode import ffmpeg_path
from stages.core.video.measure.key_frames import to_bgr
from stages.core.video.measure.look import colourfulness, look, small_chroma
from stages.core.video.read.frames import ORIENTATIONS, Small, copy_small, read_orientation, shrink, small_size
from stages.core.video.read.packets import open_video

Make = Callable[..., Path]

BLANK = np.full((8, 8), 128, np.uint8)
# orange and dark blue, below them white and green
QUARTERS = (
    "color=0xFF8000:s=64x32:d=0.2[a];color=0x000080:s=64x32:d=0.2[b];color=white:s=64x32:d=0.2[c];"
    "color=green:s=64x32:d=0.2[d];[a][b]hstack[top];[c][d]hstack[low];[top][low]vstack"
)
# the left half orange, the right half dark blue
HALVES = "color=0xFF8000:s=64x64:r=25:d=0.2[a];color=0x000080:s=64x64:r=25:d=0.2[b];[a][b]hstack"


def first(path: Path) -> tuple[Small, np.ndarray]:
    with open_video(str(path), 10**8, 10**5) as video:
        _, frame = next(video.frames())
        small = shrink(frame, small_size(frame, 128), read_orientation(frame))
        return small, to_bgr(copy_small(small.native, 128), 128)


@pytest.mark.parametrize(
    "pix_fmt", ["yuv420p", "yuvj420p", "yuv422p", "yuv444p", "yuv420p10le", "gbrp", "bgr0", "pal8"]
)
def test_colours_survive_every_pixel_format(make: Make, pix_fmt: str) -> None:
    codec = {"bgr0": "qtrle", "pal8": "gif", "gbrp": "ffv1", "yuvj420p": "mjpeg"}.get(pix_fmt, "ffv1")
    stored = {"bgr0": "rgb24"}.get(pix_fmt, pix_fmt)
    suffix = {"gif": "gif", "qtrle": "mov"}.get(codec, "mkv")
    path = make(f"halves_{pix_fmt}.{suffix}", HALVES, "-c:v", codec, "-pix_fmt", stored)
    near = 48 if pix_fmt == "pal8" else 18  # GIF's own palette is coarse
    small, bgr = first(path)
    middle = bgr.shape[0] // 2
    assert bgr[middle, bgr.shape[1] // 4].tolist() == pytest.approx([0, 128, 255], abs=near)
    assert bgr[middle, bgr.shape[1] * 3 // 4].tolist() == pytest.approx([128, 0, 0], abs=near)
    assert int(small.luma[32, 32]) == pytest.approx(143, abs=near)  # orange and dark blue in limited range
    assert int(small.luma[32, 96]) == pytest.approx(29, abs=near)
    assert colourfulness(*small_chroma(small.native)) > 60


@pytest.mark.parametrize("max_side_px", [64, 128, 1000])
def test_a_kept_picture_holds_none_of_the_decoders_memory(make: Make, max_side_px: int) -> None:
    with open_video(str(make("kept.mkv", HALVES, "-c:v", "ffv1", "-pix_fmt", "yuv420p")), 10**8, 10**5) as video:
        _, frame = next(video.frames())
        native = shrink(frame, small_size(frame, 64)).native
        kept = copy_small(native, max_side_px)
        assert not any(np.shares_memory(*both) for both in zip(kept.samples, native.samples, strict=True))


@pytest.fixture(scope="module")
def sharpest(make: Make) -> Callable[[str], float]:
    """sharpest(size): the sharpness of one picture, detailed everywhere and grained, at this size."""
    drawn = "mandelbrot=s=3840x2160:r=25:start_scale=0.004:start_x=-0.7436:start_y=0.1318,trim=end_frame=1"

    def measured(size: str) -> float:
        scaled = f"{drawn},scale={size}:flags=area,noise=c0s=6:all_seed=1,format=yuv420p"
        with open_video(str(make(f"sharp{size}.mkv", scaled, "-c:v", "ffv1")), 10**8, 10**5) as video:
            _, frame = next(video.frames())
            return look(0, shrink(frame, (256, 144)).luma, (BLANK, BLANK)).sharpness

    return measured


@pytest.mark.parametrize("size", ["854x480", "1024x576", "1920x1080", "3840x2160"])
def test_sharpness_does_not_depend_on_the_videos_size(sharpest: Callable[[str], float], size: str) -> None:
    assert sharpest(size) == pytest.approx(sharpest("1280x720"), rel=0.3)


@pytest.mark.parametrize("size", ["640x360", "1280x720", "1922x1080", "3840x2160", "854x480", "426x240", "334x188"])
def test_small_frames_of_all_sizes_show_the_same(make: Make, size: str) -> None:
    path = make(
        f"size{size}.mkv", f"testsrc2=s=1280x720:r=25:d=0.1,scale={size}:flags=area,format=yuv420p", "-c:v", "ffv1"
    )
    whole = make("size.mkv", "testsrc2=s=1280x720:r=25:d=0.1,scale=256:144:flags=area,format=yuv420p", "-c:v", "ffv1")
    lumas = []
    for file in (path, whole):
        with open_video(str(file), 10**8, 10**5) as video:
            _, frame = next(video.frames())
            lumas.append(shrink(frame, (256, 144)).luma.astype(int))
    assert np.abs(lumas[0] - lumas[1]).mean() < 4
    assert abs(lumas[0].mean() - lumas[1].mean()) < 0.6


def test_hardware_frames_with_paired_chroma_are_read(make: Make) -> None:
    path = make("nv12.nut", HALVES, "-c:v", "rawvideo", "-pix_fmt", "nv12")
    small, bgr = first(path)
    assert small.native.samples[1].shape == (32, 64)
    assert bgr[32, 32].tolist() == pytest.approx([0, 128, 255], abs=18)
    assert bgr[32, 96].tolist() == pytest.approx([128, 0, 0], abs=18)


@pytest.mark.parametrize(("tint", "luma"), [("black", 0), ("white", 1), ("gray", 0.5)])
@pytest.mark.parametrize("codec", ["ffv1", "mjpeg"])
def test_brightness_runs_from_0_to_1_in_both_ranges(make: Make, tint: str, luma: float, codec: str) -> None:
    pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    path = make(f"{tint}_{codec}.mkv", f"color={tint}:s=64x64:d=0.2", "-c:v", codec, "-pix_fmt", pix_fmt)
    small = first(path)[0]
    assert look(0.0, small.luma, small_chroma(small.native)).luma == pytest.approx(luma, abs=0.02)


@pytest.mark.parametrize("matrix", ORIENTATIONS)
def test_turned_and_mirrored_video_is_displayed_as_ffmpeg_displays_it(
    make: Make, tmp_path: Path, matrix: tuple[int, int, int, int]
) -> None:
    plain = make("upright.mp4", QUARTERS, "-pix_fmt", "yuv420p", "-qp", "1")
    turned = tmp_path / "turned.mp4"
    turned.write_bytes(with_matrix(plain.read_bytes(), matrix))
    raw = ["-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "bgr24", "-"]
    shown = subprocess.run(
        [ffmpeg_path(), "-nostdin", "-v", "error", "-i", str(turned), *raw], check=True, capture_output=True
    )
    small, bgr = first(turned)
    assert np.abs(bgr.astype(int) - np.frombuffer(shown.stdout, np.uint8).reshape(bgr.shape)).mean() < 8
    assert small.luma.shape == ((64, 128) if matrix[0] else (256, 128))
    grey = cv2.cvtColor(cv2.resize(bgr, small.luma.shape[::-1]), cv2.COLOR_BGR2GRAY).astype(int)
    assert np.corrcoef(grey.ravel(), small.luma.ravel())[0, 1] > 0.99


def test_small_frames_keep_one_size_when_the_pictures_size_changes(make: Make, tmp_path: Path) -> None:
    parts = [make(f"{size}.ts", f"testsrc=s={size}:r=25:d=0.4", "-c:v", "libx264") for size in ("64x48", "48x96")]
    joined = tmp_path / "joined.ts"
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))
    with open_video(str(joined), 10**8, 10**5) as video:
        frames = [frame for _, frame in video.frames()]
        assert {(frame.width, frame.height) for frame in frames} == {(64, 48), (48, 96)}
        size = small_size(frames[0], 128)
        assert {shrink(frame, size).luma.shape for frame in frames} == {(96, 128)}


@pytest.mark.parametrize(("shape", "height_px"), [("640x4", 64), ("4x640", 1024)])
def test_strips_are_kept_within_bounds(make: Make, shape: str, height_px: int) -> None:
    path = make(f"strip{shape}.mkv", f"testsrc=s={shape}:d=0.1", "-c:v", "ffv1")
    assert first(path)[0].luma.shape == (height_px, 128)


def with_matrix(mp4: bytes, signs: tuple[int, int, int, int]) -> bytes:
    """The file with another display matrix in its track's header."""
    at = mp4.index(b"tkhd") + 4 + 40
    a, b, c, d = (sign * 2**16 for sign in signs)
    return mp4[:at] + struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 2**30) + mp4[at + 36 :]
