"""Rules of a filter on the command line, in recipes and in sweeps: keys that no file names, rules more, rules less."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from slurm.conf import CONF
from slurm.errors import InputError
from slurm.record.plan import Plan
from stages.core.command_line.points import points_of
from stages.core.command_line.words import read_line
from stages.core.runner.pipeline import plan_all


def plans(folder: Path, *words: str, module: str | None = "stages.filter") -> dict[str, Plan]:
    """The plans of the filters of all points, with what is behind them, in a run that has no step yet."""
    found: dict[str, Plan] = {}
    for point in points_of(read_line([*words, "run=r", f"runs={folder}"], module)):
        for wanted, plan in zip(point.order, plan_all(point.order, []), strict=True):
            found |= {wanted.name: plan} if plan.stage == "filter" else {}
    return found


def rules(folder: Path, *words: str) -> dict[str, dict[str, Any]]:
    """The rules of the one filter that these words make, each with the keys that it says."""
    (plan,) = plans(folder, *words).values()
    unsaid = {"column": None, "reduce": "mean", "min": None, "max": None, "above": None, "per": None}
    return {
        name: {k: v for k, v in rule.items() if k not in unsaid or v != unsaid[k]}
        for name, rule in plan.config["rules"].items()
    }


CLIPS = {"motion": {"min": 0.002}, "frozen": {"max": 0.5}, "luma": {"min": 0.03, "max": 0.98}}


@pytest.mark.parametrize(
    ("words", "changed"),
    [
        (["rules.motion.below=3"], {"motion": {"min": 0.002, "below": 3.0}}),
        (["rules.motion={below: 3}"], {"motion": {"min": 0.002, "below": 3.0}}),
        (["rules.motion.min=null", "rules.motion.above=0.01"], {"motion": {"above": 0.01}}),
        (["rules.motion.reduce=quantile(0.9)"], {"motion": {"reduce": "quantile(0.9)", "min": 0.002}}),
        (["rules.contrast.min=0.1"], {"contrast": {"min": 0.1}}),
        (["rules.loud={column: contrast, min: 0.1}"], {"loud": {"column": "contrast", "min": 0.1}}),
        (["++rules.contrast.min=0.1"], {"contrast": {"min": 0.1}}),
        (["+rules.contrast.min=0.1"], {"contrast": {"min": 0.1}}),
        (
            ["rules.codec.in=[h264,hevc]", "rules.codec.on_null=pass"],
            {"codec": {"in": ["h264", "hevc"], "on_null": "pass"}},
        ),
        (["rules.has_audio.equals=true"], {"has_audio": {"equals": True}}),
        (["rules.upload_date.min=2024-01-31"], {"upload_date": {"min": "2024-01-31"}}),
        (["~rules.luma"], {"luma": None}),
        (
            ["~rules.luma", "~rules.frozen", "rules.motion.max=3"],
            {"luma": None, "frozen": None, "motion": {"min": 0.002, "max": 3.0}},
        ),
    ],
)
def test_a_rule_may_be_changed_added_or_taken_away(tmp_path: Path, words: list[str], changed: dict[str, Any]) -> None:
    expected = {name: rule for name, rule in (CLIPS | changed).items() if rule is not None}
    assert rules(tmp_path, *words) == expected
    below = [re.sub(r"^([~+]*)", r"\1steps.filter.", word) for word in words]
    assert list(plans(tmp_path, *below, module=None)["filter"].config["rules"]) == list(expected)


@pytest.mark.parametrize(
    "words",
    [
        ["rules.size={any: {wide: {column: width_px, min: 1280}, height_px: {min: 1280}}}"],
        ["rules.size.any={wide: {column: width_px, min: 1280}, height_px: {min: 1280}}"],
        ["rules.size.any.wide.column=width_px", "rules.size.any.wide.min=1280", "rules.size.any.height_px.min=1280"],
    ],
)
def test_a_group_of_rules_is_said_as_any_other_rule(tmp_path: Path, words: list[str]) -> None:
    plan = plans(tmp_path, *words)["filter"]
    size = plan.config["rules"]["size"]["any"]
    assert {name: (rule["column"], rule["min"]) for name, rule in size.items()} == {
        "wide": ("width_px", 1280.0), "height_px": (None, 1280.0)
    }  # fmt: skip
    assert plan.columns.columns == dict.fromkeys(["motion", "frozen", "luma"], "split") | dict.fromkeys(
        ["width_px", "height_px"], "analyze"
    )


def test_sets_of_rules_may_be_taken_together(tmp_path: Path) -> None:
    words = ("step=good", "rules=[speech,clips]", "rules.speech.on_null=pass")
    assert list(rules(tmp_path, *words)) == ["speech", *CLIPS]


def test_the_reduction_is_swept_with_the_limit(tmp_path: Path) -> None:
    swept = ("-m", "rules.motion.reduce=all,mean,first", "rules.motion.max=0.1,0.2,0.3")
    found = plans(tmp_path, *swept)
    assert len(found) == 9
    plan = found["filter@rules.motion.max=0.2,rules.motion.reduce=first"]
    assert plan.config["rules"]["motion"].items() >= {"reduce": "first", "min": 0.002, "max": 0.2}.items()
    rules = plans(tmp_path, "-m", "rules=open_sora,open_sora_plan", "step=pretty", "after=[split,score_frames]")
    assert [plan.config["rules"]["aesthetic"]["min"] for plan in rules.values()] == [4.5, 4.75]


def test_a_member_of_a_group_is_swept(tmp_path: Path) -> None:
    found = plans(tmp_path, "-m", "rules.size.any.width_px.min=640,1280", "rules.size.any.height_px.min=640")
    assert list(found) == [
        f"filter@rules.size.any.height_px.min=640,rules.size.any.width_px.min={n}" for n in (640, 1280)
    ]


@pytest.mark.parametrize("file", sorted((CONF / "rules").glob("*.yaml")), ids=lambda file: file.stem)
def test_the_command_of_each_set_of_rules_finds_their_columns_and_fits_their_types(file: Path, tmp_path: Path) -> None:
    _, command = file.read_text().splitlines()[0].split("python -m stages.filter ")
    words = [word for word in shlex.split(command) if not word.startswith("run=")]
    (plan,) = plans(tmp_path, *words).values()
    assert list(plan.config["rules"]) == list(yaml.safe_load(file.read_text()))


def test_lists_of_wanted_values_are_swept(tmp_path: Path) -> None:
    found = plans(tmp_path, "-m", "rules.codec.in=[h264],[hevc,av1]")
    assert [plan.config["rules"]["codec"]["in"] for plan in found.values()] == [["h264"], ["hevc", "av1"]]


RECIPE = """# @package _global_
# python -m stages good run=NAME input.path=DIR
defaults: [/pipeline/clips, _self_]
steps:
  filter: {rules: {motion: {below: 3}, contrast: {min: 0.1}, size: {any: {width_px: {min: 9}, height_px: {min: 9}}}}}
