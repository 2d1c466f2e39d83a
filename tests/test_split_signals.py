"""The signals of a clip: the values of the seconds that are its own."""

import random

import polars as pl
import pytest

from stages.core.schema.clip import CLIP
from stages.core.schema.second import CLIP_SIGNALS, SIGNALS
from stages.core.timeline.measures import with_signals


def signals(seconds: int) -> pl.DataFrame:
    """Signals whose motion is the number of their second."""
    rows = [{"video": 0, "second": n, "luma": 0.5, "motion": float(n), "frozen": 0.0} for n in range(seconds)]
    return pl.DataFrame(rows, schema={"video": pl.UInt32, **SIGNALS}).drop("video_id")


def with_values(spans: list[tuple[float, float]], seconds: int = 20) -> pl.DataFrame:
    rows = [{"video": 0, "start_s": start, "end_s": end} for start, end in spans]
    return with_signals(pl.DataFrame(rows, schema={"video": pl.UInt32, **CLIP}), signals(seconds))


def motion(*spans: tuple[float, float]) -> list[list[float]]:
    return with_values(list(spans))["motion"].to_list()


def test_a_clip_has_the_seconds_that_lie_in_it_by_half_at_least() -> None:
    assert motion((0.0, 3.0), (3.0, 4.4), (4.4, 6.2), (6.2, 9.7)) == [[0, 1, 2], [3], [4, 5], [6, 7, 8, 9]]
    assert motion((2.5, 4.5), (2.51, 4.49)) == [[2, 3, 4], [3]]


def test_a_short_clip_has_the_second_around_its_middle() -> None:
    assert motion((7.2, 7.6), (7.7, 8.2), (7.9, 8.4), (7.6, 8.4), (7.0, 7.04)) == [[7], [7], [8], [8], [7]]


def test_a_border_that_misses_a_half_by_a_rounding_error_is_on_it() -> None:
    assert motion((2.4999999, 4.5000001), (2.5000001, 4.4999999)) == [[2, 3, 4], [2, 3, 4]]


def test_no_value_comes_from_a_second_that_is_mostly_another_shots() -> None:
    chance = random.Random(8)
    spans = [
        (start, start + chance.choice([0.1, 0.7, 1, 1.4, 9])) for start in (chance.uniform(0, 9) for _ in range(999))
    ]
    for (start, end), values in zip(spans, motion(*spans), strict=True):
        inside = [min(end, second + 1) - max(start, second) for second in values]
        assert values == list(range(int(values[0]), int(values[-1]) + 1))
        assert min(inside) >= min(0.499, (end - start) / 2 - 0.001)
        assert sum(inside) >= end - start - 1.001


def test_seconds_without_a_value_are_left_out() -> None:
    made = with_values([(18.0, 25.0), (30.0, 31.0)])
    assert made["motion"].to_list() == [[18.0, 19.0], []]
    assert made["sharpness"].to_list() == [[], []]
    assert made.select(CLIP_SIGNALS).schema == pl.Schema({name: CLIP[name] for name in CLIP_SIGNALS})


def test_values_are_of_the_clips_own_video() -> None:
    both = pl.concat([signals(5), signals(5).with_columns(pl.col("motion") + 100, video=pl.lit(1, pl.UInt32))])
    rows = [{"video": video, "start_s": 1.0, "end_s": 3.0} for video in (1, 0, 1)]
    made = with_signals(pl.DataFrame(rows, schema={"video": pl.UInt32, **CLIP}), both)
    assert made["motion"].to_list() == [[101, 102], [1, 2], [101, 102]]
    assert made["luma"].to_list() == [pytest.approx([0.5, 0.5])] * 3


def test_signals_that_an_older_analyze_did_not_give_have_no_values() -> None:
    rows = [{"video": 0, "start_s": 0.0, "end_s": 3.0}]
    clips = pl.DataFrame(rows, schema={"video": pl.UInt32, **CLIP})
    known = signals(5).with_columns(camera=pl.lit(0.1))
    made = with_signals(clips, known.drop("pan_x", "pan_y", "zoom", "roll"))
    assert made["motion"].to_list() == [[0, 1, 2]]
    assert (made["pan_x"].to_list(), made["roll"].to_list(), made["camera_move"].to_list()) == ([[]], [[]], [None])
    with_all = known.with_columns(pan_x=pl.lit(-0.1), pan_y=pl.lit(0.0), zoom=pl.lit(0.0), roll=pl.lit(0.0))
    assert with_signals(clips, with_all)["camera_move"].to_list() == ["pan_left"]
