"""Which frames belong to which clip."""

import polars as pl
import pytest

from stages.core.frames.choose import choose_frames, make_jobs, split_job, spread_frames


def frames(times: dict[str, list[float]], shots: dict[str, list[int]] | None = None) -> pl.DataFrame:
    rows = [(video, time_s) for video, own in times.items() for time_s in own]
    table = pl.DataFrame(rows, schema={"video_id": pl.String, "time_s": pl.Float64}, orient="row")
    if shots:
        table = table.with_columns(shot=pl.Series([shot for own in shots.values() for shot in own]))
    return table.with_columns(file=pl.lit("part"), row=pl.int_range(pl.len()))


def chosen(items: pl.DataFrame, there: pl.DataFrame, most: int | None = None) -> dict[int, list[float]]:
    """The times of each item's frames."""
    found = choose_frames(items, there, most)
    by_item = found.group_by("item", maintain_order=True).agg("time_s", "number")
    assert all(numbers == list(range(len(numbers))) for numbers in by_item["number"].to_list())
    return dict(zip(by_item["item"], by_item["time_s"].to_list(), strict=True))


def test_a_video_has_all_its_frames_and_a_clip_those_inside_it() -> None:
    there = frames({"a": [0.0, 2.0, 4.0], "b": [1.0], "other": [0.0]})
    assert chosen(pl.DataFrame({"video_id": ["b", "a"]}), there) == {0: [1.0], 1: [0.0, 2.0, 4.0]}
    clips = pl.DataFrame({"video_id": ["a", "a", "b"], "start_s": [0.0, 2.0, 0.0], "end_s": [2.0, 9.0, 2.0]})
    assert chosen(clips, there) == {0: [0.0], 1: [2.0, 4.0], 2: [1.0]}


def test_a_clip_without_a_frame_has_the_nearest_of_its_shot_else_of_its_video() -> None:
    there = frames({"a": [0.0, 10.0, 21.0]}, {"a": [0, 0, 1]})
    clips = pl.DataFrame({"video_id": ["a", "a"], "start_s": [15.0, 15.0], "end_s": [19.0, 19.0], "shot": [0, 7]})
    assert chosen(clips, there) == {0: [10.0], 1: [21.0]}


def test_a_video_without_frames_has_none() -> None:
    assert chosen(pl.DataFrame({"video_id": ["gone"]}), frames({"a": [0.0]})) == {}


@pytest.mark.parametrize(
    ("most", "wanted"),
    [
        (1, [5]),
        (2, [0, 9]),
        (3, [0, 4, 9]),
        (9, [0, 1, 2, 3, 4, 6, 7, 8, 9]),
        (10, list(range(10))),
        (50, list(range(10))),
    ],
)
def test_so_many_frames_at_even_distances(most: int, wanted: list[int]) -> None:
    there = frames({"a": [float(n) for n in range(10)]})
    assert chosen(pl.DataFrame({"video_id": ["a"]}), there, most)[0] == pytest.approx(wanted)


@pytest.mark.parametrize("count", [1, 2, 3, 7, 299, 300])
@pytest.mark.parametrize("most", [1, 2, 5, 24])
def test_never_more_nor_fewer_than_asked_or_there(count: int, most: int) -> None:
    there = frames({"a": [float(n) for n in range(count)]})
    assert len(chosen(pl.DataFrame({"video_id": ["a"]}), there, most)[0]) == min(most, count)


def test_jobs_hold_every_frame_once_each_file_in_its_order() -> None:
    table = pl.DataFrame({"file": ["b", "a", "b", "b"], "row": [7, 3, 1, 9]})
    jobs = list(make_jobs(table, 512, size=2))
    assert [(job["file"], job["row"], job["places"]) for job in jobs] == [
        ("b", [1, 7], [2, 0]), ("b", [9], [3]), ("a", [3], [1])
    ]  # fmt: skip
    assert [(job["row"], job["places"]) for job in split_job(jobs[0])] == [([1], [2]), ([7], [0])]


def test_frames_at_even_times_lie_in_the_middles_of_equal_parts_of_each_clip_and_go_by_video() -> None:
    clips = pl.DataFrame({"path": ["b", "a", "b"], "start_s": [4.0, 0.0, 0.0], "end_s": [8.0, 1.0, 2.0]})
    spread = spread_frames(clips, 2)
    assert spread["item"].to_list() == [0, 0, 1, 1, 2, 2]
    first, second = make_jobs(spread, 512)
    assert (first["file"], first["places"]) == ("b", [4, 5, 0, 1])
    assert (first["start_s"], first["end_s"]) == ([0.0, 0.0, 4.0, 4.0], [2.0, 2.0, 8.0, 8.0])
    assert first["share"] == [0.25, 0.75, 0.25, 0.75]
    assert (second["file"], second["places"]) == ("a", [2, 3])
    assert [(job["places"], job["share"]) for job in split_job(second)] == [([2], [0.25]), ([3], [0.75])]


def test_a_video_without_clips_has_frames_from_its_start_to_its_end() -> None:
    (job,) = make_jobs(spread_frames(pl.DataFrame({"path": ["a"]}), 3), 512)
    assert (job["start_s"], job["end_s"]) == ([None] * 3, [None] * 3)
    assert job["share"] == pytest.approx([1 / 6, 1 / 2, 5 / 6])
