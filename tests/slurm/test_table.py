"""The tables of a run are read right whatever was replaced, from Python and as files, and by natural globs."""

from pathlib import Path

import polars as pl
import pytest
from support.runs import command
from support.steps import finish, made_step, plan

from slurm.errors import InputError
from slurm.record.manifest import Step
from slurm.table import read_table, write_table

CATALOGUE = {**plan().gives, "title": "String"}


def rows(*ids: str, **columns: list[object]) -> pl.DataFrame:
    empty = pl.lit(None, pl.String)
    table = pl.DataFrame({"video_id": ids, **columns}, schema_overrides={"video_id": pl.String})
    return table.with_columns(value=pl.col("video_id"), error=empty, error_detail=empty)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A source and a step behind it with a side table; one of its rows failed, one was dropped."""
    folder = tmp_path / "runs" / "r"
    source = made_step(folder, "source", kind="reduce", n=1, item_keys=[], gives=CATALOGUE)
    finish(source, 0, rows("a", "b", "c", "d", title=["A", "B", "C", "D"]))
    gives = {**plan().gives, "drop_reason": "String"}
    step = made_step(folder, "clips", n=2, inputs=["source"], gives=gives, tables={"shots": {"video_id": "String"}})
    reasons = pl.Series([None, "too_short"], dtype=pl.String)
    finish(step, 0, rows("a", "b").with_columns(drop_reason=reasons), shots=pl.DataFrame({"video_id": ["a", "a"]}))
    second = rows("c", "d").with_columns(drop_reason=pl.lit(None, pl.String), error=pl.Series([None, "corrupt"]))
    finish(step, 1, second, shots=pl.DataFrame({"video_id": ["c"]}))
    return folder


def test_a_table_is_read_by_the_names_of_its_run_and_step(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_table(run, "clips").collect()["video_id"].to_list() == ["a", "b", "c", "d"]
    assert read_table(str(run), "clips", "shots").collect()["video_id"].to_list() == ["a", "a", "c"]
    monkeypatch.chdir(run.parents[1])
    assert read_table("r", "clips", kept=True).collect()["video_id"].to_list() == ["a", "c"]
    assert Step("runs/r", "clips").plan.n == 2


def test_a_table_is_joined_with_the_catalogue_where_asked(run: Path) -> None:
    table = read_table(run, "clips", kept=True, catalogue=True).collect()
    assert table.select("video_id", "title").rows() == [("a", "A"), ("c", "C")]
    assert read_table(run, "clips", "shots", catalogue=True).collect()["title"].to_list() == ["A", "A", "C"]


@pytest.mark.parametrize(
    ("step", "table", "named"),
    [
        ("clip", "rows", "has no step 'clip'; it has: source, clips"),
        ("clips", "shot", "step r/clips has no table 'shot'; it has: rows, shots"),
    ],
)
def test_what_is_not_there_is_named_with_what_is(run: Path, step: str, table: str, named: str) -> None:
    with pytest.raises(InputError, match=named):
        read_table(run, step, table)
    with pytest.raises(InputError, match="no run 'other'"):
        read_table("other", "clips")


def test_natural_globs_meet_the_rows_of_now_and_nothing_else(run: Path) -> None:
    step = Step(run, "clips")
    old = [file.read_bytes() for file in sorted(step.paths.parts.rglob("*.parquet"))]
    step.supersede()
    step.create(plan(n=1, inputs=["source"], input_chunks={"source": 1}, identity={"config.level": 2}))
    finish(step, 0, rows("x", "y", "z"))
    for pattern in ("parts/*/*.parquet", "parts/**/*.parquet", "**/*.parquet"):
        assert pl.scan_parquet(run / "clips" / pattern).collect()["video_id"].to_list() == ["x", "y", "z"]
    kept = [file.read_bytes() for file in sorted(step.paths.superseded.rglob("parts/*/*.parquet"))]
    assert kept == old


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".jsonl"])
def test_a_table_is_written_as_one_file(run: Path, tmp_path: Path, suffix: str) -> None:
    out = tmp_path / f"out{suffix}"
    words = ["run=r", f"runs={run.parent}", "step=clips", "kept=true", "catalogue=true", f"out={out}"]
    done = command("slurm", "table", *words)
    assert (done.returncode, done.stderr) == (0, "")
    written = {".parquet": pl.scan_parquet, ".csv": pl.scan_csv, ".jsonl": pl.scan_ndjson}[suffix](out)  # type: ignore[operator]
    assert written.collect().select("video_id", "title").rows() == [("a", "A"), ("c", "C")]


def test_a_side_table_is_written_by_its_name(run: Path, tmp_path: Path) -> None:
    words = ["run=r", f"runs={run.parent}", "step=clips", "table=shots", f"out={tmp_path / 'shots.parquet'}"]
    assert command("slurm", "table", *words).returncode == 0
    assert pl.read_parquet(tmp_path / "shots.parquet")["video_id"].to_list() == ["a", "a", "c"]


def test_what_cannot_be_written_is_told_before_anything_is(run: Path, tmp_path: Path) -> None:
    lists = pl.LazyFrame({"a": [[1, 2]]})
    with pytest.raises(InputError, match=r"out=.*\.xlsx: its suffix is none of \.parquet, \.csv, \.jsonl"):
        write_table(lists, tmp_path / "t.xlsx")
    with pytest.raises(InputError, match=r"CSV has no lists and no bytes, as in a; take \.parquet"):
        write_table(lists, tmp_path / "t.csv")
    with pytest.raises(InputError, match="there is no folder"):
        write_table(lists, tmp_path / "nowhere" / "t.parquet")
    assert list(tmp_path.iterdir()) == [run.parent]
