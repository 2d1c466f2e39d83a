"""Clips of the shots of one video: which frames they have and when these are shown."""

import random
from itertools import pairwise

import numpy as np
import pytest

from stages.core.timeline.clips import Clips, Clock, Shots, even_clock, make_clips, stored_clock


def shots_of(frames: list[tuple[int, int]], at_s: Clock | None = None) -> Shots:
    """Shots of these frames, at 25 fps or as the clock says."""
    start, end = (np.array(column, dtype=np.int64) for column in zip(*frames, strict=True))
    if at_s is None:
        return Shots(start, end, start / 25.0, end / 25.0)
    return Shots(start, end, np.interp(start, *at_s), np.interp(end, *at_s))


def spans(clips: Clips) -> list[tuple[int, int]]:
    return list(zip(clips.start_frame.tolist(), clips.end_frame.tolist(), strict=True))


def clips(frames: list[tuple[int, int]], at_cut: int = 0, at_gradual: int = 0, max_s: float = 10) -> Clips:
    shots = shots_of(frames)
    return make_clips(shots, even_clock(shots, 25), at_cut=at_cut, at_gradual=at_gradual, max_s=max_s)


def any_shots(chance: random.Random) -> list[tuple[int, int]]:
    """Frames of shots one after the other, some with a gradual transition between them."""
    edges = [0]
    for _ in range(2 * chance.randrange(1, 12) - 1):
        edges.append(edges[-1] + (chance.choice([1, 2, 5, 40, 400]) if len(edges) % 2 else chance.choice([0, 0, 9])))
    return list(zip(edges[::2], edges[1::2], strict=True))


def test_a_shot_within_the_limits_is_one_clip() -> None:
    made = clips([(0, 50), (50, 200)])
    assert spans(made) == [(0, 50), (50, 200)]
    assert made.start_s.tolist() == [0, 2]
    assert made.end_s.tolist() == [2, 8]


@pytest.mark.parametrize(("frames", "parts"), [(250, 1), (251, 2), (500, 2), (1500, 6), (2375, 10)])
def test_a_take_that_is_too_long_is_cut_into_equal_parts(frames: int, parts: int) -> None:
    made = clips([(0, frames)])
    lengths = np.diff(spans(made)).ravel()
    assert len(lengths) == parts
    assert lengths.max() - lengths.min() <= 1
    assert lengths.max() <= 250


def test_there_is_no_longest_clip_where_none_is_asked_for() -> None:
    assert spans(clips([(0, 10**6)], max_s=float("inf"))) == [(0, 10**6)]


def test_parts_are_never_shorter_than_a_frame() -> None:
    assert spans(clips([(0, 4)], max_s=0.001)) == [(0, 1), (1, 2), (2, 3), (3, 4)]


def test_a_margin_is_left_out_at_every_border_but_the_ends_of_the_video() -> None:
    frames = [(0, 50), (50, 90), (99, 200)]
    assert spans(clips(frames, 3, 7)) == [(0, 47), (53, 83), (106, 200)]
    assert spans(clips(frames, 3, 0)) == [(0, 47), (53, 90), (99, 200)]
    assert spans(clips(frames, 0, 7)) == [(0, 50), (50, 83), (106, 200)]
    assert spans(clips([(0, 200)], 3, 7)) == [(0, 200)]


def test_frames_that_a_conversion_mixed_at_a_cut_make_it_no_gradual_transition() -> None:
    shots = [(0, 100), (102, 200), (203, 300)]
    assert spans(clips(shots, at_cut=1, at_gradual=9)) == [(0, 99), (103, 191), (212, 300)]


def test_a_shot_of_which_margins_leave_nothing_is_told_and_left_whole() -> None:
    made = clips([(0, 50), (50, 56), (56, 63), (63, 64)], 3)
    assert spans(made) == [(0, 47), (50, 56), (59, 60), (63, 64)]
    assert made.short.tolist() == [False, True, False, True]


