"""A video in parts of bearable length that end at cuts; its shots with what was measured, and what is said."""

from typing import Any

import pytest

from stages.core.text.annotation.timeline import Line, Timeline, make_timeline


def timeline(*begins_s: float, duration_s: float = 100.0, lines: tuple[Line, ...] = ()) -> Timeline:
    return Timeline(duration_s, begins_s, lines, [0.1] * 50 + [None] * 50)


def test_a_short_video_is_one_part_and_a_long_one_has_parts_alike_that_end_at_cuts() -> None:
    assert timeline(0.0, 40.0).parts(100.0) == [(0.0, 100.0)]
    assert timeline(0.0, 40.0, 53.0).parts(60.0) == [(0.0, 53.0), (53.0, 100.0)]
    assert timeline(0.0, 20.0).parts(60.0) == [(0.0, 50.0), (50.0, 100.0)], "no cut is near"
    borders = timeline(*range(0, 10800, 7), duration_s=10800.0).parts(300.0)
    assert len(borders) == 36
    assert all(start < end <= start + 310 and start % 7 == 0 for start, end in borders)


def test_shots_are_listed_with_what_was_measured_and_many_as_few() -> None:
    lines = (Line(0.0, 5.0, "a"), Line(4.0, 8.0, "b"), Line(70.0, 71.0, "c"))
    first, second, third = timeline(0.0, 10.0, 60.0, lines=lines).shots(0.0, 100.0, 60)
    assert [first.motion, second.motion] == pytest.approx([0.1, 0.1])
    assert third.motion is None
    assert (first.speech, second.speech) == (0.8, 0.0)
    assert third.speech == pytest.approx(1 / 40)
    assert timeline(0.0, 10.0).shots(0.0, 100.0, 60)[0].speech is None, "no transcript: nothing is known of speech"
    few = timeline(*range(100)).shots(20.5, 80.0, 10)
    assert (few[0].start_s, few[-1].end_s, len(few), sum(shot.shots for shot in few)) == (20.5, 80.0, 10, 60)


def test_what_is_said_in_a_part_ends_where_it_would_be_too_long() -> None:
    said = timeline(lines=tuple(Line(float(n), n + 1.0, "word " * 10) for n in range(100))).said(50.0, 90.0, 80)
    assert [one["start"] for one in said] == [f"00:00:{second}.000" for second in range(50, 55)]


def test_lines_come_in_order_in_the_time_of_the_file_and_nothing_is_no_line() -> None:
    columns: list[list[Any]] = [[20.0, 10.0, None, 30.0], [21.0, 11.0, 5.0, 31.0], [" b\n c ", "a", "x", " "]]
    made = make_timeline(100.0, [10.0, 0.0], columns, [[2, 0], [0.5, 0.25]], offset_s=5.0)
    assert made.lines == [Line(5.0, 6.0, "a"), Line(15.0, 16.0, "b c")]
    assert (made.begins_s, made.motion) == ([0.0, 10.0], [0.25, None, 0.5])
    assert make_timeline(100.0, [0.0], [(), (), ()], [(), ()]).lines == []
