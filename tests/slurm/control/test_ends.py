"""Tasks that end before our Python starts have a cause and a log like any other, and are not tried for ever."""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import polars as pl
import pytest
from support.runs import ProbeRun, command, until
from support.slurm import ask
from support.steps import finish
from support.told import Told

from slurm.__main__ import main as slurm_command
from slurm.control.ends import whole_story
from slurm.control.held import take_out
from slurm.control.submit import Window, load_windows
from slurm.control.survey import queue_of, survey
from slurm.record.files import names

FAST = ("cluster=devcluster", "cluster.mem_gb=1")
BROKEN = 'cluster.setup=["echo module: command not found", "exit 7"]'


@pytest.mark.slow
@pytest.mark.usefixtures("slurm")
@pytest.mark.parametrize("chunks", [1, 3])
def test_a_task_whose_setup_fails_is_told_with_its_log_and_set_aside_in_the_end(
    tmp_path: Path, chunks: int, capsys: pytest.CaptureFixture[str]
) -> None:
    run = ProbeRun(tmp_path, chunks, *FAST, f"chunks.n={chunks}", "retry.max_attempts=2")
    run.submit(BROKEN, "steps.ingest.cluster.setup=[]")
    until(lambda: len(run.survey().failed) == chunks)
    found = run.survey()
    assert set(found.failed.values()) == {"did not start"}
    last = found.past[chunks - 1][-1]
    assert "its log ends: module: command not found" in last.detail
    assert "module: command not found" in Path(last.log).read_text()
    assert "exit 7" not in last.detail
    told = command("slurm", "explain", "run=r", f"runs={run.runs}", "step=probe", f"chunk={chunks - 1}").stdout
    assert f"chunk {chunks - 1}: failed (did not start)" in told
    assert "module: command not found" in told
    assert slurm_command(["watch", "run=r", f"runs={run.runs}", "every=1"]) == 1
    assert "tried 2 times (retry.max_attempts=2); last: did not start" in capsys.readouterr().out
    jobs = [window.job for window in sent(run)]
    ends = ask("sacct", "-X", "-n", "-P", "-j", ",".join(jobs), "-o", "State").split()
    assert ends.count("FAILED") == 2 * chunks
    assert names(run.step.paths.failures(names(run.step.paths.submissions)[-2])), "the breaker has seen it"


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Told]:
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return partial(Told, tmp_path)


def test_what_ended_a_moment_ago_is_under_way_until_sacct_tells_of_it(told: Callable[..., Told]) -> None:
    run = told([0], [1])
    run.say("squeue", "7_0|FAILED|N/A|NonZeroExitCode", "7_1|PENDING|N/A|Resources")
    assert survey(run.step).active == {0: "ENDING", 1: "PENDING Resources"}
    run.say("sacct", "7_0|FAILED|1:0|n1|1000|1010|1000")
    found = survey(run.step)
    assert (found.active, found.failed) == ({1: "PENDING Resources"}, {0: "did not start"})
    assert found.past[0][0].detail == "Slurm: FAILED 1:0; it wrote no log"


def test_a_requeued_task_that_does_not_start_again_is_told(told: Callable[..., Told]) -> None:
    run = told([0], [1])
    run.tried(0, "7_0_0", "stopped")
    run.say("sacct", "7_0|REQUEUED|0:0|n1|1000|1010|1000", "7_0|FAILED|127:0|n2|2000000000|2000000001|1000")
    assert run.causes(0) == ["stopped", "did not start"]


