"""The points of a sweep beside each other, and the rows on which they differ."""

from collections.abc import Callable

import polars as pl
import pytest

from slurm.record.manifest import Step
from stages.core.report.content.contested import choose_contested
from stages.core.report.flow.sweeps import MATRIX, read_sweeps

Make = Callable[..., Step]
Table = Callable[..., pl.DataFrame]


@pytest.fixture
def swept(make: Make, clips: Table, verdicts: Table) -> Step:
    """A filter and three points of it over four clips of a video with key frames; a fourth is not finished."""
    pictures = {
        "video_id": ["v"] * 4,
        "shot": [0, 1, 2, 3],
        "position": ["first"] * 4,
        "time_s": [1.0, 11.0, 21.0, 31.0],
    }
    frames = pl.DataFrame({**pictures, "jpeg": [b"0", b"1", b"2", b"3"]})
    make("analyze", pl.DataFrame({"video_id": ["v"], "title": ["A <title>"]}), tables={"key_frames": frames})
    make("split", clips([3600.0, 1800.0, 900.0, 60.0]), ("analyze",))
    make("filter@score.min=10", verdicts(None, *["score.min"] * 3), ("split",))
    make("filter@score.min=0.5", verdicts(None, None, "score.min", "luma.max"), ("split",))
    make("filter@score.min=2", verdicts(*["score.min"] * 4), ("split",))
    open_step = make("filter@score.min=3", verdicts(None), ("split",))
    open_step.paths.done(0).unlink()
    return make("filter", verdicts(None, None, None, None), ("split",))


def test_points_stand_beside_the_run_in_the_order_of_their_values(swept: Step) -> None:
    (sweep,) = read_sweeps(swept.run)
    assert sweep.name == "filter"
    assert [point.words for point in sweep.points] == ["", "score.min=0.5", "score.min=2", "score.min=10"]
    assert [point.flow.kept for point in sweep.points] == [(4, 6360.0, 0), (2, 5400.0, 0), (0, 0.0, 0), (1, 3600.0, 0)]
    assert [(loss.reason, loss.amount.rows) for loss in sweep.points[1].flow.losses] == [
        ("luma.max", 1),
        ("score.min", 1),
    ]
    assert sweep.unfinished == ["filter@score.min=3"]


def test_overlap_is_the_share_of_what_either_keeps(swept: Step) -> None:
    (sweep,) = read_sweeps(swept.run)
    assert sweep.overlap == [
        [None, 0.5, 0.0, 0.25],
        [0.5, None, 0.0, 0.5],
        [0.0, 0.0, None, 0.0],
        [0.25, 0.5, 0.0, None],
    ]


def test_of_many_points_the_overlap_with_the_one_above_is_shown(make: Make, verdicts: Table) -> None:
    for n in range(MATRIX + 1):
        make(f"filter@score.min={n}", verdicts(None, None if n < 5 else "score.min"))
    (sweep,) = read_sweeps(make("ingest", verdicts(None)).run)
    assert [len(shares) for shares in sweep.overlap] == [0, *[1] * MATRIX]
    assert [share for shares in sweep.overlap for share in shares] == [*[1.0] * 4, 0.5, *[1.0] * 3]


def test_rows_on_which_points_differ_are_shown_with_who_keeps_them(swept: Step) -> None:
    (sweep,) = read_sweeps(swept.run)
    shown = choose_contested(sweep, 10)
    assert {one.picture.id: one.kept for one in shown} == {
        "c0": [True, True, False, True],
        "c1": [True, True, False, False],
        "c2": [True, False, False, False],
        "c3": [True, False, False, False],
    }
    assert {one.picture.title for one in shown} == {"A <title>"}
    assert len(choose_contested(sweep, 2)) == 2
    assert choose_contested(sweep, 0) == []


def test_a_run_without_points_has_no_sweep(make: Make, verdicts: Table) -> None:
    assert read_sweeps(make("filter", verdicts(None)).run) == []


def test_points_with_other_rows_are_compared_by_what_they_keep(make: Make, clips: Table) -> None:
    frames = pl.DataFrame({"video_id": ["v"], "shot": [0], "position": ["first"], "time_s": [1.0], "jpeg": [b"0"]})
    make("analyze", pl.DataFrame({"video_id": ["v"]}), tables={"key_frames": frames})
    few, many = clips([5.0] * 2), clips([5.0] * 5)
    other = few.with_columns(clip_id="x" + pl.col("clip_id"))
    for value, rows in ((2, few), (4, many.reverse()), (8, other)):
        make(f"split@min_s={value}", rows, ("analyze",))
    (sweep,) = read_sweeps(make("ingest", few).run)
    assert [point.flow.kept.rows for point in sweep.points] == [2, 5, 2]
    assert sweep.overlap == [[None, 0.4, 0.0], [0.4, None, 0.0], [0.0, 0.0, None]]
    kept = {one.picture.id: one.kept for one in choose_contested(sweep, 10)}
    assert [kept.pop(clip) for clip in ("c0", "c1")] == [[True, True, False]] * 2
    assert [kept.pop(clip) for clip in ("c2", "c3", "c4")] == [[False, True, False]] * 3
    assert kept == {clip: [False, False, True] for clip in ("xc0", "xc1")}
