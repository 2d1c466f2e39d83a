"""Reading packets and sync frames: nothing else reaches the decoder, whatever the codec."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from slurm.errors import ItemError
from stages.core.video.read.packets import open_video
from stages.core.video.read.sync import Sizes, SyncFrames

Make = Callable[..., Path]
BIG, LONG = 10**8, 10**5
PICTURE = "testsrc2=s=160x96:r=25:d=4"
CODECS = {
    "h264.mp4": ("-c:v", "libx264", "-g", "25", "-sc_threshold", "0"),
    "open.ts": ("-c:v", "libx264", "-x264-params", "open-gop=1:keyint=25:min-keyint=25:scenecut=0"),
    "hevc.mp4": ("-c:v", "libx265", "-x265-params", "keyint=25:min-keyint=25:scenecut=0:log-level=none"),
    "vp9.webm": ("-c:v", "libvpx-vp9", "-g", "25", "-deadline", "realtime", "-cpu-used", "8"),
    "av1.mkv": ("-c:v", "libsvtav1", "-preset", "12", "-svtav1-params", "keyint=25:scd=0"),
    "mpeg2.mpg": ("-c:v", "mpeg2video", "-g", "25", "-sc_threshold", "1000000000"),
    "mjpeg.avi": ("-c:v", "mjpeg"),
}


def sync(path: Path, every_s: float = 0.5) -> tuple[list[float], Sizes, int]:
    """Times of the sync frames that were decoded, all packets, decode errors."""
    with open_video(str(path), BIG, LONG) as video:
        reader = SyncFrames(video, every_s)
        times = [frame.time_s for frame in reader.frames()]
        return times, reader.packets(), video.decode_errors


@pytest.mark.parametrize("name", CODECS)
def test_sync_frames_alone_are_decoded_with_their_own_times(make: Make, name: str) -> None:
    path = make(f"sync_{name}", PICTURE, "-pix_fmt", "yuvj420p" if "mjpeg" in name else "yuv420p", *CODECS[name])
    times, packets, errors = sync(path)
    every = 0.52 if "mjpeg" in name else 1.0  # there each frame is a sync frame, and they are taken from 0.5 s on
    assert times == pytest.approx(np.arange(0, 4, every)[: len(times)], abs=0.05)
    assert len(times) == pytest.approx(4 / every, abs=1)
    assert errors == 0
    assert len(packets.bytes) == pytest.approx(100, abs=2)
    assert packets.bytes.sum() <= path.stat().st_size
    assert (np.diff(packets.time_s) >= 0).all()
    assert packets.sync.sum() >= len(times)


@pytest.mark.parametrize("name", ["h264.mp4", "vp9.webm", "av1.mkv"])
def test_sync_frames_are_the_frames_that_a_whole_decode_gives_at_their_times(make: Make, name: str) -> None:
    path = make(f"sync_{name}", PICTURE, "-pix_fmt", "yuv420p", *CODECS[name])
    with open_video(str(path), BIG, LONG) as video:
        whole = {round(time_s, 3): frame.to_ndarray() for time_s, frame in video.frames()}
    with open_video(str(path), BIG, LONG) as video:
        for found in SyncFrames(video, 0.5).frames():
            assert (found.frame.to_ndarray() == whole[round(found.time_s, 3)]).all()


def test_what_lies_between_two_sync_frames_is_told_with_the_second(make: Make) -> None:
    path = make("sync_h264.mp4", PICTURE, "-pix_fmt", "yuv420p", *CODECS["h264.mp4"])
    with open_video(str(path), BIG, LONG) as video:
        reader = SyncFrames(video, 0.5)
        first, second, *_ = [frame.bytes_before for frame in reader.frames()]
        packets = reader.packets()
    between = packets.bytes[(packets.time_s > 0) & (packets.time_s < 1) & ~packets.sync]
    assert first == np.inf
    assert second == pytest.approx(between.mean())


def test_a_file_without_a_readable_sync_frame_has_its_code(make: Make, tmp_path: Path) -> None:
    whole = make("for_blank.mp4", "testsrc=s=160x90:r=25:d=1", "-movflags", "+faststart", "-pix_fmt", "yuv420p")
    data = whole.read_bytes()
    media = data.index(b"mdat") + 4
    (blank := tmp_path / "blank.mp4").write_bytes(data[:media] + bytes(len(data) - media))
    with pytest.raises(ItemError) as caught:
        sync(blank)
    assert caught.value.code == "no_frames"


def test_a_torn_file_gives_what_was_readable(make: Make, tmp_path: Path) -> None:
    whole = make("sync_h264.mkv", PICTURE, "-pix_fmt", "yuv420p", *CODECS["h264.mp4"])
    (torn := tmp_path / "torn.mkv").write_bytes(whole.read_bytes()[: int(whole.stat().st_size * 0.6)])
    times, packets, _ = sync(torn)
    assert 2 <= len(times) < 4
    assert 40 < len(packets.bytes) < 90
