"""Runs that other versions made: a kept sample of each format is read, or refused in a sentence and left as it is."""

import shutil
import subprocess
from pathlib import Path

import polars as pl
import pytest
from support.runs import ROOT, command
from support.steps import finish, made_step

from slurm.record.files import read_json, write_json
from slurm.record.manifest import Step
from slurm.table import read_table
from stages.core.schema.catalogue import SPANS
from stages.core.video.cut.encode import ffmpeg_path

SAMPLES = Path(__file__).parent / "samples" / "runs"
VERBS = [("slurm", "status"), ("slurm", "resume"), ("slurm", "table", "step=ingest", "out=t.csv"), ("stages.ingest",)]


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    shutil.copytree(SAMPLES, tmp_path / "runs")
    return tmp_path / "runs"


def files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("words", VERBS, ids=" ".join)
def test_a_run_of_before_records_had_a_format_is_refused_with_what_made_it(runs: Path, words: tuple[str, ...]) -> None:
    before = files(runs)
    done = command(*words, "run=format_0", f"runs={runs}")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("error: ") == done.stderr.count("\n") == 1
    assert (
        "step.json was made by a Reelmill of before records had a format number (commit 0549889 or older)"
        in done.stderr
    )
    assert "use that version, or begin another run" in done.stderr
    assert files(runs) == before


def test_a_run_of_format_1_is_read_and_goes_on(runs: Path) -> None:
    done = command("slurm", "status", "run=format_1", f"runs={runs}")
    assert (done.returncode, done.stderr) == (0, "")
    table = read_table(runs / "format_1", "ingest").collect()
    assert table["url"].to_list() == ["https://example.org/a.mp4", "https://example.org/b.mp4"]
    (runs / "videos.csv").write_text("url\nhttps://example.org/a.mp4\nhttps://example.org/b.mp4\n")
    again = command("stages.ingest", "run=format_1", "runs=.", cwd=runs, env={"PYTHONPATH": str(ROOT)})
    assert again.returncode == 0, again.stderr
    assert "ingest: 1/1 chunks done" in again.stdout


@pytest.mark.parametrize(
    "record", ["step.json", "cluster.json", "done/000/000000.json", "submissions/0000/submission.json"]
)
def test_a_record_of_a_newer_version_is_refused_and_nothing_changes(runs: Path, record: str) -> None:
    path = runs / "format_1" / "ingest" / record
    write_json(path, {**read_json(path), "format": 2})
    before = files(runs)
    done = command("slurm", "resume", "run=format_1", f"runs={runs}")
    assert done.returncode == 2
    assert "was made by a newer Reelmill (record format 2, this one reads 1)" in done.stderr
    assert "Traceback" not in done.stderr
    assert files(runs) == before


def test_more_fields_under_the_same_number_change_nothing(runs: Path) -> None:
    step = Step(runs / "format_1", "ingest")
    for path in (step.paths.plan, step.paths.done(0), step.paths.submission("0000"), step.paths.cluster):
        write_json(path, {**read_json(path), "colour": "red"})
    done = command("slurm", "status", "run=format_1", f"runs={runs}")
    assert (done.returncode, done.stderr) == (0, "")
    assert len(read_table(runs / "format_1", "ingest").collect()) == 2


def test_a_catalogue_without_the_columns_of_now_is_downloaded(tmp_path: Path) -> None:
    video = tmp_path / "a.mp4"
    shown = ["-f", "lavfi", "-i", "testsrc2=s=64x48:r=25:d=1", "-pix_fmt", "yuv420p"]
    subprocess.run([ffmpeg_path(), "-nostdin", "-v", "error", *shown, str(video)], check=True)
    gives = dict.fromkeys(["video_id", "path", "url", "title", "error", "error_detail"], "String")
    ingest = made_step(
        tmp_path / "r", "ingest", stage="ingest", kind="reduce", n=1, item_keys=[], gives=gives, tables={"spans": {}}
    )
    row = {"video_id": "a", "path": str(video), "url": None, "title": "A", "error": None, "error_detail": None}
    finish(ingest, 0, pl.DataFrame([row], schema=dict.fromkeys(row, pl.String())), spans=pl.DataFrame(schema=SPANS))
    done = command("stages.download", f"runs={tmp_path}", "run=r")
    assert done.returncode == 0, done.stdout + done.stderr
    rows = read_table(tmp_path / "r", "download").collect()
    assert rows.select("video_id", "title", "error", "age_limit").rows() == [("a", "A", None, None)]