"""


def test_a_recipe_adds_keys_and_rules(tmp_path: Path) -> None:
    (tmp_path / "pipeline").mkdir()
    (tmp_path / "pipeline" / "good.yaml").write_text(RECIPE)
    made = plans(tmp_path, "good", f"--config-dir={tmp_path}", module=None)["filter"].config["rules"]
    assert list(made) == ["motion", "frozen", "luma", "contrast", "size"]
    assert (made["motion"]["min"], made["motion"]["below"]) == (0.002, 3.0)


REFUSED: dict[str, tuple[list[str], str]] = {
    "unknown key": (["rules.motion.mni=1"], r"steps.filter.rules.motion: unknown key mni \(did you mean min\?\)"),
    "no rule": (["rules.motion=null"], "steps.filter.rules.motion: null is no rule"),
    "min above max": (["rules.motion.max=0.001"], "steps.filter.rules.motion: min=0.002 and max=0.001"),
    "limit that is none": (["rules.motion.max=nan"], "steps.filter.rules.motion.max: .* finite"),
    "limit without end": (["rules.motion.max=inf"], "steps.filter.rules.motion.max: .* finite"),
    "empty group": (["rules.size={any: {}}"], "steps.filter.rules.size: the group any is empty"),
    "unknown column": (
        ["rules.motion.column=contarst"],
        r"step filter \(rules.motion.column\) needs 'contarst', .* split, analyze, ingest; they give contrast, ",
    ),
    "unknown column of a new rule": (
        ["rules.contarst.min=1"],
        r"step filter \(rules.contarst\) .* they give contrast, ",
    ),
    "unknown column of a table": (
        ["rules.motion.column=signal.motion"],
        r"needs 'signal.motion', .* give signals.motion, ",
    ),
    "unknown column in a group": (["rules.a.any.b.column=x"], r"step filter \(rules.a.any.b.column\) needs 'x'"),
    "unknown divisor": (["rules.motion.per=second"], r"step filter \(rules.motion.per\) needs 'second'"),
    "limit of text": (
        ["rules.codec.min=3"],
        "step filter: rules.codec.min=3 is a limit of numbers, .*'codec', .* text",
    ),
    "text for a flag": (["rules.has_audio.equals=yes"], "step filter: rules.has_audio.equals"),
    "contradiction": (["rules.dull.column=luma", "rules.dull.below=0.03"], "rules.luma and rules.dull contradict"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_rule_that_makes_no_sense_is_told_by_its_key_before_submission(case: str, tmp_path: Path) -> None:
    words, told = REFUSED[case]
    with pytest.raises(InputError, match=told):
        plans(tmp_path, *words)
    assert list(tmp_path.iterdir()) == []


def test_the_columns_of_tables_are_there_for_rules_over_clips(tmp_path: Path) -> None:
    words = (
        *("rules.speed.column=signals.motion", "rules.speed.max=1", "rules.cuts.column=changes.score"),
        *("rules.cuts.reduce=max", "rules.cuts.below=0.5", "rules.cuts.on_null=pass", "rules.looks.column=shots.hash"),
    )
    columns = plans(tmp_path, *words)["filter"].columns.columns
    assert {"signals.motion": "analyze", "changes.score": "analyze", "shots.hash": "analyze"}.items() <= columns.items()
    assert (columns["start_s"], columns["end_s"]) == ("split", "split")
