"""Sweeps of a recipe: what comes before the first changed step is shared, what is behind it belongs to its point."""

import re
from pathlib import Path

import polars as pl
import pytest
from support.runs import command, planned, until

from slurm.record.manifest import Step, steps
from stages.core.command_line.points import points_of
from stages.core.command_line.words import read_line

RECIPE = """# @package _global_
# python -m stages lengths run=NAME input.path=FILE
defaults:
  - /stage@steps.ingest: ingest
  - /stage@steps.coarse: filter
  - /stage@steps.other: filter
  - /stage@steps.fine: filter
  - _self_
least_s: 0
steps:
  coarse: {after: ingest, rules: {motion: {column: duration_s, min: "${least_s}"}}}
  other: {after: ingest, rules: {motion: {column: duration_s, min: 1}}}
  fine: {after: coarse, rules: {motion: {column: duration_s, min: 0}}}
"""
LESS = [f"~steps.{step}.rules.{rule}" for step in ("coarse", "other", "fine") for rule in ("frozen", "luma")]
SWEPT = ("steps.coarse.rules.motion.min=0,4", "steps.fine.rules.motion.max=20,7")
FINE = "fine@coarse.rules.motion.min={},rules.motion.max={}"


def words(folder: Path, *more: str) -> list[str]:
    return ["lengths", "run=r", f"runs={folder}", f"--config-dir={folder}", *LESS, *more]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recipe of three filters over the lengths of four videos, and a sweep of two of them."""
    made = tmp_path_factory.mktemp("recipe")
    first_sweep(made, *SWEPT)
    return made


def first_sweep(folder: Path, *swept: str) -> None:
    (folder / "pipeline").mkdir()
    (folder / "pipeline" / "lengths.yaml").write_text(RECIPE)
    list_videos(folder, 1.0, 5.0, 10.0, 30.0)
    sweep(folder, *swept, f"input.path={folder / 'videos.csv'}", "cluster.executor=debug")


def list_videos(folder: Path, *durations_s: float) -> None:
    table = {"path": [f"{n}.mp4" for n in range(len(durations_s))], "duration_s": durations_s}
    pl.DataFrame(table).write_csv(folder / "videos.csv")


def sweep(folder: Path, *more: str) -> str:
    done = command("stages", "-m", *words(folder, *more))
    assert done.returncode == 0, done.stderr
    return done.stdout


def begun(folder: Path, run: str = "r") -> list[Path]:
    return sorted((folder / run).glob("*/attempts/*/*/*"))


def points(folder: Path) -> pl.DataFrame:
    return pl.read_parquet(folder / "r" / "sweeps" / "lengths" / "points.parquet")


def test_steps_before_the_first_changed_one_are_shared_and_those_behind_it_are_the_points(folder: Path) -> None:
    coarse = [f"coarse@rules.motion.min={low}" for low in (0, 4)]
    fine = [FINE.format(low, high) for low in (0, 4) for high in (20, 7)]
    assert sorted(steps(folder / "r")) == sorted(["ingest", "other", *coarse, *fine])
    assert len(begun(folder)) == 8
    for low in (0, 4):
        for high in (20, 7):
            plan = Step(folder / "r", FINE.format(low, high)).plan
            assert plan.inputs == [f"coarse@rules.motion.min={low}"]
            assert plan.config["rules"]["motion"].items() >= {"min": 0, "max": high}.items()


def test_the_table_has_a_row_a_point_and_step_of_its_own(folder: Path) -> None:
    assert points(folder).select("point", "step", "rows_in", "rows_kept").rows() == [
        ("coarse.rules.motion.min=0,fine.rules.motion.max=20", "coarse", 4, 4),
        ("coarse.rules.motion.min=0,fine.rules.motion.max=20", "fine", 4, 3),
        ("coarse.rules.motion.min=0,fine.rules.motion.max=7", "coarse", 4, 4),
        ("coarse.rules.motion.min=0,fine.rules.motion.max=7", "fine", 4, 2),
        ("coarse.rules.motion.min=4,fine.rules.motion.max=20", "coarse", 4, 3),
        ("coarse.rules.motion.min=4,fine.rules.motion.max=20", "fine", 3, 2),
        ("coarse.rules.motion.min=4,fine.rules.motion.max=7", "coarse", 4, 3),
        ("coarse.rules.motion.min=4,fine.rules.motion.max=7", "fine", 3, 1),
    ]
    assert points(folder)["hours_kept"][1] == pytest.approx(16 / 3600)
    assert (folder / "r" / "sweeps" / "lengths" / "points.svg").read_text().startswith("<svg")


def test_the_same_sweep_again_computes_nothing_and_a_value_more_only_that(folder: Path) -> None:
    before = begun(folder)
    told = sweep(folder, *SWEPT)
    assert "as the run remembers: input.path=" in told
    assert begun(folder) == before
    table = points(folder)
    sweep(folder, "steps.coarse.rules.motion.min=0,4,9", SWEPT[1])
    new = {path.relative_to(folder / "r").parts[0] for path in {*begun(folder)} - {*before}}
    assert new == {"coarse@rules.motion.min=9", FINE.format(9, 20), FINE.format(9, 7)}
    assert points(folder)[: len(table)].equals(table)


def test_a_sweep_with_extend_takes_every_point_on_and_looks_at_the_source_once(tmp_path: Path) -> None:
    first_sweep(tmp_path, SWEPT[0])
    list_videos(tmp_path, 1.0, 5.0, 10.0, 30.0, 2.0, 50.0)
    told = sweep(tmp_path, SWEPT[0], "extend=true")
    assert told.count("new rows in the source") == 1
    assert points(tmp_path).select("step", "rows_in", "rows_kept").rows() == [
        ("coarse", 6, 6), ("fine", 6, 6), ("coarse", 6, 4), ("fine", 4, 4)
    ]  # fmt: skip


def test_a_wrong_value_of_one_point_stops_all_of_them(folder: Path) -> None:
    before = sorted(folder.rglob("*"))
    done = command("stages", "-m", *words(folder, "steps.coarse.rules.motion.min=1,much"))
    assert (done.returncode, done.stdout.count("\n")) == (2, 1)  # what the run remembers
    assert done.stderr.startswith("error: steps.coarse.rules.motion.min: ")
    assert sorted(folder.rglob("*")) == before


def named(folder: Path, *more: str) -> list[list[str]]:
    line = read_line(["-m", *words(folder, f"input.path={folder / 'videos.csv'}", *more)])
    return [[wanted.name for wanted in point.order] for point in points_of(line)]


def test_a_key_of_the_run_changes_the_steps_that_take_it(folder: Path) -> None:
    assert named(folder, "least_s=1,2") == [
        ["ingest", f"coarse@least_s={n}", "other", f"fine@least_s={n}"] for n in (1, 2)
    ]


def test_another_input_makes_every_step_another_one(folder: Path) -> None:
    assert named(folder, "source=urls", "source.id=path,null")[0] == [
        f"{step}@source.id=path" for step in ("ingest", "coarse", "other", "fine")
    ]


def test_a_choice_is_swept_like_a_value() -> None:
    for said in ("steps.filter.rules=clips,speech", "rules@steps.filter.rules=glob([clips,speech])"):
        orders = [point.order for point in points_of(read_line(["-m", "clips", "run=r", said]))]
        assert [order[3].name for order in orders] == ["filter@rules=clips", "filter@rules=speech"]
        assert [list(order[3].config.rules) for order in orders] == [["motion", "frozen", "luma"], ["speech"]]
        assert orders[1][4].name == "cut@filter.rules=speech"


@pytest.mark.parametrize("word", ["chunks.size=1,2", "cluster.cpus=1,2", "steps.fine.items.workers=1,2"])
def test_where_and_how_steps_run_makes_no_point_of_them(folder: Path, word: str) -> None:
    assert named(folder, word) == [["ingest", "coarse", "other", "fine"]] * 2


def test_all_means_the_steps_of_the_point() -> None:
    line = read_line(["-m", "clips", "run=r", "steps.split.min_s=2,4", "overwrite=[filter]"])
    first, second = (point.order for point in points_of(line))
    assert first[-1].name == "report@split.min_s=2"
    assert first[-1].common.after == ["ingest", "analyze", *(step.name for step in first[2:-1])]
    assert [step.name for step in second[2:5]] == ["split@min_s=4", "filter@split.min_s=4", "cut@split.min_s=4"]
    assert [step.common.overwrite for step in second[2:5]] == [False, ["filter@split.min_s=4"], False]


def test_only_what_really_sweeps_names_points_of_a_recipe() -> None:
    line = read_line(["-m", "clips", "run=r", "steps.split.min_s=2,4", "steps.filter.rules.motion.min=0.1"])
    assert [step.name for step in points_of(line)[0].order][3] == "filter@split.min_s=2"
    assert [step.name for step in planned("clips", "run=r", "steps.split.min_s=2")][2] == "split"


def test_points_are_slurm_arrays_behind_what_they_share(folder: Path, slurm: Path) -> None:
    on_slurm = (f"input.path={folder / 'videos.csv'}", "cluster=devcluster", "chunks.size=2", "run=arrays")
    told = sweep(folder, *SWEPT, *on_slurm)
    assert told.count("submitted (job ") == 8
    assert len(set(re.findall(r"submitted \(job (\d+)\)", told))) == 4  # the points of a step share an array
    run = folder / "arrays"
    until(lambda: all(len(Step(run, name).all_done()) == Step(run, name).plan.n for name in steps(run)), 240)
    before = begun(folder, "arrays")
    again = sweep(folder, *SWEPT, *on_slurm)
    assert "submitted" not in again
    assert begun(folder, "arrays") == before
    table = pl.read_parquet(run / "sweeps" / "lengths" / "points.parquet")
    assert table["complete"].all()
    assert table["rows_kept"].to_list() == points(folder)["rows_kept"].to_list()[: len(table)]
