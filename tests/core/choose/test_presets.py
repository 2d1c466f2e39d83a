"""The sets of rules in conf/rules: each looks at columns that a stage gives, and says where its numbers are from."""

from itertools import chain
from typing import Any

import polars as pl
import pytest
import yaml
from pydantic import TypeAdapter

from slurm.conf import CONF
from stages.core.choose.rule import Rule, leaves
from stages.core.choose.verdicts import judge
from stages.core.command_line.points import points_of
from stages.core.command_line.read import known_stages
from stages.core.command_line.words import read_line
from stages.core.runner.stage import load

RULES = TypeAdapter(dict[str, Rule])
PRESETS = sorted(path.stem for path in (CONF / "rules").glob("*.yaml"))
OURS = {"clips", "crop", "frames", "skim"}  # whose limits nobody published
SOURCE = ("LVD-2M", "FineVideo", ".md", ".py", ".sh", "huggingface.co/", "post")


def preset(name: str) -> dict[str, Rule]:
    return RULES.validate_python(yaml.safe_load((CONF / "rules" / f"{name}.yaml").read_text()))


@pytest.mark.parametrize("name", PRESETS)
def test_each_looks_at_columns_that_a_stage_gives(name: str) -> None:
    stages = [load(stage) for stage in known_stages()]
    steps = [points_of(read_line(["run=r", "after=[]"], f"stages.{stage.name}"))[0].order[-1] for stage in stages]
    main = (stage.columns(step.config) for stage, step in zip(stages, steps, strict=True))
    tables = ((f"{table}.{column}" for column in schema) for stage in stages for table, schema in stage.tables.items())
    there = {*chain.from_iterable(main), *chain.from_iterable(tables)}
    looked_at = {column for node in leaves(preset(name)) for column in (node.column, node.rule.per) if column}
    assert looked_at <= there


@pytest.mark.parametrize("name", [name for name in PRESETS if name not in OURS])
def test_each_line_of_what_was_published_names_its_source(name: str) -> None:
    text = (CONF / "rules" / f"{name}.yaml").read_text()
    heading = [line for line in text.splitlines()[1:] if line.startswith("#")]
    for rule in preset(name):
        line = next(line for line in text.splitlines() if line.startswith(f"{rule}:"))
        assert any(source in "\n".join([*heading, line]) for source in SOURCE), rule


SCENES: dict[str, dict[str, list[float]]] = {  # of key frames, as huggingface.co/blog/vid_ds_scripts shows them
    "22": {"watermark": [0.69]},
    "10": {"watermark": [0.61]},
    "3": {"watermark": [0.60, 0.17]},
    "36": {"aesthetic": [5.50, 4.44]},
    "46": {"aesthetic": [4.99, 4.87, 4.84]},
}


def reasons(name: str, scorer: str) -> dict[str, str | None]:
    """What a preset's rule about a score makes of the scenes of which that score was published."""
    scenes = {scene: scores[scorer] for scene, scores in SCENES.items() if scorer in scores}
    table = pl.DataFrame({scorer: list(scenes.values())})
    verdicts = judge(table, {scorer: preset(name)[scorer]})
    return dict(zip(scenes, verdicts.reasons(), strict=True))


def test_what_was_asked_of_every_frame_drops_all_published_scenes() -> None:
    assert reasons("crush", "watermark") == dict.fromkeys(("22", "10", "3"), "watermark.all")
    assert reasons("crush", "aesthetic") == dict.fromkeys(("36", "46"), "aesthetic.all")


def test_the_advice_after_that_keeps_the_beautiful_ones_and_drops_by_the_mean_watermark() -> None:
    assert reasons("vds_advice", "aesthetic") == {"36": None, "46": None}
    assert reasons("vds_advice", "watermark") == dict.fromkeys(("22", "10", "3"), "watermark.max")
    verdicts = judge(
        pl.DataFrame({"watermark": [SCENES["3"]["watermark"]]}), {"watermark": preset("vds_advice")["watermark"]}
    )
    assert verdicts.seen["watermark"].to_list() == [0.385]


ROW: dict[str, Any] = {"words": 100, "duration_s": 60.0, "freeze_share": 0.1, "age_limit": 0}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, None),
        ({"age_limit": None}, None),
        ({"age_limit": 18}, "age_limit.max"),
        ({"freeze_share": 0.4}, "static.below"),
        ({"words": 50, "duration_s": 9.0}, "words.above"),
        ({"duration_s": 200.0}, "speech.above"),
        ({"duration_s": 600.5, "words": 9000}, "length.max"),
        ({"words": None}, "words.null"),
    ],
)
def test_finevideos_rules_drop_what_it_dropped(change: dict[str, Any], reason: str | None) -> None:
    table = pl.DataFrame([{**ROW, **change}], schema_overrides={"age_limit": pl.Int64, "words": pl.Int64})
    assert judge(table, preset("finevideo")).reasons().to_list() == [reason]


@pytest.mark.parametrize(
    ("scores", "unlike", "reason"),
    [
        (None, None, None),
        ([0.1, 0.4], None, None),
        ([0.1, 0.7], 0.03, None),  # a border that split has joined, since both sides are the same take
        ([0.1, 0.7], 0.4, "cuts.any"),
        ([0.7], None, "cuts.any"),
    ],
)
def test_a_long_take_has_no_cut_in_it_but_may_have_joined_borders(
    scores: list[float] | None, unlike: float | None, reason: str | None
) -> None:
    row = {"duration_s": 12.0, "changes.score": scores, "merged_unlike": unlike, "flows": [30.0, 20.0]}
    table = pl.DataFrame([row], schema_overrides={"changes.score": pl.List(pl.Float64), "merged_unlike": pl.Float64})
    assert judge(table, preset("long_take")).reasons().to_list() == [reason]
