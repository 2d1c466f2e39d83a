"""Clips: parts of shots without a gap, with the signals of their seconds."""

import random
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from support.steps import cluster, finish, made_step

from slurm.signals import Stop
from stages.core.schema import CLIP, SHOTS, SIGNALS
from stages.core.work import Work
from stages.split import Config, clips_of_shot, with_signals


def clips(frames: tuple[int, int], times_s: tuple[float, float], min_s: float = 2, max_s: float = 10) -> list[Any]:
    return clips_of_shot("v", 3, frames, times_s, Config(min_s, max_s))


def test_a_shot_within_the_limits_is_one_clip() -> None:
    (clip,) = clips((50, 200), (2.0, 8.0))
    assert clip == {
        "clip_id": "v_50_200", "video_id": "v", "shot": 3, "start_s": 2.0, "end_s": 8.0, "duration_s": 6.0,
        "drop_reason": None,
    }  # fmt: skip


@pytest.mark.parametrize(("end_s", "reason"), [(1.96, "too_short"), (2.0, None), (2.04, None)])
def test_a_shot_that_is_too_short_is_a_row_with_its_reason(end_s: float, reason: str | None) -> None:
    (clip,) = clips((0, round(end_s * 25)), (0.0, end_s))
    assert clip["drop_reason"] == reason


@pytest.mark.parametrize(("end_s", "parts"), [(10.0, 1), (10.04, 2), (20.0, 2), (60.0, 6), (95.0, 10)])
def test_a_take_that_is_too_long_is_cut_into_equal_parts(end_s: float, parts: int) -> None:
    made = clips((0, round(end_s * 25)), (0.0, end_s))
    lengths = [clip["duration_s"] for clip in made]
    assert len(made) == parts
    assert max(lengths) - min(lengths) <= 0.041
    assert max(lengths) <= 10.04


def test_parts_cover_the_shot_without_a_gap_under_ids_of_their_own() -> None:
    chance = random.Random(1)
    for _ in range(500):
        first, n = chance.randrange(1000), chance.randrange(1, 5000)
        start_s, fps = chance.uniform(0, 1e4), chance.choice([23.976, 25, 29.97, 60])
        end_s = start_s + n / fps
        made = clips((first, first + n), (start_s, end_s), max_s=chance.uniform(0.5, 30))
        assert made[0]["start_s"] == start_s
        assert made[-1]["end_s"] == pytest.approx(end_s)
        assert all(a["end_s"] == b["start_s"] for a, b in pairwise(made))
        assert all(clip["duration_s"] > 0 for clip in made)
        spans = [tuple(map(int, clip["clip_id"].split("_")[1:])) for clip in made]
        assert spans[0][0] == first and spans[-1][1] == first + n
        assert all(a[1] == b[0] for a, b in pairwise(spans))
        assert len({clip["clip_id"] for clip in made}) == len(made)


def signals(video: str, seconds: int) -> pl.DataFrame:
    """Signals whose motion is the number of their second."""
    rows = [
        {"video_id": video, "second": s, "luma": 0.5, "sharpness": None, "motion": float(s), "frozen": 0.0}
        for s in range(seconds)
    ]
    return pl.DataFrame(rows, schema=SIGNALS)


def motion(*spans: tuple[float, float]) -> list[list[float]]:
    rows = [{"clip_id": f"v_{n}", "video_id": "v", "start_s": a, "end_s": b} for n, (a, b) in enumerate(spans)]
    return with_signals(pl.DataFrame(rows, schema=CLIP), signals("v", 20))["motion"].to_list()


def test_a_clip_has_the_signals_of_the_seconds_that_it_touches() -> None:
    assert motion((0.0, 3.0), (3.0, 4.5), (4.5, 6.2), (7.2, 7.6)) == [[0, 1, 2], [3, 4], [4, 5, 6], [7]]


def test_a_border_that_misses_a_second_by_a_rounding_error_is_on_it() -> None:
    assert motion((2.9999999, 5.0000001), (3.0000001, 4.9999999)) == [[3, 4], [3, 4]]


def test_seconds_without_a_value_are_left_out() -> None:
    rows = pl.DataFrame([{"clip_id": "v_0", "video_id": "v", "start_s": 18.0, "end_s": 25.0}], schema=CLIP)
    made = with_signals(rows, signals("v", 20))
    assert made["motion"].to_list() == [[18.0, 19.0]]
    assert made["sharpness"].to_list() == [[]]
    assert dict(made.schema) == CLIP | {name: made.schema[name] for name in ("motion", "luma", "sharpness", "frozen")}


def test_the_chunk_of_a_step_is_split_by_video(tmp_path: Path) -> None:
    empty = pl.lit(None, pl.String)
    gives = {"video_id": "String", "fps": "Float64", "error": "String", "error_detail": "String"}
    step = made_step(tmp_path, "analyze", n=1, gives=gives, tables=["shots", "signals"])
    videos = pl.DataFrame({"video_id": ["b", "a"], "fps": [25.0, 50.0]}).with_columns(error=empty, error_detail=empty)
    shots = [("b", 0, 0, 25, 0.0, 1.0), ("b", 1, 25, 425, 1.0, 17.0), ("a", 0, 0, 250, 0.0, 5.0)]
    finish(
        step, 0, videos, shots=pl.DataFrame(shots, schema=SHOTS, orient="row"),
        signals=pl.concat([signals("b", 17), signals("a", 5)]),
    )  # fmt: skip
    split = made_step(
        tmp_path, "split", stage="split", config={"min_s": 2.0, "max_s": 10.0}, inputs=["analyze"], aligned=True, n=1,
        settings={"columns": {"fps": "analyze"}, "reads": {"shots": "analyze", "signals": "analyze"}},
    )  # fmt: skip
    work = Work(split, Stop(), asdict(cluster()))
    (output,) = work.run(work.items(0))
    made = output.tables["rows"]
    assert isinstance(made, pl.DataFrame)
    assert output.keys == ["b", "a"]
    assert made["clip_id"].to_list() == ["b_0_25", "b_25_225", "b_225_425", "a_0_250"]
    assert made["drop_reason"].to_list() == ["too_short", None, None, None]
    assert made["fps"].to_list() == [25.0, 25.0, 25.0, 50.0]
    assert made["motion"].to_list() == [[0], list(range(1, 9)), list(range(9, 17)), list(range(5))]
