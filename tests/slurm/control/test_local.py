"""Two commands on one machine: each leaves alone what the other one runs."""

from multiprocessing import get_context
from pathlib import Path

from support.runs import ProbeRun, until
from support.steps import cluster

from slurm.control.submit import freeze
from slurm.record.history import history
from slurm.task.task import Spec, run_task

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


def test_an_attempt_that_another_one_overtook_ends_as_done_and_leaves_nothing(tmp_path: Path) -> None:
    run = ProbeRun(tmp_path, 8, *LOCAL, "chunks.n=1", "items.workers=1", seconds=0.5)
    faster = get_context("spawn").Process(target=run.submit)
    faster.start()
    until(lambda: run.begun() >= 4)
    again = freeze(run.step, [[0]], cluster(executor="local", cpus=1), seen=1, size=1, why={})
    run_task(Spec(str(run.run), "probe", again, 0))
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
