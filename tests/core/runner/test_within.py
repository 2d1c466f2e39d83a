"""Which rows of a video's table lie within its clips."""

from typing import Any

import polars as pl
import pytest

from stages.core.runner.within import gather_within

KEYS = ["clip_id", "video_id"]
CLIPS = pl.DataFrame(
    {"clip_id": ["a0", "b0", "a1"], "video_id": ["a", "b", "a"], "start_s": [0.0, 0.0, 2.0], "end_s": [2.0, 9.0, 4.5]}
)


def lists(rows: list[dict[str, Any]], clips: pl.DataFrame = CLIPS) -> list[list[Any] | None]:
    """The list of `value` of each clip."""
    table = pl.DataFrame([{"value": number, **row} for number, row in enumerate(rows)])
    found = gather_within(clips, table.lazy(), KEYS, {"x": "value"})
    assert found["clip_id"].equals(clips["clip_id"])
    return found["x"].to_list()


def test_frames_lie_in_the_clip_that_begins_at_or_before_their_time() -> None:
    times = [("a", 0.0), ("a", 1.99), ("a", 2.0), ("b", 8.9), ("a", 4.5), ("c", 1.0), ("a", None)]
    assert lists([{"video_id": video, "time_s": at} for video, at in times]) == [[0, 1], [3], [2]]


def test_a_second_belongs_to_the_clip_in_which_half_of_it_lies() -> None:
    rows = [{"video_id": "a", "second": n} for n in range(6)]
    assert lists(rows) == [[0, 1], None, [2, 3, 4]]
    short = pl.DataFrame({"clip_id": ["s"], "video_id": ["a"], "start_s": [2.7], "end_s": [3.1]})
    assert lists(rows, short) == [[2]]


def test_shots_lie_where_they_overlap_and_cuts_between_the_ends() -> None:
    spans = [(0.0, 2.0), (1.9, 2.1), (2.0, 4.5), (2.0, 2.0), (3.0, 3.0), (4.5, 6.0), (0.0, 0.0), (1.9999, 3.0)]
    rows = [{"video_id": "a", "start_s": start, "end_s": end} for start, end in spans]
    assert lists(rows) == [[0, 1], None, [1, 2, 4, 7]]


@pytest.mark.parametrize("clips", [CLIPS, CLIPS.drop("end_s")])
def test_without_times_a_clip_has_all_rows_of_its_video(clips: pl.DataFrame) -> None:
    assert lists([{"video_id": "a"}, {"video_id": "b"}, {"video_id": "a"}], clips) == [[0, 2], [1], [0, 2]]


def test_the_order_of_rows_is_kept_and_no_item_has_no_list() -> None:
    assert lists([{"video_id": "a", "time_s": at} for at in (1.0, 0.5, 0.0)])[0] == [0, 1, 2]
    assert lists([{"video_id": "a", "time_s": 0.0}], CLIPS.clear()) == []
