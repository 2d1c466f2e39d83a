"""A run grows: what is new in its source gets chunks of its own in every step behind it; what is done stays done."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from support import again, frames, tally
from support.runs import ProbeRun, command, planned

from slurm.control.resume import resume
from slurm.control.survey import survey
from slurm.errors import InputError
from slurm.record.manifest import Step, steps
from slurm.table import read_table
from stages import filter as filtering
from stages.core.choose.rule import Rule
from stages.core.runner.pipeline import Wanted, submit_steps
from stages.core.runner.stage import Stage
from stages.filter import Config

DEBUG = "cluster.executor=debug"


class Growing(ProbeRun):
    """A run over a list of videos that changes: `list_items` writes it, `extend` reads it again."""

    def list_items(self, *numbers: int) -> None:
        self.names = [f"item{n:05d}" for n in numbers]
        table = {"video_id": self.names, "path": [f"{name}.mp4" for name in self.names], "bytes": list(numbers)}
        pl.DataFrame(table, schema_overrides={"bytes": pl.Int64}).write_csv(self.catalogue)

    def extend(self, *words: str) -> int:
        return submit_steps(self.source("extend=true", *words))

    def source(self, *words: str) -> list[Wanted]:
        return planned("ingest", *self.overrides, f"input.path={self.catalogue}", *words)

    def behind(self, stage: Stage, config: Any, step: str, after: str | list[str], **chunks: Any) -> list[Wanted]:
        common = self.wanted()[-1].common
        return [Wanted(stage, replace(common, step=step, after=after, chunks=replace(common.chunks, **chunks)), config)]

    def ids(self, step: str) -> list[str]:
        return read_table(self.run, step).collect()["video_id"].to_list()

    def attempts(self, step: str) -> int:
        return len(list(Step(self.run, step).paths.attempts.glob("*/*/*.jsonl")))


@pytest.fixture
def run(tmp_path: Path) -> Growing:
    """Four items in chunks of two, probed."""
    made = Growing(tmp_path, 4, DEBUG, "chunks.size=2", "items.workers=1")
    made.list_items(0, 1, 2, 3)
    assert made.submit() == 0
    return made


def test_only_what_is_new_is_computed_and_stands_behind_what_was_there(run: Growing) -> None:
    before = Step(run.run, "probe").all_done()
    run.list_items(5, 0, 1, 2, 3, 4, 6)
    assert run.extend() == 0
    assert run.ids("ingest") == run.ids("probe") == [f"item{n:05d}" for n in (0, 1, 2, 3, 5, 4, 6)]
    assert Step(run.run, "probe").all_done()[:2] == before
    assert [len(run.calls(n)) for n in range(7)] == [1] * 7
    assert run.table()["value"].is_not_null().all()


def test_the_same_command_again_computes_nothing(run: Growing, capsys: pytest.CaptureFixture[str]) -> None:
    run.list_items(0, 1, 2, 3, 4)
    assert run.extend() == 0
    counts = {step: run.attempts(step) for step in steps(run.run)}
    assert run.extend() == 0
    assert {step: run.attempts(step) for step in steps(run.run)} == counts
    assert "ingest: 0 new rows in the source beside 5" in capsys.readouterr().out


def test_rows_say_by_which_extension_they_came(run: Growing) -> None:
    for numbers in ((0, 1, 2, 3, 4), (0, 1, 2, 3, 4, 5, 6)):
        run.list_items(*numbers)
        assert run.extend() == 0
    table = read_table(run.run, "probe", catalogue=True).collect()
    assert table["extension"].to_list() == [0, 0, 0, 0, 1, 2, 2]


def test_what_vanished_from_the_source_is_told_and_stays(run: Growing, capsys: pytest.CaptureFixture[str]) -> None:
    run.list_items(1, 3, 4, 5)
    assert run.extend() == 0
    assert "2 new rows in the source beside 4; 2 of the run's are no longer in the source, and stay" in (
        capsys.readouterr().out
    )
    assert len(run.ids("probe")) == 6


def test_a_source_with_fewer_rows_is_refused_unless_that_is_meant(run: Growing) -> None:
    run.list_items(4, 5)
    before = sorted(run.runs.rglob("*"))
    with pytest.raises(
        InputError, match=r"step r/ingest has 2 rows now, the run has 4 of it.*input\.path.*extend=fewer"
    ):
        run.extend()
    assert sorted(run.runs.rglob("*")) == before
    assert run.extend("extend=fewer") == 0
    assert len(run.ids("probe")) == 6


def test_another_config_of_the_source_is_refused_and_nothing_changes(run: Growing) -> None:
    run.list_items(0, 1, 2, 3, 4)
    before = sorted(run.runs.rglob("*"))
    with pytest.raises(InputError, match=r"config\.source\.name: 'auto' → 'urls'"):
        run.extend("source=urls")
    assert sorted(run.runs.rglob("*")) == before


def test_a_stage_without_a_source_cannot_be_told_to_extend(run: Growing) -> None:
    with pytest.raises(InputError, match=r"extend=true: none of report reads a source; say it of `ingest`"):
        submit_steps(planned("report", *run.overrides, "extend=true"))


def test_a_run_that_does_not_exist_yet_is_begun(tmp_path: Path) -> None:
    made = Growing(tmp_path, 3, DEBUG)
    assert made.extend() == 0
    assert made.ids("ingest") == made.names


def test_an_extension_that_failed_is_resumed(run: Growing) -> None:
    run.list_items(0, 1, 2, 3, 4, 5)
    run.order(5, "raise", once=True)
    assert run.extend() == 1
    assert survey(run.step).counts()["failed"] == 1
    assert resume(run.run)["probe"].survey.complete()
    assert len(run.ids("probe")) == 6
    assert len(run.calls(0)) == 1


def test_rows_that_failed_before_are_retried_beside_an_extension(run: Growing) -> None:
    run.list_items(0, 1, 2, 3, 4)
    run.order(4, "net")
    assert run.extend() == 0
    (run.folder / f"{run.names[4]}.net").unlink()
    run.list_items(0, 1, 2, 3, 4, 5)
    assert run.extend() == 0
    assert read_table(run.run, "probe", kept=True).collect().height == 6
    assert [len(run.calls(n)) for n in range(6)] == [1, 1, 1, 1, 2, 1]


def test_steps_that_cut_their_input_into_chunks_of_their_own_get_more_of_them(run: Growing) -> None:
    config = frames.Config((0.1, 0.2, 0.3), [])
    assert submit_steps(run.behind(frames.STAGE, config, "frames", "probe", align=False, size=3)) == 0
    assert submit_steps(run.behind(filtering.STAGE, Config({"score": rule()}), "good", "frames", align=True)) == 0
    assert Step(run.run, "frames").plan.n == 2
    run.list_items(0, 1, 2, 3, 4, 5, 6, 7)
    assert run.extend() == 0
    assert [layout.end for layout in Step(run.run, "frames").layouts] == [2, 4]
    assert run.ids("good") == [f"item{n:05d}" for n in range(8) for _ in range(3)]
    assert run.attempts("frames") == run.attempts("good") == 4


def rule() -> Rule:
    return Rule("score", "mean", 0.15, None)


def test_a_filter_over_frames_of_two_steps_grows_with_both(run: Growing) -> None:
    config = frames.Config((0.1, 0.2, 0.3), [])
    assert submit_steps(run.behind(frames.STAGE, config, "frames", "ingest", align=False, size=3)) == 0
    good = run.behind(filtering.STAGE, Config({"score": rule()}), "good", ["probe", "frames"], align=True)
    assert submit_steps(good) == 0
    run.list_items(0, 1, 2, 3, 4, 5, 6)
    assert run.extend() == 0
    values = read_table(run.run, "good", "values").collect()
    assert values["video_id"].to_list() == [f"item{n:05d}" for n in range(7)]
    assert values["value"].to_list() == pytest.approx([0.2] * 7)
    assert run.attempts("good") == 4


def test_a_reduce_stage_that_continues_is_handed_its_former_output_and_the_new_rows_only(run: Growing) -> None:
    assert submit_steps(run.behind(tally.STAGE, tally.Config(), "tally", "probe")) == 0
    for last in (5, 8):
        run.list_items(*range(last))
        assert run.extend() == 0
    table = read_table(run.run, "tally").collect()
    assert table["number"].to_list() == list(range(8))
    assert table["seen"].to_list() == [4] * 4 + [1] + [3] * 3
    assert Step(run.run, "tally").plan.n == 3


def test_a_reduce_stage_that_does_not_continue_is_made_again_and_what_reads_it_follows(run: Growing) -> None:
    assert submit_steps(run.behind(again.STAGE, tally.Config(), "again", "probe")) == 0
    limits = Config({"number": Rule("number", "mean", 1, None)})
    assert submit_steps(run.behind(filtering.STAGE, limits, "later", "again", size=3)) == 0
    run.list_items(*range(6))
    assert run.extend() == 0
    assert read_table(run.run, "again").collect()["seen"].to_list() == [6] * 6
    assert run.ids("later") == [f"item{n:05d}" for n in range(6)]
    assert all(survey(Step(run.run, step)).complete() for step in steps(run.run))


def test_a_continuing_step_starts_over_where_the_rows_that_it_read_changed(run: Growing) -> None:
    run.list_items(0, 1, 2, 3, 4)
    run.order(4, "net")
    run.extend()
    assert submit_steps(run.behind(tally.STAGE, tally.Config(), "tally", "probe")) == 0
    run.list_items(*range(6))
    run.extend()
    (run.folder / "item00004.net").unlink()
    resume(run.run)
    table = read_table(run.run, "tally").collect()
    assert table["video_id"].to_list() == [f"item{n:05d}" for n in range(6)]
    assert table["number"].to_list() == list(range(6))


def test_a_step_that_is_planned_after_an_extension_reads_all_of_the_run(run: Growing) -> None:
    run.list_items(*range(6))
    run.extend()
    late = run.behind(frames.STAGE, frames.Config((1.0, 2.0, 3.0), []), "late", "probe", align=True)
    assert submit_steps(late) == 0
    assert len(read_table(run.run, "late").collect()) == 18
    run.list_items(*range(7))
    run.extend()
    assert len(read_table(run.run, "late").collect()) == 21


def test_new_rows_of_many_cost_what_they_cost_alone(tmp_path: Path) -> None:
    """100,000 rows and 1,000 more: the rows that are computed are counted."""
    made = Growing(tmp_path, 1, DEBUG, "chunks.size=25000")
    made.list_items(*range(100_000))
    limits = Config({"bytes": Rule("bytes", "mean", 10, None)})
    assert submit_steps(made.source()) == 0
    assert submit_steps(made.behind(filtering.STAGE, limits, "large", "ingest", size=25_000)) == 0
    assert submit_steps(made.behind(filtering.STAGE, limits, "larger", "large", align=True)) == 0
    before = {step: {done.chunk for done in Step(made.run, step).all_done()} for step in ("large", "larger")}
    made.list_items(*range(101_000))
    assert made.extend() == 0
    for step, chunks in before.items():
        added = [done for done in Step(made.run, step).all_done() if done.chunk not in chunks]
        assert sum(done.rows_in for done in added) == 1000
        assert made.attempts(step) == len(chunks) + len(added)
        assert len(read_table(made.run, step).collect()) == 101_000 - (step == "larger") * 10


def test_a_step_that_continues_waits_for_its_input_and_does_not_turn_in_circles(run: Growing) -> None:
    assert submit_steps(run.behind(tally.STAGE, tally.Config(), "tally", "probe")) == 0
    for last in (5, 6):  # two extensions, of which the first one's chunk fails
        run.list_items(*range(last))
        (run.folder / "item00004.raise").touch()
        run.extend()
    assert survey(Step(run.run, "tally")).counts()["done"] == 1
    assert resume(run.run, only=["tally"])["tally"].waits_for == "probe"
    (run.folder / "item00004.raise").unlink()
    resume(run.run, force=True)
    assert read_table(run.run, "tally").collect()["number"].to_list() == list(range(6))


def test_a_step_that_continues_goes_on_behind_its_own_failed_chunk_once_that_is_done(run: Growing) -> None:
    refuses = run.folder / "refuses"
    refuses.touch()
    assert submit_steps(run.behind(tally.STAGE, tally.Config(str(refuses)), "tally", "probe")) == 0
    for last in (5, 6):
        run.list_items(*range(last))
        assert run.extend() == 1
    found = resume(run.run)["tally"]
    assert (found.survey.counts()["done"], found.waits_for, list(found.set_aside)) == (1, "tally", [1])
    refuses.unlink()
    assert resume(run.run, force=True)["tally"].survey.complete()
    assert read_table(run.run, "tally").collect()["number"].to_list() == list(range(6))


def test_a_command_that_was_broken_off_while_it_extended_is_told_and_goes_on(run: Growing) -> None:
    run.list_items(*range(6))
    step = Step(run.run, "ingest")
    step.extend(step.plan.n + 1)
    assert resume(run.run)["ingest"].survey.complete()
    told = command("slurm", "status", "run=r", f"runs={run.runs}").stdout
    assert "probe: has no chunks yet for what ingest got; run with extend=true again" in told
    assert run.extend() == 0
    assert len(run.ids("probe")) == 6
    assert "extend=true again" not in command("slurm", "status", "run=r", f"runs={run.runs}").stdout
