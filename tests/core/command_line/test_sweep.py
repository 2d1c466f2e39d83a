"""Sweeps: points of a step that share everything before it."""

from pathlib import Path

import polars as pl
import pytest
from support.runs import command
from support.steps import made_step

from slurm.record.manifest import steps
from stages.core.command_line.sweep import finish

SECONDS = [1.0, 5.0, 10.0, 3600.0]
WORDS = ("after=ingest", "~rules.frozen", "~rules.luma", "rules.motion.column=duration_s")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalogue of four videos of known lengths."""
    made = tmp_path_factory.mktemp("sweep")
    table = pl.DataFrame({"path": [f"{n}.mp4" for n in range(4)], "duration_s": SECONDS})
    table.write_csv(made / "videos.csv")
    source = command("stages.ingest", "run=r", f"runs={made}", f"input.path={made / 'videos.csv'}")
    assert source.returncode == 0, source.stderr
    sweep(made)
    return made


def sweep(folder: Path, *more: str, rule: str = "rules.motion.min=0,5,100") -> str:
    words = ("-m", "run=r", f"runs={folder}", *WORDS, rule, *more)
    done = command("stages.filter", *words)
    assert done.returncode == 0, done.stderr
    return done.stdout


def begun(folder: Path) -> list[Path]:
    return sorted((folder / "r").glob("*/attempts/*/*/*"))


def points(folder: Path) -> pl.DataFrame:
    return pl.read_parquet(folder / "r" / "sweeps" / "filter" / "points.parquet")


def test_points_share_the_steps_before_them(folder: Path) -> None:
    names = steps(folder / "r")
    assert [name for name in names if "@" not in name] == ["ingest"]
    assert sum(name.startswith("filter@") for name in names) == 3
    assert len(list((folder / "r" / "ingest").glob("attempts/*/*/*"))) == 1


def test_the_table_of_points_holds_what_each_keeps(folder: Path) -> None:
    table = points(folder)
    assert table["complete"].to_list() == [True] * 3
    assert table["rows_in"].to_list() == [4, 4, 4]
    assert table["rows_kept"].to_list() == [4, 3, 1]
    assert table["hours_kept"].to_list() == pytest.approx([sum(SECONDS[n:]) / 3600 for n in (0, 1, 3)])
    assert ["min=0" in point for point in table["point"]] == [True, False, False]
    assert (folder / "r" / "sweeps" / "filter" / "points.svg").read_text().startswith("<svg")


def test_the_same_sweep_again_begins_nothing_and_its_table_is_whole_without_a_terminal(folder: Path) -> None:
    before, table = begun(folder), points(folder)
    told = sweep(folder)
    assert begun(folder) == before
    assert points(folder).equals(table)
    assert all(number in told for number in ("100.0%", "75.0%", "25.0%", "1.0044", "1.0042", "1.0000"))


def test_a_point_is_shown_as_it_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    finish([("codecs=[h264]", "made", made_step(tmp_path / "r[1]"))], tmp_path / "[vp9]")
    told = capsys.readouterr().out
    assert "codecs=[h264]" in told
    assert "sweep of [vp9]" in told


def test_where_and_how_points_run_is_no_part_of_their_name(folder: Path) -> None:
    before = begun(folder)
    sweep(folder, "cluster.cpus=1", "items.workers=1", "chunks.flush_s=1")
    assert begun(folder) == before