@pytest.mark.parametrize(
    ("status", "cause"),
    [
        ("0:9", "killed"),
        ("9:0", "killed"),
        ("137:0", "killed"),
        ("139:0", "killed"),
        ("73:0", "disk_full"),
        ("75:0", "gated"),
        ("1:0", "died"),
    ],
)
def test_the_end_of_a_task_that_could_not_tell_it_is_told_by_its_exit_status(
    told: Callable[..., Told], status: str, cause: str
) -> None:
    run = told([0])
    log = run.step.paths.logs / "its.log"
    log.parent.mkdir(parents=True)
    log.write_text("it had come so far\n")
    run.tried(0, "7_0_0", None, log=str(log))
    run.say("sacct", f"7|FAILED|{status}|n1|1000|1010|1000")
    assert run.causes(0) == [cause]
    assert survey(run.step).past[0][0].detail == f"Slurm: FAILED {status}; its log ends: it had come so far"


@pytest.mark.parametrize(("status", "cause"), [("73:0", "disk_full"), ("75:0", "gated"), ("1:0", "did not start")])
def test_a_task_of_which_no_event_is_left_is_told_by_its_exit_status(
    told: Callable[..., Told], status: str, cause: str
) -> None:
    run = told([0])
    run.say("sacct", f"7|FAILED|{status}|n1|1000|1010|1000")
    assert run.causes(0) == [cause]


def test_a_chunk_that_its_task_did_not_come_to_is_no_start_that_failed(told: Callable[..., Told]) -> None:
    run = told([0, 1], [2])
    run.tried(0, "7_0_0", "done")
    finish(run.step, 0, pl.DataFrame({"video_id": ["a"], "value": ["v"]}).with_columns(error=None, error_detail=None))
    run.say("sacct", "7_0|TIMEOUT|0:0|n1|1000|1010|1000", "7_1|NODE_FAIL|0:0|n1|1000|1010|1000")
    assert (run.causes(1), run.causes(2)) == ([], ["node_fail"])


def test_a_task_that_never_got_a_node_took_no_time(told: Callable[..., Told]) -> None:
    run = told([0], [1])
    run.say(
        "sacct",
        "7_0|BOOT_FAIL|0:0|None assigned|Unknown|1010|1000",
        "7_1|CANCELLED by 0|0:0|None assigned|1010|1010|1000",
    )
    (past,) = survey(run.step).past[0]
    assert (past.cause, past.wasted_s) == ("node_fail", 0.0)
    assert run.causes(1) == []


def test_the_story_of_a_chunk_that_is_done_holds_ends_that_only_slurm_knows(told: Callable[..., Told]) -> None:
    run = told([0], [1])
    run.tried(0, "7_0_1", None, ago_s=100)
    finish(run.step, 0, pl.DataFrame({"video_id": ["a"], "value": ["v"]}).with_columns(error=None, error_detail=None))
    lives = ("FAILED|1:0|n1|1000|1010", "NODE_FAIL|0:0|n1|1020|1030", "CANCELLED by 0|0:0|None assigned|Unknown|1040")
    run.say("sacct", *(f"7_0|{life}|1000" for life in lives))
    story = whole_story(run.step, 0, queue_of(run.step))
    assert [(past.name, past.cause) for past in story] == [
        ("7_0_0", "did not start"),
        ("7_0_2", "cancelled"),
        ("7_0_1", "node_fail"),
    ]
    assert story[1].detail == "Slurm: CANCELLED 0:0; it never began"
    assert whole_story(run.step, 1, queue_of(run.step)) == []


def sent(run: ProbeRun) -> list[Window]:
    return [w for name in names(run.step.paths.submissions) for w in load_windows(run.step, name)]


@pytest.mark.slow
@pytest.mark.usefixtures("slurm")
def test_a_task_that_was_cancelled_while_it_waited_is_no_failure(tmp_path: Path) -> None:
    run = ProbeRun(tmp_path, 4, *FAST, "chunks.n=4", "++cluster.extra.hold=true", "retry.max_attempts=1")
    run.submit()
    slurm_command(["cancel", "run=r", f"runs={run.runs}"])
    until(lambda: not run.survey().active)
    assert run.survey().counts()["pending"] == 4
    for window in sent(run):
        assert "CANCELLED" in ask("sacct", "-X", "-n", "-P", "-j", window.job, "-o", "State")


