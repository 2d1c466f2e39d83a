"""Rows that failed in a way that passes are tried again by resume, and the steps behind get what came later."""

from io import StringIO
from pathlib import Path

import polars as pl
import pytest
from rich.console import Console
from support.runs import ProbeRun
from support.steps import finish, made_step

from slurm.control.status import overview
from slurm.control.survey import survey
from slurm.errors import ChunkError, InputError
from slurm.record.chunks import is_behind
from slurm.record.files import names
from slurm.record.inputs import source_of
from slurm.record.manifest import Step
from slurm.task.task import Spec, run_tasks
from stages.core.runner.pipeline import submit_steps

DEBUG = "cluster.executor=debug"


def calls(run: ProbeRun) -> list[int]:
    return [len(run.calls(item)) for item in range(len(run.names))]


def behind(run: ProbeRun) -> tuple[pl.DataFrame, list[int]]:
    """The table of the step behind, and how often it began each item."""
    rows = Step(run.run, "second").scan()
    assert rows is not None
    folder = run.folder / "second" / "calls"
    begun = [len((folder / n).read_text().splitlines()) if (folder / n).exists() else 0 for n in run.names]
    return rows.collect(), begun


def status_of(run: ProbeRun) -> str:
    shown = StringIO()
    Console(file=shown, width=200).print(overview(run.run))
    return shown.getvalue()


def test_only_rows_that_failed_in_passing_are_tried_again(tmp_path: Path) -> None:
    run = ProbeRun(tmp_path, 6, DEBUG, "chunks.size=3")
    run.order(1, "net")
    run.order(4, "bad")
    assert run.submit() == 0
    assert run.table()["error"].to_list() == [None, "network", None, None, "corrupt", None]
    assert "1 rows with error network (resume tries them again)" in status_of(run)
    (run.folder / f"{run.names[1]}.net").unlink()
    assert run.resume()["probe"].why == {"rows that failed in passing": 1}
    assert calls(run) == [1, 2, 1, 1, 1, 1]
    assert run.table()["error"].to_list() == [None, None, None, None, "corrupt", None]
    assert run.table()["value"].null_count() == 1
    assert run.letters()["video_id"].unique(maintain_order=True).to_list() == [n for n in run.names if n[-1] != "4"]
    first, second = run.step.all_done()
    assert (first.tries, first.rows_in, first.rows_kept, first.rows_failed, first.errors) == (2, 3, 3, 0, {})
    assert (second.tries, second.rows_failed) == (1, 1)
    run.resume()
    assert calls(run) == [1, 2, 1, 1, 1, 1]


def test_tries_are_capped_unless_somebody_asks_for_more(tmp_path: Path) -> None:
    run = ProbeRun(tmp_path, 2, DEBUG, "chunks.n=1", "retry.max_attempts=3")
    run.order(0, "net")
    run.order(1, "bad")
    run.submit()
    for _ in range(4):
        run.resume()
    assert calls(run) == [3, 1]
    run.resume(retry=["network"])
    assert calls(run) == [4, 1]
    run.resume(retry=["corrupt"])
    assert calls(run) == [5, 2]
    assert run.table()["error"].to_list() == ["network", "corrupt"]


def test_a_step_behind_does_the_rows_that_came_later_and_only_those(tmp_path: Path) -> None:
    run = ProbeRun(tmp_path, 6, DEBUG, "chunks.size=3")
    run.order(1, "net")
    assert run.submit_chain() == 0
    assert behind(run)[1] == [1, 0, 1, 1, 1, 1]
    (run.folder / f"{run.names[1]}.net").unlink()
    run.resume()
    table, begun = behind(run)
    assert table["video_id"].to_list() == run.names
    assert table["value"].equals(run.expected()["value"])
    assert begun == [1] * 6
    assert survey(Step(run.run, "second")).complete()


def test_a_try_that_gains_nothing_leaves_the_steps_behind_alone(tmp_path: Path) -> None:
    run = ProbeRun(tmp_path, 4, DEBUG, "chunks.size=2")
    run.order(1, "net")
    assert run.submit_chain() == 0
    before = [done.part for done in Step(run.run, "second").all_done()]
    run.resume()
    assert calls(run) == [1, 2, 1, 1]
    assert [done.part for done in Step(run.run, "second").all_done()] == before
    assert survey(Step(run.run, "second")).complete()


