"""The stage over shots and annotations: what meets its cuts, what fails, and alone."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from support.runs import command
from support.steps import finish, made_step

from slurm.record.manifest import Step
from stages.core.schema.annotation import ALIGNED
from stages.core.schema.video import SHOTS

GIVES = {"video_id": "String", "fps": "Float64", "duration_s": "Float64", "content_metadata": "String"}
ERRORS = {"error": "String", "error_detail": "String"}


def annotation(*spans: tuple[str, str]) -> str:
    scenes = [
        {"sceneId": number, "timestamps": {"start_timestamp": start, "end_timestamp": end}, "title": "Жёлтый"}
        for number, (start, end) in enumerate(spans, 1)
    ]
    return json.dumps({"title": "t", "scenes": scenes})


ROWS: list[tuple[str, float | None, float | None, str | None]] = [
    ("good", 25.0, 20.0, annotation(("0:00", "~0:09"), ("0:11", "end"))),
    ("none", 25.0, 20.0, None),
    ("torn", 25.0, 20.0, '{"scenes": ['),
    ("list", 25.0, 20.0, "[]"),
    ("apart", 25.0, 20.0, annotation(("0:00", "0:15"), ("0:05", "0:20"))),
    ("unseen", None, None, annotation(("0:00", "0:10"))),
    ("still", 25.0, 20.0, annotation(("0:02", "0:10"))),
]


@pytest.fixture
def annotated(tmp_path: Path) -> list[str]:
    """Words for a run with a step of shots and annotations: but for `unseen` and `still`, each has a cut at 10.04 s."""
    step = made_step(tmp_path / "r", "analyze", stage="analyze", n=1, gives={**GIVES, **ERRORS}, tables={"shots": {}})
    empty = pl.lit(None, pl.String)
    rows = pl.DataFrame(ROWS, schema=[*GIVES], orient="row").with_columns(error=empty, error_detail=empty)
    made: list[dict[str, Any]] = [{"video_id": "still", "shot": 0, "start_s": 0.0, "end_s": 20.0}]
    for video, *_ in ROWS[:5]:
        made += [
            {"video_id": video, "shot": 0, "start_s": 0.0, "end_s": 10.04},
            {"video_id": video, "shot": 1, "start_s": 10.04, "end_s": 20.0},
        ]
    finish(step, 0, rows, shots=pl.DataFrame(made, schema=SHOTS))
    return [f"runs={tmp_path}", "run=r", "chunks.max_error_share=1"]


def test_times_meet_cuts_and_what_has_no_reading_fails_with_its_class(tmp_path: Path, annotated: list[str]) -> None:
    done = command("stages.align", *annotated)
    assert done.returncode == 0, done.stdout + done.stderr
    found = Step(tmp_path / "r", "align").scan()
    assert found is not None
    rows = {row["video_id"]: row for row in found.collect().to_dicts()}
    assert {key: row["error"] for key, row in rows.items()} == {
        "good": None,
        "none": "no_words",
        "torn": "invalid_json",
        "list": "schema",
        "apart": "scene_overlap",
        "unseen": "no_frames",
        "still": None,
    }
    good = rows["good"]
    scenes = json.loads(good["content_metadata"])["scenes"]
    assert [tuple(scene["timestamps"].values()) for scene in scenes] == [
        ("00:00:00.000", "00:00:10.040"),
        ("00:00:10.040", "00:00:20.000"),
    ]
    assert scenes[0]["title"] == "Жёлтый"
    assert (good["shifts"], good["alignment"], good["dropped"]) == (2, "good", 0)
    assert good["shift_max_s"] == pytest.approx(1.04)
    assert good["shift_mean_s"] == pytest.approx((1.04 + 0.96) / 4)
    assert rows["still"]["shifts"] == 0
    assert set(ALIGNED) <= set(good)


def test_limits_that_contradict_each_other_are_told_before_anything_is_written(
    tmp_path: Path, annotated: list[str]
) -> None:
    refused = command("stages.align", *annotated, "snap_s=6")
    assert refused.returncode == 2
    assert "snap_s=6: a cut may not be farther away than shift_s=5" in refused.stderr
    assert not (tmp_path / "r" / "align").exists()