def test_a_task_under_way_that_left_the_queue_a_moment_ago_is_not_lost_yet(told: Callable[..., Told]) -> None:
    run = told([0], [1])
    run.tried(0, "7_0_0", None)
    run.tried(1, "7_1_0", None)
    run.say("squeue", "7_0|CANCELLED|N/A|None")
    found = survey(run.step)
    assert (found.active, found.lost) == ({0: "ENDING"}, {1})
    run.say("sacct", "7_0|CANCELLED by 0|0:0|n1|1000|1010|1000")
    assert survey(run.step).failed == {0: "cancelled"}


def test_the_node_failure_of_a_suspended_task_is_told_with_its_own_time(told: Callable[..., Told]) -> None:
    run = told([0], [1])
    run.say("squeue", "7_0|PENDING|N/A|JobHeldAdmin", "7_1|PENDING|N/A|JobHeldAdmin")
    for task, put_back in (("7_0", 1025), ("7_1", 1010)):
        lives = (f"{task}|NODE_FAIL|0:0|n1|1000|1010|990", f"{task}|PENDING|0:0|None assigned|None|Unknown|{put_back}")
        run.say("sacct", *lives, more=True)
    slurm = queue_of(run.step)
    assert slurm is not None
    ends = slurm.ended(["7"])
    assert ends is not None
    assert [(end.ended, end.suspended) for task in ("7_0", "7_1") for end in ends[task]] == [
        (1025, True),
        (1010, False),
    ]
    run.say("scancel")
    assert take_out(run.step, survey(run.step).held, slurm)
    assert run.asked("scancel") == ["7_0"]


@pytest.mark.parametrize(("state", "told_so"), [("NODE_FAIL", "SIGTERM; Slurm: NODE_FAIL"), ("COMPLETED", "SIGTERM")])
def test_why_a_task_was_asked_to_stop_is_told(told: Callable[..., Told], state: str, told_so: str) -> None:
    run = told([0])
    run.tried(0, "7_0_0", "stopped", detail="SIGTERM")
    run.say("sacct", f"7_0|{state}|0:0|n1|1000|1010|1000")
    assert [past.detail for past in whole_story(run.step, 0, queue_of(run.step))] == [told_so]


@pytest.mark.parametrize(
    ("state", "cause"),
    [("CANCELLED by 0", "cancelled"), ("NODE_FAIL", "node_fail"), ("TIMEOUT", "timeout"), ("FAILED", "timeout")],
)
def test_a_task_that_was_cancelled_or_lost_while_its_time_ran_out_is_not_out_of_time(
    told: Callable[..., Told], state: str, cause: str
) -> None:
    run = told([0])
    run.tried(0, "7_0_0", "timeout", detail="SIGUSR2")
    run.say("sacct", f"7_0|{state}|0:0|n1|1000|1010|1000")
    assert survey(run.step).failed == {0: cause}
    (past,) = whole_story(run.step, 0, queue_of(run.step))
    said = {"cancelled": "SIGUSR2; Slurm: CANCELLED", "node_fail": "SIGUSR2; Slurm: NODE_FAIL"}
    assert (past.cause, past.detail) == (cause, said.get(cause, "SIGUSR2"))


def test_a_task_whose_step_was_lost_and_that_lasted_to_its_time_limit_was_silent(told: Callable[..., Told]) -> None:
    run = told([0], [1])
    log = run.step.paths.logs / "its.log"
    log.parent.mkdir(parents=True)
    log.write_text("srun: error: Timed out waiting for job step to complete\n")
    run.tried(0, "7_0_0", None, log=str(log))
    run.tried(1, "7_1_0", None)
    now_s = int(time.time())
    run.say("sacct", *(f"7_{i}|TIMEOUT|0:0|n1|{now_s - 50}|{now_s}|{now_s - 60}" for i in (0, 1)))
    assert (run.causes(0), run.causes(1)) == (["silent"], ["timeout"])
