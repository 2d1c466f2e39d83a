"""Freezes, motion and the gathering of samples into seconds, on clips with known truth."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from stages.core.video.frames import shrink, small_size
from stages.core.video.freeze import FreezeDetector, Span, share
from stages.core.video.look import Look
from stages.core.video.motion import MotionMeter, Sample, within_shots
from stages.core.video.packets import open_video
from stages.core.video.signals import per_second

Make = Callable[..., Path]


def measure(path: Path) -> tuple[list[Span], list[Sample]]:
    with open_video(str(path), 10**8, 10**5) as video:
        freezes, motion = FreezeDetector(0.001, 1.0), MotionMeter(4, 0.06)
        for time_s, frame in video.frames():
            small = shrink(frame, small_size(frame, 256))
            freezes.add(time_s, small.yuv)
            motion.add(time_s, small.luma)
        return freezes.finish(time_s + float(1 / video.facts.fps)), motion.samples


def test_freeze_is_found_within_two_frames(make: Make) -> None:
    still = "testsrc2=s=160x90:r=25:d=1.6,loop=loop=50:size=1:start=30,setpts=N/25/TB"  # frame 30 is shown 51 times
    spans, _ = measure(make("freeze.mp4", still, "-pix_fmt", "yuv420p"))
    assert len(spans) == 1
    assert spans[0] == pytest.approx((30 / 25, 81 / 25), abs=2 / 25)


def test_video_that_is_still_to_its_end_is_frozen_all_along(make: Make) -> None:
    spans, samples = measure(
        make("still.mp4", "testsrc=s=160x90:r=25,trim=end_frame=1,loop=49:1", "-pix_fmt", "yuv420p")
    )
    assert share(spans, 0, 2) == pytest.approx(1)
    assert max(sample.widths_per_s for sample in samples) < 0.002


@pytest.mark.parametrize("speed", [0.02, 0.15, 0.6, 1.2])
def test_motion_is_the_speed_of_a_pan_in_either_direction(wall: Callable[[float], Path], speed: float) -> None:
    for signed in (speed, -speed):
        spans, samples = measure(wall(signed))
        assert spans == []
        assert len(samples) == pytest.approx(8, abs=1)
        assert np.mean([sample.widths_per_s for sample in samples]) == pytest.approx(speed, rel=0.25)


def test_motion_of_a_very_wide_strip_is_measured(make: Make) -> None:
    _, samples = measure(make("strip.mkv", "testsrc2=s=640x8:r=25:d=1", "-c:v", "ffv1"))
    assert len(samples) == 4


def test_motion_is_measured_where_frames_are_rarer_than_samples() -> None:
    motion = MotionMeter(per_s=4, gap_s=0.06)
    for second in range(4):
        motion.add(float(second), np.zeros((32, 64), np.uint8))
    assert [(s.start_s, s.end_s) for s in motion.samples] == [(0, 1), (1, 2), (2, 3)]


def test_motion_across_a_cut_is_left_out() -> None:
    samples = [Sample(start, end, 1.0) for start, end in pairwise([0.0, 1.0, 2.0, 3.0])]
    assert within_shots(samples, [1.5]) == [samples[0], samples[2]]
    assert within_shots(samples, [2.0]) == [samples[0], samples[2]]
    assert within_shots(samples, []) == samples


def test_seconds_hold_means_peaks_and_shares_and_null_where_nothing_was_seen() -> None:
    seconds = per_second(
        3.2,
        looks=[Look(0.0, 0.2, 10), Look(0.5, 0.4, 30), Look(3.0, 1.0, 5)],
        motion=[Sample(0.9, 1.1, 0.5)],
        frozen=[(0.75, 3.1)],
        times_s=[0.0, 0.5, 3.0],
        cut_scores=[0.0, 7.0, 2.0],
    )
    assert [s["second"] for s in seconds] == [0, 1, 2, 3]
    assert [s["luma"] for s in seconds] == [pytest.approx(0.3), None, None, 1.0]
    assert [s["sharpness"] for s in seconds] == [20.0, None, None, 5.0]
    assert [s["motion"] for s in seconds] == [0.5, None, None, None]
    assert [s["frozen"] for s in seconds] == pytest.approx([0.25, 1, 1, 0.5])
    assert [s["cut_score"] for s in seconds] == [7.0, None, None, 2.0]
