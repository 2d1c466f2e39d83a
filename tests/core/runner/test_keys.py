"""Keys are data: rows under a key of their own, read by later steps, and reduced back to what they were made of."""

from dataclasses import replace
from typing import Any

import polars as pl
import pytest
from support import frames, spans
from support.runs import ProbeRun

from slurm.errors import InputError
from slurm.record.manifest import Step
from slurm.table import read_table
from stages import filter as filtering
from stages.core.choose.rule import Rule
from stages.core.runner.pipeline import Wanted, submit_steps
from stages.core.runner.plan import make_plan
from stages.core.runner.stage import Stage
from stages.filter import Config

SCORES = (0.1, 0.9, 0.5)


def wanted(run: ProbeRun, stage: Stage, config: Any, step: str, after: str | list[str], **chunks: Any) -> Wanted:
    common = run.wanted()[-1].common
    chunking = replace(common.chunks, **chunks)
    return Wanted(stage, replace(common, step=step, after=after, chunks=chunking), config)


def rule(reduce: Any = "mean", column: str = "score", **limits: float) -> Rule:
    return Rule(column, reduce, limits.get("min"), limits.get("max"))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> ProbeRun:
    """Four videos, two clips each, three frames a clip; the last clip has none."""
    made = ProbeRun(tmp_path_factory.mktemp("keys"), 4, "cluster.executor=debug", "chunks.size=2")
    last = f"{made.names[-1]}_1"
    order = [
        made.wanted()[0],
        wanted(made, spans.STAGE, spans.Config(), "clips", "ingest"),
        wanted(made, frames.STAGE, frames.Config(SCORES, [last]), "frames", "clips"),
    ]
    assert submit_steps(order) == 0
    return made


def test_a_row_bears_its_own_key_and_those_of_all_that_it_was_made_of(run: ProbeRun) -> None:
    assert Step(run.run, "frames").plan.keys == ["frame_id", "clip_id", "video_id"]
    table = read_table(run.run, "frames").collect()
    first = run.names[0]
    assert table.row(0, named=True) | {"error": None} == {
        "frame_id": f"{first}_0_0", "clip_id": f"{first}_0", "video_id": first, "score": 0.1, "error": None,
        "error_detail": None,
    }  # fmt: skip
    assert len(table) == 7 * 3
    assert read_table(run.run, "frames", "boxes").collect().columns == ["clip_id", "video_id", "box", "area"]


def test_a_step_behind_works_on_rows_with_a_third_key(run: ProbeRun) -> None:
    step = wanted(run, filtering.STAGE, Config({"score": rule(min=0.5)}), "good", "frames")
    assert submit_steps([step]) == 0
    table = read_table(run.run, "good").collect()
    assert table.columns[:4] == ["frame_id", "clip_id", "video_id", "drop_reason"]
    assert table["drop_reason"].to_list() == ["score.min", None, None] * 7
    assert read_table(run.run, "good", "values").collect().columns[:3] == ["frame_id", "clip_id", "video_id"]


@pytest.mark.parametrize(
    ("reduce", "value"),
    [
        ("mean", 0.5), ("min", 0.1), ("max", 0.9), ("first", 0.1), ("last", 0.5), ("quantile(0.5)", 0.5),
        ("quantile(0.75)", 0.7), ("any", 1 / 3), ("all", 1 / 3),
    ],
)  # fmt: skip
@pytest.mark.parametrize("align", [True, False])
def test_frames_are_reduced_back_to_clips_without_a_step_in_between(
    run: ProbeRun, reduce: str, value: float, align: bool
) -> None:
    rules = {"score": rule(reduce, min=0.6)}
    after, name = ["clips", "frames"], f"kept_{reduce}_{align}"
    assert submit_steps([wanted(run, filtering.STAGE, Config(rules), name, after, align=align, size=3)]) == 0
    assert Step(run.run, name).plan.keys == ["clip_id", "video_id"]
    values = read_table(run.run, name, "values").collect()
    assert values["value"].to_list() == pytest.approx([value] * 7 + [None])
    reasons = read_table(run.run, name).collect()["drop_reason"].to_list()
    fails = None if value >= 0.6 or reduce == "any" else f"score.{'all' if reduce == 'all' else 'min'}"
    assert reasons == [fails] * 7 + ["score.null"]


def test_frames_are_reduced_to_their_videos_as_well(run: ProbeRun) -> None:
    rules = {"score": rule("max", max=0.95), "frames": rule("first", column="score", min=0.1)}
    assert submit_steps([wanted(run, filtering.STAGE, Config(rules), "videos", ["ingest", "frames"])]) == 0
    table = read_table(run.run, "videos").collect()
    assert table["video_id"].to_list() == run.names
    assert table["drop_reason"].to_list() == [None] * 4


def test_a_column_of_a_side_table_is_reduced_likewise(run: ProbeRun) -> None:
    rules = {"area": rule("max", column="boxes.area", max=0.4)}
    assert submit_steps([wanted(run, filtering.STAGE, Config(rules), "small", ["clips", "frames"])]) == 0
    assert read_table(run.run, "small").collect()["drop_reason"].to_list() == ["area.max"] * 7 + ["area.null"]


def test_a_clip_has_of_a_table_of_its_video_the_rows_within_its_span(run: ProbeRun) -> None:
    rules = {
        "loudest": rule("max", column="moments.loud", max=2),
        "first": rule("first", column="moments.loud"),
        "areas": rule("max", column="boxes.area", max=1),  # without times: those of the whole video
    }
    order = [
        wanted(run, frames.STAGE, frames.Config(SCORES, []), "of_videos", "ingest"),
        wanted(run, filtering.STAGE, Config(rules), "quiet", ["clips", "of_videos"], align=False, size=3),
    ]
    assert submit_steps(order) == 0
    assert read_table(run.run, "quiet").collect()["drop_reason"].to_list() == [None, "loudest.max"] * 4
    values = read_table(run.run, "quiet", "values").collect()
    assert values.filter(rule="loudest")["value"].to_list() == [1.0, 3.0] * 4
    assert values.filter(rule="first")["value"].to_list() == [0.0, 2.0] * 4
    assert values.filter(rule="areas")["value"].to_list() == [0.5] * 8


