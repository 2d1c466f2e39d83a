"""Which frames of a clip are paired: those that are shown at even times, as often as they are."""

from collections.abc import Sequence

import pytest
from av.video.frame import VideoFrame

from stages.core.video.flow.sampler import Sampler


def pairs(times_s: Sequence[float], end_s: float, every_s: float = 0.5) -> list[tuple[int, int]]:
    """The numbers of the frames that are paired, of frames at these times."""
    frames = [VideoFrame(16, 16, "gray") for _ in times_s]
    numbers = {id(frame): number for number, frame in enumerate(frames)}
    sampler = Sampler(every_s, lambda frame: numbers[id(frame)])
    for time_s, frame in zip(times_s, frames, strict=True):
        sampler.add(time_s, frame, 0.04)
    sampler.finish(end_s)
    return sampler.pairs


def test_each_frame_is_paired_with_the_one_that_is_shown_half_a_second_later() -> None:
    assert pairs([n / 25 for n in range(50)], 2.0) == [(0, 12), (12, 25), (25, 37)]
    assert pairs([n / 24 for n in range(50)], 2.1, 1.0) == [(0, 24), (24, 48)]


def test_times_count_from_the_clips_first_frame_and_stop_before_its_end() -> None:
    times_s = [7.31 + n / 10 for n in range(11)]
    assert pairs(times_s[:10], 8.31) == [(0, 5)]
    assert pairs(times_s, 8.41) == [(0, 5), (5, 10)]


def test_times_that_a_container_has_rounded_count_as_they_were_meant() -> None:
    assert pairs([0.0, 0.2, 0.4997, 0.8, 0.9996], 1.2) == [(0, 2), (2, 4)]


def test_a_frame_that_is_shown_for_long_is_paired_with_itself() -> None:
    assert pairs([0.0, 1.7], 2.4) == [(0, 0), (0, 0), (0, 0), (0, 1)]


@pytest.mark.parametrize("times_s", [[], [0.0], [0.0, 0.2, 0.4]])
def test_a_clip_that_is_shorter_than_the_time_between_two_has_no_pair(times_s: list[float]) -> None:
    assert pairs(times_s, 0.5) == []
