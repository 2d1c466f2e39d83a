"""Clips that cover spans of another dataset: also those whose file is a part of its video."""

from pathlib import Path

import polars as pl
import pytest
from support.runs import command
from support.steps import finish, made_step

from slurm.table import write_table

CLIPS = [("c1", "whole", 0.0, 10.0, None), ("c2", "whole", 8.0, 12.0, None), ("c3", "part", 0.0, 5.0, None)]
ROWS = [("whole", 2.0, 12.0), ("whole", 20.0, 30.0), ("part", 61.0, 66.0), ("other", 0.0, 1.0)]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The file of the video `part` begins at 60 s; clip c4 was dropped."""
    ids, empty = {"video_id": "String", "error": "String", "error_detail": "String"}, pl.lit(None, pl.String)
    videos = pl.DataFrame({"video_id": ["whole", "part"], "offset_s": [None, 60.0]})
    fetched = made_step(tmp_path / "r", "download", n=1, gives={**ids, "offset_s": "Float64"})
    finish(fetched, 0, videos.with_columns(error=empty, error_detail=empty))
    times = {"clip_id": "String", "start_s": "Float64", "end_s": "Float64", "drop_reason": "String"}
    split = made_step(
        tmp_path / "r", "split", n=1, inputs=["download"], keys=["clip_id", "video_id"], gives={**ids, **times}
    )
    rows = [*CLIPS, ("c4", "whole", 20.0, 30.0, "too_short")]
    columns = ["clip_id", "video_id", "start_s", "end_s", "drop_reason"]
    finish(split, 0, pl.DataFrame(rows, columns, orient="row").with_columns(error=empty, error_detail=empty))
    return tmp_path / "r"


def covered(run: Path, *words: str, suffix: str = ".csv") -> tuple[str, pl.DataFrame]:
    file, out = run.parent / f"theirs{suffix}", run.parent / "found.parquet"
    table = pl.DataFrame(ROWS, ["video_id", "start_s", "end_s"], orient="row").with_columns(caption=pl.lit("x"))
    write_table(table.lazy(), file)
    done = command("scripts.cover", f"runs={run.parent}", f"run={run.name}", f"rows={file}", f"out={out}", *words)
    assert done.returncode == 0, done.stderr
    return done.stdout, pl.read_parquet(out)


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".jsonl"])
def test_every_row_comes_back_with_its_clips_the_best_first(run: Path, suffix: str) -> None:
    told, found = covered(run, suffix=suffix)
    assert found.select("video_id", "start_s", "clip_id", "overlap_s", "share").rows() == [
        ("whole", 2.0, "c1", 8.0, 0.8),
        ("whole", 2.0, "c2", 4.0, 0.4),
        ("whole", 20.0, None, None, None),
        ("part", 61.0, "c3", 4.0, 0.8),
        ("other", 0.0, None, None, None),
    ]
    assert set(found["caption"]) == {"x"}
    assert found.filter(clip_id="c3").select("clip_start_s", "clip_end_s").row(0) == (60.0, 65.0)
    assert told == "2 of 4 rows have a clip with 50% of them, 2 any\n"


def test_dropped_clips_count_on_request(run: Path) -> None:
    told, found = covered(run, "kept=false", "least=0.9")
    assert found.filter(start_s=20.0)["clip_id"].to_list() == ["c4"]
    assert told == "1 of 4 rows have a clip with 90% of them, 3 any\n"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("rows=none.csv",), "no such file"),
        (("rows=theirs.txt",), "its suffix is none of .csv, .parquet, .jsonl"),
        (("step=download",), "download has no rows of clips"),
        (("least=half",), "a share from 0 to 1"),
        (("least=50",), "a share from 0 to 1"),
        (("kept=yes",), "true or false"),
        (("last=1",), "no such key"),
    ],
)
def test_what_is_wrong_is_told_by_its_key(run: Path, words: tuple[str, ...], told: str) -> None:
    file = run.parent / "theirs.csv"
    file.write_text("video_id,start_s,end_s\nwhole,1,2\n")
    given = {
        "rows": f"rows={file}",
        "out": f"out={run.parent}/o.csv",
        "run": f"run={run.name}",
        "runs": f"runs={run.parent}",
    }
    given |= {word.partition("=")[0]: word for word in words}
    done = command("scripts.cover", *given.values())
    assert done.returncode == 2
    assert told in done.stderr


def test_a_missing_column_is_named(run: Path) -> None:
    file = run.parent / "theirs.csv"
    file.write_text("video_id,start\nwhole,1\n")
    done = command("scripts.cover", f"runs={run.parent}", f"run={run.name}", f"rows={file}", "out=o.csv")
    assert (done.returncode, "has no column start_s; it has: video_id, start" in done.stderr) == (2, True)


def test_what_a_later_step_dropped_covers_nothing(run: Path) -> None:
    ids = dict.fromkeys(["clip_id", "video_id", "drop_reason", "error", "error_detail"], "String")
    judged = made_step(run, "filter", n=1, inputs=["split"], keys=["clip_id", "video_id"], gives=ids)
    rows = [("c1", "whole", "motion.min"), ("c2", "whole", None), ("c3", "part", None)]
    empty = pl.lit(None, pl.String)
    table = pl.DataFrame(rows, ["clip_id", "video_id", "drop_reason"], orient="row")
    finish(judged, 0, table.with_columns(error=empty, error_detail=empty))
    assert covered(run)[1]["clip_id"].to_list() == ["c2", None, "c3", None]
    assert covered(run, "step=split")[1]["clip_id"].to_list() == ["c1", "c2", None, "c3", None]


def test_a_key_that_is_needed_is_asked_for() -> None:
    done = command("scripts.cover", "run=r", "rows=theirs.csv", "out=")
    assert (done.returncode, done.stderr) == (2, "error: say out=…\n")
