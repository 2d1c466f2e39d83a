"""The end of a sweep: tables of hours, categories and overlap, and plots, over steps made by hand."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from support.steps import finish as finish_chunk
from support.steps import made_step

from slurm.record.manifest import Step
from stages.core.command_line.kept import Look, jaccard
from stages.core.command_line.sweep import finish

SECONDS = {"a": 3600.0, "b": 1800.0, "c": 600.0, "d": 60.0}
KINDS = {"a": "sport", "b": "music", "c": "sport", "d": None}
POINTS = {"low=0,high=9": "abcd", "low=0,high=5": "abc", "low=1,high=9": "cd", "low=1,high=5": "c"}
SWEPT = {point: dict(word.split("=") for word in point.split(",")) for point in POINTS}
TEXT = {"video_id": "String", "error": "String", "error_detail": "String"}


def judged(run: Path, name: str, kept: str, inputs: list[str]) -> Step:
    """A filter's step that keeps these of the four videos."""
    step = made_step(run, name, n=1, inputs=inputs, gives={**TEXT, "drop_reason": "String"})
    reasons = [None if video in kept else "low" for video in SECONDS]
    rows = pl.DataFrame(
        {"video_id": list(SECONDS), "drop_reason": reasons}, schema_overrides={"drop_reason": pl.String}
    )
    finish_chunk(step, 0, rows.with_columns(error=pl.lit(None, pl.String), error_detail=pl.lit(None, pl.String)))
    return step


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tables of four points of a filter behind a catalogue and a step that gives categories."""
    run = tmp_path_factory.mktemp("tables") / "r"
    none = pl.lit(None, pl.String)
    ingest = made_step(run, "ingest", n=1, gives={**TEXT, "duration_s": "Float64"})
    finish_chunk(
        ingest, 0, pl.DataFrame({"video_id": list(SECONDS), "duration_s": list(SECONDS.values()), "error": None})
    )
    kinds = made_step(run, "categorize", n=1, inputs=["ingest"], gives={**TEXT, "category": "String"})
    finish_chunk(
        kinds, 0, pl.DataFrame({"video_id": list(KINDS), "category": list(KINDS.values())}).with_columns(error=none)
    )
    rows = [(point, "f", judged(run, f"f@{point}", kept, ["categorize"])) for point, kept in POINTS.items()]
    finish(rows, run / "sweeps" / "f", SWEPT)
    return run / "sweeps" / "f"


def test_a_row_a_point_has_its_hours_and_the_values_that_are_swept(folder: Path) -> None:
    table = pl.read_parquet(folder / "points.parquet")
    assert table["hours_kept"].to_list() == pytest.approx([6060 / 3600, 6000 / 3600, 660 / 3600, 600 / 3600])
    assert table.select("low", "high").rows() == [("0", "9"), ("0", "5"), ("1", "9"), ("1", "5")]


def test_the_overlap_of_every_two_points_is_what_both_keep_of_what_either_keeps(folder: Path) -> None:
    table = pl.read_parquet(folder / "overlap.parquet")
    assert len(table) == 12
    known = {(point, other): share for _, point, other, share in table.iter_rows()}
    for (point, other), share in known.items():
        one, two = {*POINTS[point]}, {*POINTS[other]}
        assert share == pytest.approx(len(one & two) / len(one | two))
        assert known[other, point] == share


def test_the_share_of_each_category_is_of_the_rows_that_a_point_keeps(folder: Path) -> None:
    table = pl.read_parquet(folder / "categories.parquet").filter(point="low=0,high=9")
    found = {kind: (rows, share) for kind, rows, share in table.select("category", "rows", "share").iter_rows()}
    assert found == {"sport": (2, 0.5), "music": (1, 0.25), None: (1, 0.25)}
    assert table.filter(category="sport")["hours"].item() == pytest.approx(4200 / 3600)
    shares = pl.read_parquet(folder / "categories.parquet").group_by("point").agg(pl.col("share").sum())["share"]
    assert shares.to_list() == pytest.approx([1.0] * 4)


def test_hours_are_plotted_over_each_key_and_two_of_them_as_a_heat_map(folder: Path) -> None:
    hours, heat = ((folder / f"{name}.svg").read_text() for name in ("hours", "heat"))
    assert all(text.startswith("<svg") for text in (hours, heat))
    assert hours.count("hours kept") >= 2
    for key in ("low", "high"):
        assert f">{key}<" in hours
        assert f">{key}<" in heat


def test_values_that_are_no_numbers_are_plotted_too(tmp_path: Path) -> None:
    run = tmp_path / "r"
    ingest = made_step(run, "ingest", n=1, gives={**TEXT, "duration_s": "Float64"})
    finish_chunk(
        ingest, 0, pl.DataFrame({"video_id": list(SECONDS), "duration_s": list(SECONDS.values()), "error": None})
    )
    names = {"reduce=all": "a", "reduce=mean": "ab"}
    rows = [(point, "f", judged(run, f"f@{point}", kept, ["ingest"])) for point, kept in names.items()]
    finish(rows, tmp_path / "out", {point: {"reduce": point.partition("=")[2]} for point in names})
    assert ">mean<" in (tmp_path / "out" / "hours.svg").read_text()
    assert not (tmp_path / "out" / "heat.svg").exists()
    assert not (tmp_path / "out" / "categories.parquet").exists()


def test_the_terminal_shows_the_matrix_of_few_points_and_the_neighbours_of_many(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "r"
    rows = [(f"n={n}", "f", judged(run, f"f@n={n}", "abcd"[n % 4 :], [])) for n in range(8)]
    finish(rows[:3], tmp_path / "few")
    few = capsys.readouterr().out
    assert all(f"as {n}" in few for n in (1, 2, 3))
    assert "0.500" in few  # abcd and cd
    finish(rows, tmp_path / "many")
    many = capsys.readouterr().out
    assert "as above" in many
    assert "as 1" not in many
    assert "0.750" in many


def test_points_with_other_rows_are_compared_by_the_ids_of_these(tmp_path: Path) -> None:
    def clips(name: str, ids: str) -> Step:
        step = made_step(tmp_path / "r", name, n=1, gives=TEXT)
        finish_chunk(step, 0, pl.DataFrame({"video_id": list(ids), "error": None}))
        return step

    look = Look()
    found = [look.at(clips(f"s{n}", ids)).bits for n, ids in enumerate(["abc", "cdefghijklm", "", "cba"])]
    assert jaccard(found) == pytest.approx(
        np.array([[1, 1 / 13, 0, 1], [1 / 13, 1, 0, 1 / 13], [0, 0, 1, 0], [1, 1 / 13, 0, 1]])
    )


def test_a_point_that_is_not_done_has_no_overlap(tmp_path: Path) -> None:
    rows = [("n=1", "f", judged(tmp_path / "r", "f@n=1", "ab", [])), ("n=2", "f", made_step(tmp_path / "r", "f@n=2"))]
    finish(rows, tmp_path / "out")
    assert pl.read_parquet(tmp_path / "out" / "overlap.parquet")["jaccard"].to_list() == [None, None]
    assert pl.read_parquet(tmp_path / "out" / "points.parquet")["complete"].to_list() == [True, False]
