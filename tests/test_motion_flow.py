"""The stage over clips and over whole videos: rows in, rows out, and what a filter makes of them."""

from dataclasses import asdict, replace
from itertools import chain
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from pydantic import TypeAdapter
from support import deadly
from support.runs import command
from support.sliding import FPS, slide, write_film
from support.steps import finish, made_step, rows_of

from slurm.errors import InputError
from slurm.record.manifest import Step
from slurm.record.plan import Columns
from stages.core.schema.clip import CLIP_FLOW
from stages.core.video.flow.settings import Raft, Settings
from stages.motion_flow import check, files

ROOT = Path(__file__).parents[1]
CLIPS = [
    ("a", 0.0, 1.5), ("a", 1.5, 3.0), ("a", 0.2, 0.6), ("a", 2.0, 1.0), ("gone", 0.0, 2.0), ("url", 0.0, 2.0),
    ("b", 0.0, 1.5), ("b", 9.0, 12.0),
]  # fmt: skip


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, shot = tmp_path_factory.mktemp("films"), 3 * FPS // 2
    shots = chain(slide((30, 0), shot), slide((0, 0), shot))
    write_film(folder / "a.mp4", shots, (480, 260))
    write_film(folder / "b.mp4", slide((0, -12), shot), (320, 180), "-c:v", "libvpx-vp9", "-cpu-used", "8")
    return folder


@pytest.fixture
def run(tmp_path: Path, films: Path) -> Path:
    """A run with a catalogue of four videos, and a step split with CLIPS of them."""
    place, empty = tmp_path / "r", pl.lit(None, pl.String)
    fine = {"error": empty, "error_detail": empty}
    paths = {"a": films / "a.mp4", "b": films / "b.mp4", "gone": films / "gone.mp4", "url": None}
    source = made_step(
        place, "ingest", stage="ingest", n=1, keys=["video_id"],
        gives=dict.fromkeys(("video_id", "path", "url", "error", "error_detail"), "String"),
    )  # fmt: skip
    rows = [(video, path and str(path), None if path else "https://example.org/v") for video, path in paths.items()]
    schema = dict.fromkeys(("video_id", "path", "url"), pl.String)
    finish(source, 0, pl.DataFrame(rows, schema=schema, orient="row").with_columns(**fine))
    gives = {"clip_id": "String", "video_id": "String", "start_s": "Float64", "end_s": "Float64"}
    split = made_step(
        place, "split", stage="split", n=1, inputs=["ingest"], aligned=True, keys=["clip_id", "video_id"],
        gives={**gives, "error": "String", "error_detail": "String"},
    )  # fmt: skip
    clips = [(f"{video}{number}", video, start_s, end_s) for number, (video, start_s, end_s) in enumerate(CLIPS)]
    finish(split, 0, pl.DataFrame(clips, schema=list(gives), orient="row").with_columns(**fine))
    return place


def measure(run: Path, *more: str) -> pl.DataFrame:
    words = ("run=r", f"runs={run.parent}", "cluster.executor=debug", *more)
    done = command("stages.motion_flow", *words)
    assert done.returncode == 0, done.stderr
    rows = Step(run, "motion_flow").scan()
    assert rows is not None
    return rows.collect()