def test_a_try_that_is_killed_keeps_the_rows_of_the_part_before(tmp_path: Path) -> None:
    run = ProbeRun(tmp_path, 4, DEBUG, "chunks.n=1", "items.workers=1", "chunks.flush_s=0")
    for item in (0, 2):
        run.order(item, "net")
    run.submit()
    (run.folder / f"{run.names[0]}.net").unlink()
    (run.folder / f"{run.names[2]}.net").unlink()
    run.order(2, "raise")
    run.resume()
    assert run.table()["error"].to_list() == ["network", None, "network", None], "the part before still counts"
    assert "1 chunks failed: exception" in status_of(run)
    (run.folder / f"{run.names[2]}.raise").unlink()
    run.resume()
    assert run.table().equals(run.expected())
    assert calls(run) == [2, 1, 3, 1]


@pytest.mark.parametrize("n", [1, 3, 9])
def test_a_step_with_chunks_of_its_own_does_the_rows_that_came_later_and_only_those(tmp_path: Path, n: int) -> None:
    run = ProbeRun(tmp_path, 8, DEBUG, "chunks.size=2")
    late = (1, 4)
    for item in late:
        run.order(item, "net")
    assert run.submit_chain(align=False, n=n) == 0
    assert behind(run)[1] == [0 if item in late else 1 for item in range(8)]
    before = {done.chunk: done.part for done in Step(run.run, "second").all_done()}
    for item in late:
        (run.folder / f"{run.names[item]}.net").unlink()
    run.resume()
    table, begun = behind(run)
    assert table["video_id"].to_list() == run.names
    assert begun == [1] * 8
    assert survey(Step(run.run, "second")).complete()
    assert "earlier" not in status_of(run)
    after = {done.chunk: done.part for done in Step(run.run, "second").all_done()}
    same = {chunk for chunk in after if after[chunk] == before[chunk]}
    assert len(same) == {1: 0, 3: 1, 9: 6}[n], "what reads the other chunks of the input stays as it is"


def test_a_finished_step_with_a_lost_record_behind_an_input_with_more_rows_follows(tmp_path: Path) -> None:
    run = ProbeRun(tmp_path, 4, DEBUG, "chunks.size=2")
    run.order(1, "net")
    run.submit_chain(align=False, n=3)
    step = Step(run.run, "second")
    (run.folder / f"{run.names[1]}.net").unlink()
    step.paths.done(0).unlink()
    assert not run.resume()["second"].set_aside
    table, calls_behind = behind(run)
    assert table["video_id"].to_list() == run.names
    assert calls_behind == [2, 1, 1, 1], "what was done stays, but for the chunk whose record is gone"
    assert not is_behind(Step(run.run, "second"))


def test_a_task_moves_the_borders_of_its_step_itself(tmp_path: Path) -> None:
    run = ProbeRun(tmp_path, 4, DEBUG, "chunks.size=2", "retry.max_attempts=2")
    run.order(1, "net")
    run.submit_chain(align=False, n=2)
    step = Step(run.run, "second")
    (run.folder / f"{run.names[1]}.net").unlink()
    run.resume(only=["probe"])
    assert is_behind(step)
    step.paths.done(0).unlink()
    run_tasks([Spec(str(run.run), "second", names(step.paths.submissions)[0], 0)])
    assert not is_behind(Step(run.run, "second"))
    assert survey(step).state(0) == "done"
    assert not run.resume()["second"].set_aside
    assert behind(run)[0]["video_id"].to_list() == run.names


def test_a_task_whose_input_is_being_made_again_waits_and_costs_no_attempt(tmp_path: Path) -> None:
    run = ProbeRun(tmp_path, 4, DEBUG, "chunks.size=2", "retry.max_attempts=2")
    run.order(1, "net")
    run.submit_chain(align=False, n=2)
    step = Step(run.run, "second")
    (run.folder / f"{run.names[1]}.net").unlink()
    run.resume(only=["probe"])
    for gone in (run.step.paths.done(1), step.paths.done(0)):
        gone.unlink()  # where the borders lie now depends on chunks that this one does not read
    with pytest.raises(ChunkError, match="1 of 2 chunks of r/probe, which it reads, is not done"):
        run_tasks([Spec(str(run.run), "second", names(step.paths.submissions)[0], 0)])
    assert survey(step).past[0][-1].cause == "gated"
    assert not run.resume()["second"].set_aside
    assert behind(run)[0]["video_id"].to_list() == run.names