def test_a_rule_that_does_not_suit_the_type_of_its_column_is_refused_before_anything_runs(run: ProbeRun) -> None:
    for column, step in (("path", "clips"), ("frame_id", "frames")):
        rules = {"x": Rule(column, min=1)}
        with pytest.raises(InputError, match=r"step late: rules\.x\.min=1 is a limit of numbers"):
            submit_steps([wanted(run, filtering.STAGE, Config(rules), "late", ["clips", step])])
    assert not Step(run.run, "late").exists


def test_rows_that_a_filter_dropped_are_reduced_no_more(run: ProbeRun) -> None:
    order = [
        wanted(run, filtering.STAGE, Config({"score": rule(max=0.6)}), "dull", "frames"),
        wanted(run, filtering.STAGE, Config({"score": rule("mean", max=0.4)}), "calm", ["clips", "dull"]),
        wanted(run, filtering.STAGE, Config({"score": rule("mean", max=0.4)}), "all_frames", ["clips", "frames"]),
    ]
    assert submit_steps(order) == 0
    values = {step: read_table(run.run, step, "values").collect()["value"] for step in ("calm", "all_frames")}
    assert values["calm"].to_list() == pytest.approx([0.3] * 7 + [None])  # of 0.1 and 0.5
    assert values["all_frames"].to_list() == pytest.approx([0.5] * 7 + [None])


def test_rows_with_three_keys_may_be_items_of_a_stage_with_a_key_of_its_own_again(run: ProbeRun) -> None:
    order = [
        wanted(run, filtering.STAGE, Config({"score": rule(max=0.6)}), "low", "frames"),
        wanted(run, spans.STAGE, spans.Config(), "again", "low"),
    ]
    assert submit_steps(order) == 0
    assert Step(run.run, "again").plan.keys == ["frame_id", "clip_id", "video_id"]


def test_a_clip_gets_the_columns_of_its_video(run: ProbeRun) -> None:
    step = wanted(run, filtering.STAGE, Config({"path": Rule("duration_s", "mean", None, None)}), "long", "clips")
    assert submit_steps([step]) == 0
    assert read_table(run.run, "long").collect()["drop_reason"].to_list() == ["path.null"] * 8


def test_a_column_that_says_nothing_of_the_items_is_refused_before_anything_runs(run: ProbeRun) -> None:
    made = Step(run.run, "frames").plan
    assert made.keys[0] == "frame_id"
    order = [
        wanted(run, frames.STAGE, frames.Config(SCORES, []), "others", "ingest"),
        wanted(run, filtering.STAGE, Config({"score": rule(min=0.5)}), "mixed", ["clips", "others"]),
    ]
    with pytest.raises(
        InputError, match=r"mixed needs 'score' for each clip_id; step others gives it for each frame_id"
    ):
        submit_steps(order)
    assert not Step(run.run, "others").exists


def test_a_table_may_be_joined_with_the_catalogue(run: ProbeRun) -> None:
    table = read_table(run.run, "frames", catalogue=True).collect()
    assert (
        table["path"].to_list()
        == [str(run.catalogue.parent / f"{name}.mp4") for name in run.names for _ in range(6)][:21]
    )
    assert isinstance(table.schema["path"], pl.String)


def test_a_column_that_a_stage_takes_is_of_the_nearest_step_with_one_value_an_item(run: ProbeRun) -> None:
    taking = replace(frames.STAGE, takes=("score",))
    again = wanted(run, taking, frames.Config(SCORES, []), "again", "clips")
    plans = {name: Step(run.run, name).plan for name in ("ingest", "clips", "frames")}
    made = make_plan(taking, again.common, again.config, ["clips", "frames"], plans)
    assert made.columns.columns == {}  # of frames a clip has several
    scored = {**plans, "clips": replace(plans["clips"], gives={**plans["clips"].gives, "score": "Float64"})}
    for inputs, giver in ((["clips", "frames"], "clips"), (["frames"], "frames")):
        made = make_plan(taking, again.common, again.config, inputs, scored)
        assert made.columns.columns == {"score": giver}
    nearer = {**plans, "ingest": replace(plans["ingest"], gives={**plans["ingest"].gives, "score": "Float64"})}
    made = make_plan(taking, again.common, again.config, ["clips", "frames"], nearer)
    assert made.columns.columns == {"score": "ingest"}  # behind the frames, and a clip has one video


def test_a_list_that_a_stage_takes_is_of_the_nearest_step_with_several_rows_an_item(run: ProbeRun) -> None:
    taking = replace(frames.STAGE, takes_lists=lambda config: ("score", "nowhere"))
    again = wanted(run, taking, frames.Config(SCORES, []), "again", "clips")
    plans = {name: Step(run.run, name).plan for name in ("ingest", "clips", "frames")}
    behind = {**plans, "chosen": replace(plans["clips"], inputs=["clips", "frames"])}
    for inputs, known in ((["clips", "frames"], plans), (["chosen"], behind)):
        assert make_plan(taking, again.common, again.config, inputs, known).columns.columns == {"score": "frames"}
    assert make_plan(taking, again.common, again.config, ["frames"], plans).columns.columns == {}, "a frame has one"
    assert make_plan(taking, again.common, again.config, ["clips"], plans).columns.columns == {}, "no step before it"