def test_clips_cover_every_shot_but_its_margins_without_gap_or_overlap() -> None:
    chance = random.Random(1)
    for _ in range(500):
        frames, max_s = any_shots(chance), chance.choice([0.5, 2, 1e9])
        at_cut, at_gradual = chance.choice([0, 0, 1, 3]), chance.choice([0, 2, 9])
        made = clips(frames, at_cut, at_gradual, max_s)
        found = spans(made)
        assert all(start < end for start, end in found)
        assert all(a[1] <= b[0] for a, b in pairwise(found))
        assert (made.end_s - made.start_s).max() <= max_s + 0.04
        margins = [0, *(at_gradual if a[1] < b[0] else at_cut for a, b in pairwise(frames)), 0]
        for (start, end), before, after in zip(frames, margins, margins[1:], strict=False):
            own = [span for span in found if start <= span[0] < end]
            assert all(a[1] == b[0] for a, b in pairwise(own))
            whole = (start, end) if start + before >= end - after else (start + before, end - after)
            assert (own[0][0], own[-1][1]) == whole


def test_frames_that_are_nearly_even_are_met_as_nearly() -> None:
    chance = np.random.default_rng(3)
    for fps in (24000 / 1001, 25, 30000 / 1001, 30, 60):
        true_s = 1.234 + np.arange(5001) / fps + np.append(0, chance.uniform(-0.0004, 0.0004, 5000))
        shots = shots_of([(0, 700), (700, 1901), (1910, 5000)], Clock(np.arange(5001), true_s))
        made = make_clips(shots, even_clock(shots, fps), at_cut=2, at_gradual=2, max_s=7)
        assert (made.start_s[0], made.end_s[-1]) == (true_s[0], true_s[5000])
        assert np.abs(made.start_s - true_s[made.start_frame]).max() < 0.00041
        assert np.abs(made.end_s - true_s[made.end_frame]).max() < 0.00041


def test_where_the_frame_rate_is_wrong_frames_are_even_within_each_shot() -> None:
    timed = Clock(np.array([0, 100, 200]), np.array([0.0, 4.0, 24.0]))
    shots = shots_of([(0, 100), (100, 200)], timed)
    made = make_clips(shots, even_clock(shots, 25), at_cut=10, at_gradual=10, max_s=100)
    assert spans(made) == [(0, 90), (110, 200)]
    assert made.end_s.tolist() == pytest.approx([3.6, 24.0])
    assert made.start_s.tolist() == pytest.approx([0.0, 6.0])


def test_unevenly_spaced_frames_have_their_own_times() -> None:
    chance = np.random.default_rng(2)
    for _ in range(100):
        n, first_us = int(chance.integers(20, 3000)), int(chance.integers(0, 10**9))
        steps_us = chance.choice([16667, 33333, 100_000, 2_000_000], n - 1).astype(np.int64)
        at_us = first_us + np.append(0, np.cumsum(steps_us.astype(np.int64)))
        at_s = np.append(at_us, at_us[-1] + 33333) / 1e6
        middle = n // 2
        shots = shots_of([(0, middle), (middle, n)], Clock(np.arange(n + 1), at_s))
        made = make_clips(shots, stored_clock(shots, first_us, steps_us), at_cut=3, at_gradual=3, max_s=10)
        assert made.start_s.tolist() == at_s[made.start_frame].tolist()
        assert made.end_s.tolist() == at_s[made.end_frame].tolist()
        assert (made.end_s - made.start_s).max() <= 10 + 2.1


def test_parts_are_of_equal_time_not_of_equal_frames() -> None:
    steps_us = np.array([20_000] * 500 + [1_000_000] * 10, dtype=np.int64)  # 10 s at 50 fps, 10 s at 1 fps
    shots = Shots(np.array([0]), np.array([511]), np.array([0.0]), np.array([20.02]))
    made = make_clips(shots, stored_clock(shots, 0, steps_us), at_cut=0, at_gradual=0, max_s=10.1)
    assert spans(made) == [(0, 500), (500, 511)]
    assert made.start_s.tolist() == pytest.approx([0, 10])


def test_a_frame_that_is_shown_for_long_is_never_cut() -> None:
    steps_us = np.array([40_000] * 25 + [60_000_000] + [40_000] * 24, dtype=np.int64)
    shots = Shots(np.array([0]), np.array([51]), np.array([0.0]), np.array([62.0]))
    made = make_clips(shots, stored_clock(shots, 0, steps_us), at_cut=0, at_gradual=0, max_s=10)
    assert spans(made) == [(0, 25), (25, 26), (26, 51)]
    assert made.end_s[-1] == 62.0