def test_a_damaged_chunk_that_was_not_mended_yet_is_known_without_looking_at_its_files_again(tmp_path: Path) -> None:
    run = ProbeRun(tmp_path, 2, DEBUG, "chunks.n=1", "chunks.flush_s=0")
    run.submit()
    torn = run.step.paths.part(run.step.all_done()[0].part, "letters")
    torn.write_bytes(torn.read_bytes()[:-9])
    run.order(1, "raise", once=True)
    assert run.resume()["probe"].why == {"files of finished chunks that are gone or damaged": 1}
    assert run.survey().redone == {0}
    assert "1 chunks failed: exception" in status_of(run)
    run.resume()
    assert run.survey().redone == set()
    assert run.table().equals(run.expected())
    assert run.letters()["video_id"].unique(maintain_order=True).to_list() == run.names


def test_rows_flushed_before_chunks_were_laid_out_anew_hinder_nobody(tmp_path: Path) -> None:
    run = ProbeRun(tmp_path, 10, DEBUG, "items.workers=1", "chunks.flush_s=0")
    for item in (8, 9):
        run.order(item, "net")
    order = run.chain(align=False, n=2)
    (run.folder / "second" / f"{run.names[7]}.raise").write_text("once")
    assert submit_steps(order) == 1  # the second chunk has 4 to 7, and flushed 4, which will be in the first one
    assert list(Step(run.run, "second").paths.partial_of(1).iterdir())
    for item in (8, 9):
        (run.folder / f"{run.names[item]}.net").unlink()
    run.resume(only=["probe"])
    assert submit_steps(run.chain(align=False, n=2, overwrite=True)) == 0
    assert behind(run)[0]["video_id"].to_list() == run.names


def test_a_chunk_behind_other_rows_whose_attempt_failed_is_done_by_the_next_resume(tmp_path: Path) -> None:
    run = ProbeRun(tmp_path, 2, DEBUG, "chunks.n=1", "items.workers=1")
    run.order(1, "net")
    submit_steps(run.chain())
    (run.folder / f"{run.names[1]}.net").unlink()
    (run.folder / "second" / f"{run.names[1]}.raise").write_text("once")
    run.resume()
    assert survey(Step(run.run, "second")).failed == {0: "exception"}
    run.resume()
    assert survey(Step(run.run, "second")).complete()
    assert behind(run)[0]["video_id"].to_list() == run.names


def test_a_reduce_step_is_stale_once_an_input_has_other_rows(tmp_path: Path) -> None:
    table = pl.DataFrame({"video_id": ["a"], "value": ["1"], "error": [None], "error_detail": [None]})
    source = made_step(tmp_path, "source", n=1)
    last = made_step(tmp_path, "last", n=1, kind="reduce", inputs=["source"])
    first = finish(source, 0, table)
    last.finish(finish(last, 0, table)._replace(source=source_of(last, 0)))
    assert survey(last).complete()
    finish(source, 0, table, attempt="2_0_0")
    assert source_of(last, 0) == source.all_done()[0].edition
    assert survey(last).state(0) == "stale"
    source.finish(finish(source, 0, table, attempt="3_0_0")._replace(same_as=first.part))
    assert survey(last).state(0) == "done"


def test_settings_may_change_while_a_step_stands_and_the_rest_may_not(tmp_path: Path) -> None:
    run = ProbeRun(tmp_path, 4, DEBUG, "chunks.size=2", "items.timeout_s=50")
    run.submit()
    run.submit("items.timeout_s=70", "chunks.size=1", "chunks.flush_s=0")
    plan = Step(run.run, "probe").plan
    assert (plan.items.timeout_s, plan.policy.flush_s, plan.n) == (70.0, 0.0, 2)
    run.seconds = 0.01
    with pytest.raises(InputError, match=r"config\.seconds"):
        run.submit()
