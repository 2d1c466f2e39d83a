"""Recipes: which step reads which, and in which order they are planned."""

from pathlib import Path

import pytest
from support.runs import planned

from slurm.errors import InputError


@pytest.fixture
def recipes(tmp_path: Path) -> Path:
    (tmp_path / "pipeline").mkdir()
    return tmp_path


def recipe(folder: Path, steps: list[str], body: str = "") -> list[str]:
    """The words for a recipe of these steps (name: stage), with this body."""
    lines = ["# @package _global_", "defaults:", *(f"  - /stage@steps.{step}" for step in steps), "  - _self_", body]
    (folder / "pipeline" / "own.yaml").write_text("\n".join(lines))
    return ["own", "run=r", "input.path=/data", f"--config-dir={folder}"]


def test_a_step_reads_what_its_stage_says_and_the_recipe_may_say_otherwise(recipes: Path) -> None:
    steps = ["cut: cut", "filter: filter", "split: split", "analyze: analyze", "ingest: ingest"]
    order = planned(*recipe(recipes, steps, "steps: {cut: {after: split}, filter: {after: [split, cut]}}"))
    assert [step.name for step in order] == ["ingest", "analyze", "split", "cut", "filter"]
    assert {step.name: step.common.after for step in order} == {
        "ingest": None, "analyze": "ingest", "split": "analyze", "cut": "split", "filter": ["split", "cut"]
    }  # fmt: skip


def test_all_means_every_other_step_of_the_recipe_but_those_behind_it(recipes: Path) -> None:
    steps = ["first: report", "ingest: ingest", "analyze: analyze", "last: report", "more: filter"]
    order = {step.name: step.common.after for step in planned(*recipe(recipes, steps, "steps: {more: {after: first}}"))}
    assert order["first"] == ["ingest", "analyze"]
    assert order["last"] == ["first", "ingest", "analyze", "more"]
    assert list(order)[-2:] == ["more", "last"]


def test_a_step_added_on_the_command_line_is_reported_too() -> None:
    order = planned("clips", "run=r", "+stage@steps.again=filter", "steps.again.after=filter")
    assert order[-1].common.after == ["ingest", "analyze", "split", "filter", "cut", "again"]


def test_steps_of_a_recipe_may_be_left_out_and_exchanged() -> None:
    order = planned("clips", "run=r", "~stage@steps.cut", "stage@steps.filter=split", "steps.filter.min_s=9")
    assert [step.name for step in order] == ["ingest", "analyze", "split", "filter", "report"]
    assert order[3].stage.name == "split"


def test_both_ways_to_take_a_stage_into_a_recipe_are_hydras_own(recipes: Path) -> None:
    words = recipe(recipes, ["ingest: ingest"])
    file = recipes / "pipeline" / "own.yaml"
    file.write_text(file.read_text().replace("/stage@steps.ingest: ingest", "/stage/ingest@steps.ingest"))
    assert [step.name for step in planned(*words)] == ["ingest"]


def test_the_steps_of_a_circle_are_named(recipes: Path) -> None:
    with pytest.raises(InputError, match=r"the steps a → b → a read each other in a circle: say steps\.a\.after="):
        planned(*recipe(recipes, ["a: filter", "b: filter"], "steps: {a: {after: b}, b: {after: a}}"))


@pytest.mark.parametrize(
    ("steps", "body", "told"),
    [
        (["a: filter", "a: split"], "", r"stage@steps\.a"),
        (["a: filter", "a: filter"], "", r"@steps\.a.* more than once"),
        (["ingest: ingest"], "steps: {a: {after: ingest}}", r"steps\.a: no stage"),
        (["ingest: ingest"], "steps: {a: {}, a: {}}", "duplicate key a"),
        (["ingest: ingest"], "steps: {ingest: null}", r"steps\.ingest: no stage"),
        (["ingest: moon"], "", "stage/moon"),
        (["ingest: ingest", "a: filter"], "steps: {a: {ruels: 1}}", r"steps\.a\.ruels: "),
        (["ingest: ingest", "a: split"], "steps: {a: {min_s: two}}", r"steps\.a\.min_s: .*got 'two'"),
        (["ingest: ingest"], "steps: {ingest: {chunks: {size: many}}}", r"steps\.ingest\.chunks\.size: .*got 'many'"),
        (["ingest: ingest"], "steps: {ingest: {cluster: 3}}", r"steps\.ingest\.cluster: no keys"),
        (["ingest: ingest"], "chunks: {sise: 3}", r"chunks\.sise: no such key"),
        (["ingest: ingest"], "steps: [ingest", "expected"),
        ([], "", "steps: the recipe has none"),
    ],
)
def test_a_recipe_that_is_wrong_names_its_key(recipes: Path, steps: list[str], body: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        planned(*recipe(recipes, steps, body))


def test_two_stages_under_one_name_are_named(recipes: Path) -> None:
    words = recipe(recipes, ["ingest: ingest"])
    file = recipes / "pipeline" / "own.yaml"
    two = "/stage/split@steps.x\n  - /stage/cut@steps.x"
    file.write_text(file.read_text().replace("/stage@steps.ingest: ingest", two))
    with pytest.raises(InputError, match=r"steps\.x: two stages, (cut and split|split and cut), have this name"):
        planned(*words)


@pytest.mark.parametrize("name", ["tables", "pools", "sweeps"])
def test_a_step_is_not_named_like_a_folder_of_its_run(name: str) -> None:
    with pytest.raises(InputError, match=rf"steps\.{name}: a run has a folder {name}/ of its own"):
        planned("filter", "run=r", f"step={name}")
