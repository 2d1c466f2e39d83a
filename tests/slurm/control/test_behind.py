"""Tasks queued behind others: after a resume they wait for what was submitted again, so that one resume is enough."""

from pathlib import Path
from shutil import rmtree

import pytest
from support.runs import ProbeRun, command, until
from support.slurm import ask

from slurm.control.survey import survey
from slurm.record.files import names
from slurm.record.manifest import Step
from slurm.task.task import Spec, run_tasks

FAST = ("cluster=devcluster", "cluster.mem_gb=1", "steps.ingest.cluster.executor=local")
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("slurm")]


def second(run: ProbeRun) -> Step:
    return Step(run.run, "second")


def test_after_some_tasks_were_cancelled_one_resume_brings_a_step_behind_a_barrier_to_its_end(tmp_path: Path) -> None:
    run = ProbeRun(tmp_path, 2, *FAST, "chunks.n=2", "cluster.parallel=1", seconds=5.0)  # seen while it runs
    run.submit_chain(n=1)
    (job,) = (window.job for window in run.survey().windows)
    ask("scancel", f"{job}_1")
    until(lambda: set(run.survey().active) == {0})
    results = run.resume()
    assert results["probe"].submitted == [1]
    assert results["second"].submitted == []
    assert results["second"].once_more == ""
    until(lambda: second(run).complete(), 60)
    assert names(second(run).paths.submissions) == ["0000"]


def test_a_dependency_that_can_never_be_satisfied_is_mended(tmp_path: Path) -> None:
    run = ProbeRun(tmp_path, 2, *FAST, "chunks.n=2", "++cluster.extra.kill-on-invalid-dep=no", seconds=1.0)
    run.submit_chain()
    (job,) = (window.job for window in run.survey().windows)
    ask("scancel", f"{job}_0")
    until(lambda: "PENDING DependencyNeverSatisfied" in survey(second(run)).active.values())
    results = run.resume()
    assert results["probe"].submitted == [0]
    assert results["second"].submitted == []
    until(lambda: second(run).complete(), 60)


def test_where_a_task_has_begun_already_resume_says_that_it_is_needed_once_more(tmp_path: Path) -> None:
    run = ProbeRun(tmp_path, 4, *FAST, "chunks.n=1", seconds=4.0)
    run.order(0, "net", once=True)
    run.submit_chain()
    until((run.folder / "second" / "calls").exists)
    words = ["run=r", f"runs={run.runs}"]
    told = command("slurm", "resume", *words).stdout
    assert "probe: 1/1 chunks done, 1 submitted" in told
    assert (
        "1 of its chunks are under way, and chunks that they read were submitted again: python -m slurm resume" in told
    )
    until(lambda: run.survey().done and not run.survey().redone and second(run).complete(), 60)
    assert run.resume()["second"].submitted == [0]


def test_a_chunk_that_a_running_task_has_left_is_done_again_at_once_when_its_input_got_other_rows(
    tmp_path: Path,
) -> None:
    run = ProbeRun(tmp_path, 4, *FAST, "chunks.n=2", "chunks.per_task=2", "cluster.signal_delay_s=5")
    run.order(0, "net", once=True)
    (run.folder / "second").mkdir()
    (run.folder / "second" / f"{run.names[2]}.hang").touch()
    run.submit_chain(n=2)
    until((run.folder / "second" / "calls" / run.names[2]).exists, 120)
    assert survey(second(run)).done.keys() == {0}
    assert run.resume(only=["probe"])["probe"].submitted == [0]
    until(lambda: run.survey().complete() and not run.survey().redone)
    assert run.resume()["second"].submitted == [0]
    until(lambda: second(run).all_done()[0].rows_in == 2, 60)


def test_a_step_does_not_wait_for_a_job_whose_chunks_others_have_done(tmp_path: Path) -> None:
    run = ProbeRun(tmp_path, 2, *FAST, "chunks.n=2", "cluster.parallel=1")
    run.submit_chain(n=1)
    (job,) = (window.job for window in run.survey().windows)
    ask("scontrol", "hold", f"{job}_1")
    run_tasks([Spec(str(run.run), "probe", "0000", 1)])  # as somebody may by hand
    until(lambda: run.survey().complete())
    run.resume()
    until(lambda: second(run).complete(), 60)
    assert names(second(run).paths.submissions) == ["0000"]


def test_one_resume_is_enough_for_a_finished_step_with_chunks_of_its_own_over_a_torn_file(tmp_path: Path) -> None:
    run = ProbeRun(tmp_path, 6, *FAST, "chunks.n=3", "cluster.parallel=2")
    run.order(1, "net")
    run.submit_chain(align=False, n=2)
    until(lambda: second(run).complete(), 60)
    (run.folder / f"{run.names[1]}.net").unlink()
    torn = run.step.paths.part(run.step.all_done()[0].part)
    torn.write_bytes(torn.read_bytes()[:-9])
    results = run.resume()
    assert results["probe"].submitted == [0]
    assert results["second"].submitted == [0], "the other chunk reads none of these rows"
    until(lambda: not (found := survey(second(run))).active and not found.redone and found.complete(), 60)
    rows = second(run).scan()
    assert rows is not None
    assert rows.collect()["video_id"].to_list() == run.names
    calls = [(run.folder / "second" / "calls" / name).read_text().splitlines() for name in run.names]
    assert list(map(len, calls)) == [1] * 6


def test_a_task_that_began_too_early_says_so_by_its_exit_status(tmp_path: Path) -> None:
    run = ProbeRun(tmp_path, 2, *FAST, "chunks.n=1", seconds=30.0)
    run.submit_chain(n=1)
    (job,) = (window.job for window in run.survey().windows)
    (behind,) = (window.job for window in survey(second(run)).windows)
    ask("scancel", job)
    until(lambda: "FAILED" in ask("sacct", "-X", "-n", "-P", "-j", behind, "-o", "State"), 60)
    assert ask("sacct", "-X", "-n", "-P", "-j", behind, "-o", "ExitCode").strip() == "75:0"
    rmtree(second(run).paths.attempts)
    until(lambda: survey(second(run)).past)
    assert [past.cause for past in survey(second(run)).past[0]] == ["gated"]
