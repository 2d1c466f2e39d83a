"""The stage over a film that was really decoded: verdicts of its clips, and what each rule saw, below them too."""

from itertools import chain
from pathlib import Path

import polars as pl
import pytest
from pydantic import TypeAdapter
from support.runs import command
from support.sliding import FPS, look, slide, write_film

from slurm.table import read_table
from stages.core.choose.rule import Rule
from stages.filter import Config, columns

RULES = [  # of the tables below clips, and of the video above them
    "~rules.motion",
    "~rules.luma",
    "rules.seconds={column: signals.motion, max: 1000}",
    "rules.cuts={column: changes.score, reduce: max, below: 0.5, on_null: pass}",
    "rules.shot={column: shots.start_frame, reduce: first, above: 0}",
    "rules.pictures={column: key_frames.position, reduce: any, in: [first]}",
    "rules.lively.any={motion: {min: 0.05}, sharpness: {min: 100000}}",
    "rules.codec.in=[hevc,h264]",
]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film of two shots, of which the second stands still, as clips with verdicts."""
    folder, shot = tmp_path_factory.mktemp("filter"), 2 * FPS
    (folder / "films").mkdir()
    write_film(
        folder / "films" / "a.mp4", chain(slide((30, 0), shot), [255 - look(900, 300, (960, 520))] * shot), (480, 260)
    )
    words = ["run=r", f"runs={folder}", f"input.path={folder / 'films'}", "cluster.executor=debug"]
    less = ["~stage@steps.cut", "~stage@steps.report", "steps.split.min_s=1"]
    rules = [f"{rule[:1] * (rule[0] == '~')}steps.filter.{rule.lstrip('~')}" for rule in RULES]
    done = command("stages", "clips", *words, *less, *rules)
    assert done.returncode == 0, done.stderr
    return folder / "r"


def values(run: Path, rule: str) -> pl.DataFrame:
    return read_table(run, "filter", "values").filter(rule=rule).sort("clip_id").collect()


def test_each_row_has_a_verdict_and_all_that_would_have_dropped_it(run: Path) -> None:
    rows = read_table(run, "filter").sort("clip_id").collect()
    assert rows["drop_reason"].to_list() == ["shot.above", "frozen.max"]
    table = read_table(run, "filter", "values").collect()
    assert table.columns == ["clip_id", "video_id", "rule", "value", "text", "failed"]
    assert table["rule"].n_unique() == len(table) / 2 == 9
    tops = ["frozen", "seconds", "cuts", "shot", "pictures", "lively", "codec"]
    failed = table.drop_nulls("failed").filter(pl.col("rule").is_in(tops)).sort("clip_id")["failed"].to_list()
    assert failed == ["shot.above", "frozen.max", "lively.any"]


def test_a_clip_has_the_seconds_shots_cuts_and_pictures_within_it(run: Path) -> None:
    clips = read_table(run, "split").sort("clip_id").collect()
    assert values(run, "seconds")["value"].to_list() == pytest.approx(clips["motion"].list.mean().to_list(), rel=1e-6)
    assert values(run, "shot")["value"].to_list() == clips["start_frame"].to_list() == [0, 2 * FPS]
    assert values(run, "cuts")["failed"].null_count() == 2  # the cut between them is in neither
    assert values(run, "pictures")["value"].to_list() == pytest.approx([1 / 3] * 2)


def test_a_rule_over_text_shows_it(run: Path) -> None:
    assert values(run, "codec").select("value", "text", "failed").rows() == [(None, "h264", None)] * 2


def test_the_columns_that_rules_look_at_are_named_with_the_key_that_asks() -> None:
    said = {
        "x": {"min": 1},
        "again": {"column": "x", "per": "duration_s"},
        "g": {"any": {"y": {}, "h": {"all": {"z": {"column": "w"}}}}},
    }
    assert columns(Config(TypeAdapter(dict[str, Rule]).validate_python(said))) == {
        "x": "rules.x",
        "duration_s": "rules.again.per",
        "y": "rules.g.any.y",
        "w": "rules.g.any.h.all.z.column",
    }