def test_every_clip_is_a_row_and_a_filter_drops_what_hardly_moves(run: Path) -> None:
    found = measure(run, "chunks.max_error_share=1")
    assert set(found.columns) == {"clip_id", "video_id", *CLIP_FLOW, "error", "error_detail"}
    rows = {row["clip_id"]: row for row in found.iter_rows(named=True)}
    assert rows.keys() == {f"{video}{number}" for number, (video, _, _) in enumerate(CLIPS)}
    assert rows["a0"]["flows"] == pytest.approx([30, 30], rel=0.05)
    assert rows["a0"]["flow"] == pytest.approx(30, rel=0.05)
    assert (rows["a1"]["flow"], rows["a1"]["flow_pairs"]) == (pytest.approx(0, abs=0.05), 2)
    assert (rows["a2"]["flow"], rows["a2"]["flow_pairs"], rows["a2"]["flows"]) == (None, 0, [])
    assert (rows["b6"]["flow"], rows["b6"]["flow_model"]) == (pytest.approx(12, rel=0.05), "dis")
    errors = {clip: row["error"] for clip, row in rows.items() if row["error"]}
    assert errors == {"a3": "bad_value", "gone4": "missing", "url5": "not_downloaded", "b7": "no_frames"}
    (done,) = Step(run, "motion_flow").all_done()
    assert (done.rows_in, done.rows_out, done.rows_failed) == (8, 8, 4)
    words = (f"runs={run.parent}", "cluster.executor=debug", "after=motion_flow", "rules=flow")
    told = command("stages.filter", "run=r", *words)
    assert told.returncode == 0, told.stderr
    verdicts = Step(run, "filter").scan()
    assert verdicts is not None
    assert dict(verdicts.select("clip_id", "drop_reason").collect().iter_rows()) == {
        "a0": None, "a1": "flow.min", "a2": "flow.null", "b6": "flow.min"
    }  # fmt: skip


def test_videos_are_measured_as_a_whole_where_no_step_made_clips(run: Path) -> None:
    found = measure(run, "after=ingest", "fps=1", "chunks.max_error_share=1")
    rows = {row["video_id"]: row for row in found.iter_rows(named=True)}
    assert "clip_id" not in found.columns
    assert {video: row["flow_pairs"] for video, row in rows.items()} == {"a": 2, "b": 1, "gone": None, "url": None}
    assert rows["b"]["flows"] == pytest.approx([24], rel=0.05)


def test_a_clip_that_kills_its_worker_costs_no_other_of_its_video(
    run: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stages.core.video.flow.jobs.measure_job", deadly.measure_or_die)
    keys, columns = ["clip_id", "video_id"], {"path": "ingest", "url": "ingest", "start_s": "split", "end_s": "split"}
    step = made_step(
        run, "motion_flow", stage="motion_flow", config=asdict(settings), inputs=["split"], n=1, aligned=True,
        keys=keys, item_keys=keys, columns=Columns(columns, {}),
    )  # fmt: skip
    rows = rows_of(step)
    found = {row["clip_id"]: row for row in rows}
    assert len(found) == len(rows) == len(CLIPS)
    assert {clip: row["error"] for clip, row in found.items() if "error" in row} == {
        deadly.CLIP: "item_crashed", "a3": "bad_value", "gone4": "missing", "url5": "not_downloaded", "b7": "no_frames"
    }  # fmt: skip
    assert found["a0"]["flows"] == pytest.approx([30, 30], rel=0.05)
    assert found["a2"]["flows"] == []
    assert found["b6"]["flow"] == pytest.approx(12, rel=0.05)


@pytest.fixture
def settings() -> Settings:
    loaded = yaml.safe_load((ROOT / "conf" / "stage" / "motion_flow.yaml").read_text())
    found: Settings = TypeAdapter(Settings).validate_python({k: loaded[k] for k in Settings.__dataclass_fields__})
    return found


@pytest.mark.parametrize(("changes", "told"), [({"fps": 0.0}, "fps=0"), ({"batch": 0}, "batch=0")])
def test_what_can_be_told_before_submission_is(settings: Settings, changes: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError, match=told):
        check(replace(settings, **changes))


def test_raft_says_what_to_install(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stages.motion_flow.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install --no-deps torchvision==.*backend=dis needs nothing"):
        check(replace(settings, backend="raft"))


def test_the_weights_of_raft_are_part_of_the_step_and_must_be_there(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stages.motion_flow.find_spec", lambda name: object())
    file = tmp_path / "own.pth"
    asked = replace(settings, backend="raft", raft=Raft("large", str(file)))
    assert (files(asked), files(settings)) == ([str(file)], [])
    with pytest.raises(InputError, match=r"raft\.weights=.*own\.pth: there is no such file"):
        check(asked)
    file.write_bytes(b"weights")
    check(asked)
