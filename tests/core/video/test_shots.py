"""Shots and their key frames."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from stages.core.video.frames import shrink, small_size
from stages.core.video.key_frames import KeyFrame, KeyFrames
from stages.core.video.packets import open_video
from stages.core.video.shots import ShotDetector, spans


def detect(path: Path, detector: str, threshold: float) -> tuple[ShotDetector, list[KeyFrame], list[float]]:
    with open_video(str(path), 10**8, 10**5) as video:
        shots = ShotDetector(detector, threshold, 15, 0.6, video.facts.fps)
        key_frames = KeyFrames(100, 85, shots.delay_frames)
        times = []
        for time_s, frame in video.frames():
            times.append(time_s)
            key_frames.add(time_s, frame, shots.add(shrink(frame, small_size(frame, 64)).bgr))
        return shots, key_frames.finish(), times


@pytest.mark.parametrize(("detector", "threshold"), [("adaptive", 3.0), ("content", 27.0)])
def test_cuts_are_found_at_their_frames(three_shots: Path, detector: str, threshold: float) -> None:
    shots, _, times = detect(three_shots, detector, threshold)
    assert shots.cuts == [30, 75]
    assert int(np.argmax(shots.scores)) in (30, 75)
    assert len(shots.scores) == 120
    assert spans(shots.cuts, times, 4.8)[1] == {
        "shot": 1, "start_frame": 30, "end_frame": 75, "start_s": pytest.approx(1.2), "end_s": pytest.approx(3.0),
    }  # fmt: skip


def test_one_take_is_one_shot(wall: Callable[[float], Path]) -> None:
    shots, key_frames, times = detect(wall(0.15), "adaptive", 3)
    assert shots.cuts == []
    assert [s["end_frame"] for s in spans(shots.cuts, times, 2.0)] == [50]
    assert [k.position for k in key_frames] == ["first", "middle", "last"]


@pytest.mark.parametrize(("detector", "threshold"), [("adaptive", 3.0), ("content", 27.0)])
def test_key_frames_are_jpegs_of_their_own_shot(three_shots: Path, detector: str, threshold: float) -> None:
    _, key_frames, _ = detect(three_shots, detector, threshold)
    assert [(k.shot, k.position) for k in key_frames] == [
        (shot, position) for shot in range(3) for position in ("first", "middle", "last")
    ]
    assert [k.time_s for k in key_frames if k.position == "first"] == pytest.approx([0, 1.2, 3.0])
    assert [k.time_s for k in key_frames if k.position == "last"] == pytest.approx([1.16, 2.96, 4.76])
    assert [k.time_s for k in key_frames if k.position == "middle"] == pytest.approx([0.58, 2.08, 3.88], abs=0.13)
    for key_frame in key_frames:
        bgr = cv2.imdecode(np.frombuffer(key_frame.jpeg, np.uint8), cv2.IMREAD_COLOR)
        assert bgr is not None
        assert bgr.shape == (56, 100, 3) == (key_frame.height_px, key_frame.width_px, 3)
        tint = ([0, 0, 255], [255, 0, 0], [255, 255, 255])[key_frame.shot]
        assert bgr[28, 50].tolist() == pytest.approx(tint, abs=6)


def test_middles_of_a_long_shot_stay_few_and_near_the_middle(make: Callable[..., Path]) -> None:
    path = make("long.mp4", "color=gray:s=32x32:r=2:d=200", "-pix_fmt", "yuv420p", "-preset", "ultrafast")
    with open_video(str(path), 10**8, 10**5) as video:
        key_frames = KeyFrames(100, 85, 2)
        kept = []
        for time_s, frame in video.frames():
            key_frames.add(time_s, frame, [])
            kept.append(len(key_frames._middles) + len(key_frames._recent))
        middle = key_frames.finish()[1]
    assert max(kept) <= 8 + 4
    assert middle.time_s == pytest.approx(100, abs=200 / 8)


def test_shots_are_no_shorter_than_asked() -> None:
    shots = ShotDetector("content", 27, 15, 1.0, Fraction(10))
    for number in range(60):
        shots.add(np.full((32, 64, 3), 250 if number // 4 % 2 else 5, np.uint8))
    assert shots.cuts
    assert min(np.diff([0, *shots.cuts])) >= 10
