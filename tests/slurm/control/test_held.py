"""Tasks that Slurm holds: what it could not launch is submitted again, what a person holds is told and left alone."""

import subprocess
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from support.runs import ProbeRun, command, until
from support.slurm import ask, finish
from support.steps import cluster, made_step
from support.told import Told

from slurm.__main__ import main as slurm_command
from slurm.control.held import Held, advice
from slurm.control.retry import decide
from slurm.control.survey import survey
from slurm.record.files import names
from slurm.record.manifest import Step
from slurm.scheduler.accounting import Queued, reason_held

FAST = ("cluster=devcluster", "cluster.mem_gb=1")


@pytest.fixture
def broken_nodes(slurm: Path) -> Iterator[Path]:
    """A file that exists: as long as it does, no node launches anything."""
    path = slurm / "prolog.fails"
    path.touch()
    yield path
    path.unlink(missing_ok=True)
    mend_nodes()


def mend_nodes() -> None:
    for node in ("cpu1", "cpu2", "cpu3"):  # Slurm drains a node where a prolog failed
        subprocess.run(["scontrol", "update", f"nodename={node}", "state=resume"], check=False, capture_output=True)


@pytest.mark.slow
def test_a_task_that_could_not_be_launched_counts_as_a_failed_start_and_is_submitted_again(
    tmp_path: Path, broken_nodes: Path
) -> None:
    run = ProbeRun(tmp_path, 1, *FAST, "chunks.n=1", "retry.max_attempts=2", "steps.ingest.cluster.executor=local")
    run.submit()
    until(lambda: run.survey().held)
    words = ["run=r", f"runs={run.runs}"]
    assert "1 task held (launch failed requeued held; " in command("slurm", "status", *words).stdout
    first = run.survey().held[0].job
    broken_nodes.unlink()
    mend_nodes()
    resumed = command("slurm", "resume", *words)
    assert "1 again after did not start: Slurm: launch failed requeued held, on cpu" in resumed.stdout
    assert resumed.returncode == 0
    assert run.survey().past[0][0].cause == "did not start"
    assert [window.job for window in run.survey().windows] != [first]
    assert names(run.step.paths.failures("0000")), "the breaker has seen it"
    finish(run)
    assert "did not start │ Slurm: launch failed" in command("slurm", "explain", *words, "step=probe", "chunk=0").stdout


@pytest.mark.slow
@pytest.mark.usefixtures("slurm")
def test_watch_goes_on_with_the_rest_where_a_person_holds_a_task(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = ProbeRun(tmp_path, 3, *FAST, "chunks.n=3", "cluster.parallel=1", "steps.ingest.cluster.executor=local")
    run.submit_chain(n=1)
    (job,) = (window.job for window in run.survey().windows)
    ask("scontrol", "hold", f"{job}_2")
    assert slurm_command(["watch", "run=r", f"runs={run.runs}", "every=1"]) == 1
    shown = capsys.readouterr().out
    assert f"1 task held (JobHeldAdmin; {job}_2): they wait for an administrator: scontrol release {job}_2" in shown
    assert "nothing goes on before these tasks are released or cancelled" in shown
    assert sorted(run.survey().done) == [0, 1]
    assert names(run.step.paths.submissions) == ["0000"], "what a person holds is not submitted again"
    ask("scontrol", "release", f"{job}_2")
    until(lambda: Step(run.run, "second").complete())


@pytest.mark.parametrize("state", ["REQUEUE_HOLD", "SPECIAL_EXIT", "RESV_DEL_HOLD"])
def test_a_task_in_a_state_of_being_held_is_held_whatever_the_reason(state: str) -> None:
    assert reason_held(Queued("7", 1, state, "whatever")) == "whatever"


@pytest.mark.parametrize(
    "reason", ["Priority", "Resources", "Dependency", "JobArrayTaskLimit", "PartitionDown", "None"]
)
def test_a_task_that_waits_for_its_turn_is_not_held(reason: str) -> None:
    assert reason_held(Queued("7", 1, "PENDING", reason)) is None


def test_each_reason_is_told_with_the_command_that_helps(tmp_path: Path) -> None:
    step = made_step(tmp_path / "run")
    reasons = ["launch_failed_requeued_held", "JobHeldUser", "BadConstraints"]
    queued = [Queued("7", chunk, "PENDING", reason) for chunk, reason in enumerate(reasons)]
    held = {
        task.element: Held("0000", "7", task.element, f"7_{task.element}", reason_held(task) or "") for task in queued
    }
    lines = list(advice(step, held))
    assert lines[0].endswith("(launch failed requeued held; 7_0): python -m slurm resume run=run submits them again")
    assert lines[1].endswith("(JobHeldUser; 7_1): they wait for whoever held them: scontrol release 7_1")
    assert "python -m slurm cancel run=run step=made, then resume run=run with other cluster.KEY=VALUE" in lines[2]


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Told]:
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return partial(Told, tmp_path)


def runs(element: int, *, since_s: float) -> str:
    """What squeue says of a task that runs."""
    return f"7_{element}|RUNNING|{time.time() - since_s:.0f}|None"


def test_a_task_that_is_said_to_run_and_gives_no_sign_of_life_is_told(told: Callable[..., Told]) -> None:
    run = told([0], [1])
    run.tried(0, "7_0_0", None, ago_s=400)
    run.tried(1, "7_1_0", None, ago_s=20)
    run.say("squeue", runs(0, since_s=500), runs(1, since_s=500))
    found = survey(run.step)
    assert sorted(found.active) == [0, 1]
    assert list(advice(run.step, found.held)) == [
        "1 task held (no sign of life; 7_0): python -m slurm resume run=r cancels it and goes on"
    ]


def test_a_task_that_has_begun_another_chunk_or_has_just_come_back_is_not_silent(told: Callable[..., Told]) -> None:
    run = told([0, 1], [2], [3])
    run.tried(0, "7_0_0", "too_many_errors", ago_s=400)
    run.tried(1, "7_0_0", None, ago_s=20)
    run.tried(2, "7_1_0", None, ago_s=4000)  # requeued since, and its Python has not begun
    run.say("squeue", runs(0, since_s=500), runs(1, since_s=400), runs(2, since_s=1000))
    assert survey(run.step).held == {}
    run.say("squeue", runs(2, since_s=4000))
    assert [held.task for held in survey(run.step).held.values()] == ["7_2"], "its Python has not begun for an hour"


@pytest.mark.parametrize("state", ["CANCELLED", "TIMEOUT"])
def test_a_silent_task_that_was_ended_has_that_cause_and_costs_no_attempt(
    told: Callable[..., Told], state: str
) -> None:
    run = told([0], [1])
    run.tried(0, "7_0_0", None, ago_s=1000)
    run.tried(1, "7_1_0", None, ago_s=10)
    now_s = int(time.time())
    run.say("sacct", *(f"7_{i}|{state} by 0|0:0|n1|{now_s - 2000}|{now_s}|1000" for i in (0, 1)))
    (silent,), (other,) = (survey(run.step).past[chunk] for chunk in (0, 1))
    assert (silent.cause, silent.detail) == ("silent", f"no sign of life for the last 17 min; Slurm: {state}")
    assert other.cause == {"CANCELLED": "cancelled", "TIMEOUT": "timeout"}[state]
    assert decide([silent] * 9, cluster(), max_attempts=2).again
