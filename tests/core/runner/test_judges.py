"""A reduce stage that judges: it has the kept rows of the step before it as items, and gives each of them back."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from support import judging
from support.runs import ProbeRun, planned
from support.steps import plan

from slurm.errors import InputError
from slurm.record.manifest import Step
from slurm.record.plan import Plan
from slurm.table import read_table
from stages.core.runner.columns import find_own
from stages.core.runner.pipeline import Wanted, submit_steps
from stages.core.runner.plan import make_plan
from stages.core.runner.stage import Stage

DEBUG = "cluster.executor=debug"
GIVES = {"video_id": "String", "error": "String", "error_detail": "String"}


def behind(run: ProbeRun, name: str, after: str, *, stage: Stage = judging.STAGE, loses: int = 0) -> list[Wanted]:
    order = run.wanted()
    common = replace(order[1].common, step=name, after=after)
    return [*order, Wanted(stage, common, judging.Config(loses))]


def test_it_gives_a_row_for_each_kept_row_and_what_is_behind_it_reads_those_that_it_keeps(tmp_path: Path) -> None:
    run = ProbeRun(tmp_path, 7, DEBUG, "chunks.size=2")
    run.order(2, "bad")
    assert submit_steps(behind(run, "first", "probe")) == 0
    good = [name for number, name in enumerate(run.names) if number != 2]
    table = read_table(run.run, "first").collect()
    assert table.columns == ["video_id", "number", "drop_reason", "error", "error_detail"]
    assert table["video_id"].to_list() == good
    done = Step(run.run, "first").all_done()
    assert [(one.rows_in, one.rows_out, one.rows_kept, one.rows_failed) for one in done] == [(6, 6, 3, 0)]
    assert submit_steps([*behind(run, "first", "probe"), behind(run, "second", "first")[-1]]) == 0
    assert read_table(run.run, "second").collect()["video_id"].to_list() == good[::2]
    assert "video_id" not in read_table(run.run, "first", "former").collect_schema()


def test_a_row_that_it_loses_fails_the_step(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = ProbeRun(tmp_path, 4, DEBUG)
    assert submit_steps(behind(run, "first", "probe", loses=1)) == 1
    assert "stage support.judging gave 3 rows for 4" in capsys.readouterr().out


def test_it_needs_a_step_before_it(tmp_path: Path) -> None:
    run = ProbeRun(tmp_path, 1, DEBUG)
    common = behind(run, "first", "probe")[-1].common
    with pytest.raises(InputError, match="step first needs an input: say after=STEP"):
        make_plan(judging.STAGE, common, judging.Config(), [], {})


def test_a_column_of_the_items_themselves_comes_before_that_of_what_they_were_made_of() -> None:
    def of(keys: Sequence[str], inputs: Sequence[str], *gives: str) -> Plan:
        columns = dict.fromkeys((*keys, *gives), "String")
        return plan(keys=list(keys), item_keys=list(keys), inputs=list(inputs), gives={**GIVES, **columns})

    clip, frame = ["clip_id", "video_id"], ["frame_id", "clip_id", "video_id"]
    plans: Mapping[str, Plan] = {
        "videos": of(["video_id"], [], "duration_s", "title"),
        "split": of(clip, ["videos"], "duration_s"),
        "first": of(clip, ["split"]),
        "second": of(clip, ["first"]),
        "topics": of(["video_id"], ["videos"], "category"),
        "frames": of(frame, ["second"], "score"),
    }
    found = {
        name: find_own(name, ["second", "topics", "frames"], plans, "probe")
        for name in ("duration_s", "title", "category", "score")
    }
    assert found == {"duration_s": "split", "title": "videos", "category": "topics", "score": "frames"}


def test_in_an_extension_it_has_its_new_items_and_those_before(tmp_path: Path) -> None:
    listed, words = tmp_path / "list.csv", ("run=r", f"runs={tmp_path}", "source=urls", DEBUG)
    values: dict[str, Any] = {"video_id": list("abcde"), "path": [f"/{name}.mp4" for name in "abcde"]}
    pl.DataFrame(values)[:3].write_csv(listed)
    order = planned("ingest", *words, f"input.path={listed}")
    common = replace(order[0].common, step="first", after="ingest")
    assert submit_steps([*order, Wanted(judging.STAGE, common, judging.Config())]) == 0
    pl.DataFrame(values).write_csv(listed)
    assert submit_steps(planned("ingest", *words, f"input.path={listed}", "extend=true")) == 0
    table = read_table(tmp_path / "r", "first").collect()
    assert table.select("video_id", "number", "drop_reason").rows() == [
        ("a", 0, None), ("b", 1, "odd"), ("c", 2, None), ("d", 3, "odd"), ("e", 4, None)
    ]  # fmt: skip
    former = read_table(tmp_path / "r", "first", "former").collect()["seen"].to_list()
    assert former == ["", "/a.mp4/b.mp4/c.mp4"]
