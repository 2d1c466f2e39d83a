"""The stage over frames that are decoded at even times in each clip of real videos, and over kept ones."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from support.florence import save_florence, stage_settings
from support.numbered import Films
from support.runs import command
from support.steps import finish, made_step

from slurm.errors import InputError
from slurm.record.manifest import Step
from stages.core.frames.describe.settings import Florence, Settings
from stages.core.frames.settings import Frames
from stages.core.schema.frame import BY_TASK, FRAME_TEXTS
from stages.describe_frames import check

CLIPS = [
    ("a", 0.0, 4.0), ("a", 2.0, 2.08), ("a", 3.0, float("nan")), ("b", 1.0, 3.0), ("torn", 0.0, 1.0),
    ("gone", 0.0, 1.0), ("none", 0.0, 1.0),
]  # fmt: skip
KEYS = {"error": "String", "error_detail": "String"}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_florence(tmp_path_factory.mktemp("florence") / "tiny")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with a catalogue of five videos, of which two can be read, and CLIPS of them."""
    folder = tmp_path_factory.mktemp("runs")
    films, fine = Films(folder), {name: pl.lit(None, pl.String) for name in KEYS}
    paths = {
        "a": str(films("a.mp4", "-c:v", "libx264", "-g", "30", "-bf", "2")),
        "b": str(films("b.mkv", "-c:v", "libsvtav1", "-preset", "12", "-g", "40", "-c:a", "libopus")),
        "torn": str(folder / "torn.mp4"),
        "gone": str(folder / "gone.mp4"),
        "none": None,
    }
    (folder / "torn.mp4").write_bytes(b"no video" * 100)
    source = made_step(
        folder / "r", "ingest", stage="ingest", n=1, gives={"video_id": "String", "path": "String", **KEYS}
    )
    table = pl.DataFrame({"video_id": list(paths), "path": list(paths.values())}).with_columns(**fine)
    finish(source, 0, table)
    gives = {"clip_id": "String", "video_id": "String", "start_s": "Float64", "end_s": "Float64", "shot": "Int64"}
    split = made_step(
        folder / "r", "split", stage="split", n=1, inputs=["ingest"], keys=["clip_id", "video_id"],
        gives={**gives, **KEYS},
    )  # fmt: skip
    rows = [(f"{video}_{start:.0f}", video, start, end, 0) for video, start, end in CLIPS]
    finish(split, 0, pl.DataFrame(rows, schema=list(gives), orient="row").with_columns(**fine))
    return folder / "r"


def described(run: Path, step: str, *words: str) -> pl.DataFrame:
    own = ("run=r", f"runs={run.parent}", "cluster.executor=debug", f"step={step}", "frames.source=even")
    done = command("stages.describe_frames", *own, *words)
    assert done.returncode == 0, done.stderr
    rows = Step(run, step).scan()
    assert rows is not None
    return rows.collect()


def test_frames_at_even_times_of_each_clip_are_described_and_what_cannot_be_read_is_a_row(
    run: Path, model: Path
) -> None:
    found = described(run, "all", "frames.most=4", f"florence.model={model}", "florence.max_tokens=12")
    by_clip = {clip[0]: own for clip, own in found.group_by("clip_id", maintain_order=True)}
    assert list(by_clip) == [f"{video}_{start:.0f}" for video, start, _ in CLIPS]
    assert by_clip["a_0"]["time_s"].to_list() == pytest.approx([0.48, 1.48, 2.48, 3.48])
    assert by_clip["a_2"]["time_s"].to_list() == pytest.approx([2.0, 2.04]), "a clip of two frames has two"
    assert by_clip["b_1"]["time_s"].to_list() == pytest.approx([1.24, 1.72, 2.24, 2.72], abs=0.011), "AV1"
    assert by_clip["a_0"]["frame_id"].to_list() == [f"a_0_f{n:05d}" for n in range(4)]
    errors = {clip: own["error"].to_list() for clip, own in by_clip.items() if own["error"].count()}
    assert errors == {
        "a_3": ["bad_value"], "torn_0": ["corrupt"], "gone_0": ["missing"], "none_0": ["not_downloaded"]
    }  # fmt: skip
    good = found.filter(pl.col("error").is_null())
    for name in ("caption", "detailed_caption", "regions", "texts", "text_area", "cut_short"):
        assert good[name].null_count() == 0, name
    assert "color" not in good.columns, "nobody asked for it here, and another step may give it"
    assert set(good["width_px"]) == {160}
    assert good["models"][0][0].startswith("florence tiny@")
    schema = FRAME_TEXTS | BY_TASK["dense_region_caption"] | BY_TASK["ocr_with_region"]
    assert {name: found.schema[name] for name in schema} == schema
    (done,) = Step(run, "all").all_done()
    assert (done.rows_in, done.rows_failed) == (7, 4)


def test_texts_alone_are_read_by_rapidocr_without_another_model(run: Path) -> None:
    pytest.importorskip("rapidocr", reason="make models brings it")
    found = described(
        run, "texts", "frames.most=1", "tasks=[ocr_with_region]", "ocr=rapidocr", "florence.model=none/such"
    )
    good = found.filter(pl.col("error").is_null())
    assert good["models"].to_list() == [["ocr rapidocr==3.10.0"]] * 3
    assert good["texts"].null_count() == 0
    assert "caption" not in good.columns


def test_an_unknown_task_is_refused_by_the_key_with_those_that_there_are(run: Path) -> None:
    own = ("run=r", f"runs={run.parent}", "step=smells")
    done = command("stages.describe_frames", *own, "tasks=[caption,smell]")
    assert done.returncode == 2
    assert "tasks" in done.stderr
    assert "'detailed_caption'" in done.stderr
    assert not (run / "smells").exists()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"tasks": ()}, r"tasks=\[\] is empty"),
        ({"tasks": ("caption", "caption")}, "named twice"),
        ({"batch": 0}, "batch=0"),
        ({"least_confidence": 75.0}, "least_confidence=75"),
        ({"tasks": ("caption",), "ocr": "rapidocr"}, "which tasks does not name"),
        ({"frames": Frames("even", None, 9)}, r"frames\.source=even needs frames\.most"),
        ({"florence": Florence("a", None, 0, 9)}, r"florence\.beams=0"),
    ],
)
def test_what_can_be_told_before_submission_is(changes: dict[str, Any], told: str) -> None:
    plain = stage_settings()
    with pytest.raises(InputError, match=told):
        check(replace(plain, **changes))


def test_the_packages_of_ocr_are_named_with_what_installs_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stages.describe_frames.find_spec", lambda name: None)
    with pytest.raises(InputError, match="ocr=rapidocr needs packages that are not installed: make models"):
        check(Settings(**{**stage_settings().__dict__, "ocr": "rapidocr"}))
