"""Two commands on one machine: each leaves alone what the other one runs."""

from multiprocessing import get_context
from pathlib import Path

import pytest
from support.runs import ProbeRun, until
from support.steps import cluster

from slurm.control.submit import freeze
from slurm.record.history import history
from slurm.record.manifest import Step
from slurm.task.task import Spec, run_tasks

LOCAL = ("cluster.executor=local", "cluster.cpus=1", "chunks.flush_s=0.2")


def test_a_second_local_command_leaves_the_chunks_of_the_first_alone(tmp_path: Path) -> None:
    run = ProbeRun(tmp_path, 6, *LOCAL, "chunks.n=3", seconds=0.5)
    first = get_context("spawn").Process(target=run.submit)
    first.start()
    until(lambda: run.begun() >= 1)
    assert run.survey().counts()["active"] == 3
    assert run.submit() == 0
    first.join()
    assert run.table().equals(run.expected())
    assert all(len(run.calls(item)) == 1 for item in range(6))


def test_steps_behind_those_of_another_command_wait_and_say_for_what(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = ProbeRun(tmp_path, 4, *LOCAL, "chunks.n=2", seconds=1.0)
    first = get_context("spawn").Process(target=run.submit_chain)
    first.start()
    until(lambda: run.begun() >= 1)
    capsys.readouterr()
    assert run.submit_chain() == 0
    shown = capsys.readouterr().out.splitlines()
    who = f"another process (pid {first.pid})"
    assert next(line for line in shown if line.startswith("probe")).endswith(f" active, {who} is at it")
    later = f"{who} is at probe, which it reads: give the command again when that has ended"
    assert f"second: 0/2 chunks done, {later}" in shown
    assert not Step(run.run, "second").paths.attempts.exists()
    first.join()
    assert Step(run.run, "second").complete()


def test_an_attempt_that_another_one_overtook_ends_as_done_and_leaves_nothing(tmp_path: Path) -> None:
    run = ProbeRun(tmp_path, 8, *LOCAL, "chunks.n=1", "items.workers=1", seconds=0.5)
    faster = get_context("spawn").Process(target=run.submit)
    faster.start()
    until(lambda: run.begun() >= 4)
    again = freeze(run.step, [[0]], cluster(executor="local", cpus=1), seen=1, size=1, why={})
    run_tasks([Spec(str(run.run), "probe", again, 0)])
    faster.join()
    ends = [(past.cause, past.detail) for past in history(run.step, 0)]
    assert ends == [("done", ""), ("done", "another attempt did it")]
    assert run.table().equals(run.expected())
    assert not list(run.step.paths.partial.glob("*/*"))


def test_what_a_killed_local_command_left_is_resumed(tmp_path: Path) -> None:
    run = ProbeRun(tmp_path, 6, *LOCAL, "chunks.n=3", seconds=0.5)
    first = get_context("spawn").Process(target=run.submit)
    first.start()
    until(lambda: run.begun() >= 1)
    first.kill()
    first.join()
    until(lambda: not run.survey().active, 30)
    run.resume()
    assert run.table().equals(run.expected())


def test_rows_that_somebody_removes_under_an_attempt_are_done_again_and_cost_no_attempt(tmp_path: Path) -> None:
    run = ProbeRun(tmp_path, 6, *LOCAL, "chunks.n=1", "retry.max_attempts=1", seconds=0.5)
    first = get_context("spawn").Process(target=run.submit)
    first.start()
    until(lambda: list(run.step.paths.partial.glob("*/*/*.00000.flush")))
    next(run.step.paths.partial.glob("*/*/*.00000.flush")).unlink()
    first.join()
    (past,) = run.survey().past[0]
    assert past.cause == "rows_removed"
    assert ".00000.flush is gone, with rows that were finished: they are done again" in past.detail
    run.resume()
    assert run.table().equals(run.expected())
