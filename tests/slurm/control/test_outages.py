"""What people and services do to a run: commands twice, an impatient resume, accounting or controller down.

All on the real Slurm of scripts/devcluster.
"""

import os
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl
import pytest
from support.runs import ROOT, ProbeRun, command, until
from support.slurm import ask, finish, resume_until_done

from slurm.__main__ import main as slurm_command
from slurm.control.clean import clean, drop
from slurm.control.resume import load_cluster, resume
from slurm.control.survey import survey
from slurm.errors import InputError
from slurm.record.manifest import Step
from slurm.scheduler.slurm import Slurm

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("slurm")]

FAST = ("cluster=devcluster", "chunks.flush_s=0.2", "cluster.mem_gb=1")
HELD = "++cluster.extra.hold=true"


def begun_once(run: ProbeRun) -> bool:
    return all(len(run.calls(item)) == 1 for item in range(len(run.names)))


def test_the_same_command_twice_at_once_submits_every_chunk_once(tmp_path: Path) -> None:
    run = ProbeRun(tmp_path, 12, *FAST, "chunks.n=4", seconds=0.2)
    orders = [run.wanted(), run.wanted()]
    from stages.core.runner.pipeline import submit_steps

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(submit_steps, orders)) == [0, 0]
    finish(run)
    assert run.table().equals(run.expected())
    assert begun_once(run)


def test_resume_leaves_queued_tasks_alone(tmp_path: Path) -> None:
    run = ProbeRun(tmp_path, 8, *FAST, "chunks.n=4", HELD)
    run.submit()
    states = run.survey().counts()
    assert (states["active"], states["pending"]) == (4, 0)
    assert run.resume()["probe"].submitted == []
    assert run.submit() == 0
    for name in ("ingest", "probe"):
        for window in survey(Step(run.run, name)).windows:
            ask("scontrol", "release", window.job)
    finish(run)
    assert begun_once(run)
    assert len(list(run.step.paths.submissions.glob("[0-9]*"))) == 1


def test_cancel_takes_tasks_out_of_the_queue_and_resume_brings_them_back(tmp_path: Path) -> None:
    run = ProbeRun(tmp_path, 24, *FAST, "chunks.n=2", seconds=0.5)
    run.submit()
    until(lambda: run.begun() >= 6)
    assert slurm_command(["cancel", "run=r", f"runs={run.runs}"]) == 0
    until(lambda: not run.survey().active)
    time.sleep(7)  # a task that requeued itself in spite of the cancel would be back by now
    assert not run.survey().active
    assert not run.survey().complete()
    assert resume_until_done(run) == [2]
    assert run.table().equals(run.expected())


def test_tasks_of_an_earlier_config_are_cancelled_and_their_chunks_computed_anew(tmp_path: Path) -> None:
    run = ProbeRun(tmp_path, 8, *FAST, "chunks.n=4", "cluster.parallel=2", seconds=30.0)
    run.submit()
    until(lambda: run.begun() >= 2)
    old = [window.job for window in run.survey().windows]
    run.seconds = 0.1
    run.submit("overwrite=true")
    finish(run, 60)
    assert run.table().equals(run.expected())
    until(
        lambda: (
            set(ask("sacct", "-X", "-n", "-P", "-j", ",".join(old), "-o", "State").split()) <= {"CANCELLED", "by", "0"}
        )
    )


def test_without_accounting_squeue_and_heartbeats_tell(tmp_path: Path, slurm: Path) -> None:
    run = ProbeRun(tmp_path, 16, *FAST, "chunks.n=2", seconds=0.7)
    run.submit()
    until(lambda: run.begun() >= 5)
    try:
        os.kill(int((slurm / "slurmdbd.pid").read_text()), signal.SIGTERM)
        until(lambda: subprocess.run(["sacct"], capture_output=True, check=False).returncode != 0)
        assert run.survey().active, "squeue still knows"
        os.kill(run.calls(0)[0][1], signal.SIGKILL)
        until(lambda: run.survey().lost, 60)
        assert resume_until_done(run) == [1]
        assert run.table().equals(run.expected())
    finally:
        subprocess.run([ROOT / "scripts" / "devcluster", "up"], check=True)


def test_without_a_controller_nothing_is_submitted_and_heartbeats_tell_who_lives(tmp_path: Path) -> None:
    run = ProbeRun(tmp_path, 16, *FAST, "chunks.n=2", seconds=0.7)
    run.submit()
    until(lambda: run.begun() >= 4)
    cluster = load_cluster(run.step)
    nowhere = {"env": {**cluster.env, "SLURM_CONF": str(tmp_path / "none.conf")}}
    results = resume(run.run, ["probe"], nowhere)
    assert results["probe"].submitted == []
    assert Slurm(cluster).env["SLURM_CONF"] != nowhere["env"]["SLURM_CONF"]
    finish(run)
    assert run.table().equals(run.expected())


def test_while_slurm_is_silent_nothing_of_an_unfinished_step_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = ProbeRun(tmp_path, 4, *FAST, "chunks.n=2", HELD)
    run.submit()
    part = run.step.paths.part("000/000000.other.parquet")
    part.parent.mkdir(parents=True, exist_ok=True)
    part.write_bytes(b"of an attempt whose record is still to come")
    with monkeypatch.context() as silent:
        squeue = tmp_path / "bin" / "squeue"
        squeue.parent.mkdir()
        squeue.write_text("#!/bin/sh\necho 'slurm_load_jobs error: Unable to contact slurm controller' >&2\nexit 1\n")
        squeue.chmod(0o755)
        silent.setenv("PATH", f"{squeue.parent}:{os.environ['PATH']}")
        clean(run.run)
        with pytest.raises(InputError, match="Slurm does not answer"):
            drop(run.run, ["probe"])
    assert part.exists()
    assert run.step.exists
    slurm_command(["cancel", "run=r", f"runs={run.runs}"])


def test_more_tasks_than_an_array_may_have_become_several_arrays_under_one_throttle(tmp_path: Path) -> None:
    run = ProbeRun(tmp_path, 1200, *FAST, "chunks.n=1200", "cluster.parallel=7", HELD)
    run.submit()
    try:
        windows = run.survey().windows
        assert [window.size for window in windows] == [1001, 199]
        assert run.survey().counts()["active"] == 1200
        throttles = [ask("squeue", "-h", "-j", window.job, "-o", "%i").split("%")[1].strip("]\n") for window in windows]
        assert sorted(throttles) == ["3", "4"]
    finally:
        slurm_command(["cancel", "run=r", f"runs={run.runs}"])
    until(lambda: not run.survey().active)


def test_an_sbatch_whose_answer_is_lost_is_not_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrapper in front of the real sbatch submits, then fails as a controller under load does."""
    real = ask("which", "sbatch").strip()
    wrapper, once = tmp_path / "bin" / "sbatch", tmp_path / "once"
    wrapper.parent.mkdir()
    wrapper.write_text(
        f'#!/bin/sh\ncase "$*" in *test-only*) exec {real} "$@";; esac\n{real} "$@"\nstatus=$?\n'
        f"[ -e {once} ] && exit $status\ntouch {once}\n"
        "echo 'sbatch: error: Socket timed out on send/recv operation' >&2\nexit 1\n"
    )
    wrapper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{wrapper.parent}:{os.environ['PATH']}")
    run = ProbeRun(tmp_path, 8, *FAST, "chunks.n=4", seconds=0.2)
    run.submit()
    finish(run)
    assert once.exists()
    assert run.table().equals(run.expected())
    assert begun_once(run)


def test_a_failed_input_chunk_holds_back_only_its_own_successor(tmp_path: Path) -> None:
    """Two map steps that share chunks: submitted together, chained element by element."""
    run = ProbeRun(tmp_path, 8, *FAST, "chunks.n=4")
    run.order(0, "raise")
    run.submit_chain()
    second = Step(run.run, "second")
    until(lambda: len(survey(second).done) == 3 and not survey(second).active, 60)
    assert survey(Step(run.run, "probe")).failed == {0: "exception"}
    assert survey(second).state(0) == "pending"
    (run.folder / f"{run.names[0]}.raise").unlink()
    results = run.resume()
    assert (results["probe"].submitted, results["second"].submitted) == ([0], [0])
    until(lambda: survey(second).complete(), 60)


def test_watch_resumes_until_all_is_done(tmp_path: Path) -> None:
    run = ProbeRun(tmp_path, 8, *FAST, "chunks.n=2", seconds=0.2)
    run.order(1, "raise", once=True)
    run.submit()
    assert slurm_command(["watch", "run=r", f"runs={run.runs}", "every=2"]) == 0
    assert run.table().equals(run.expected())


def test_watch_gives_up_where_tasks_never_start_and_no_accounting_tells_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sacct = tmp_path / "bin" / "sacct"
    sacct.parent.mkdir()
    sacct.write_text("#!/bin/sh\necho 'Slurm accounting storage is disabled' >&2\nexit 1\n")
    sacct.chmod(0o755)
    monkeypatch.setenv("PATH", f"{sacct.parent}:{os.environ['PATH']}")
    run = ProbeRun(tmp_path, 2, *FAST, "chunks.n=1", "cluster.setup=[exit 3]", "retry.max_attempts=9")
    run.submit()
    assert slurm_command(["watch", "run=r", f"runs={run.runs}", "every=1"]) == 1
    assert capsys.readouterr().out.endswith("3 resumes got nothing done: see python -m slurm status run=r\n")


def test_most_chunks_failing_alike_stops_the_rest(tmp_path: Path) -> None:
    run = ProbeRun(tmp_path, 26, *FAST, "chunks.n=26", "cluster.parallel=4", "retry.breaker=4")
    for item in range(26):
        run.order(item, "raise")
    run.submit()
    until(lambda: run.survey().counts()["active"] == 0, 90)
    counts = run.survey().counts()
    assert counts["failed"] < 13, counts
    assert counts["pending"] > 13, counts
    told = command("slurm", "status", "run=r", f"runs={run.runs}").stdout
    assert "the test said so" in told


def test_a_bad_video_is_a_row_with_its_error_and_the_rest_is_analyzed(tmp_path: Path) -> None:
    videos = tmp_path / "videos"
    command("scripts.sample_corpus", "--out", str(videos), "--seconds", "4")
    (videos / "text.mp4").write_text("not a video")
    os.mkfifo(videos / "pipe.mp4")
    (videos / "gone.mp4").symlink_to(tmp_path / "nowhere.mp4")
    made = [f"runs={tmp_path}/runs", "run=r", f"input.path={videos}", "cluster=devcluster", "cluster.mem_gb=3"]
    told = command("stages", "pipeline=clips", *made, "chunks.n=3")
    assert told.returncode == 0, told.stderr
    run = tmp_path / "runs" / "r"
    until(lambda: survey(Step(run, "report")).complete(), 150, every=1.0)
    rows = Step(run, "analyze").scan()
    assert rows is not None
    table = rows.select("video_id", "error").collect()
    errors = {name.rpartition("-")[0]: code for name, code in table.filter(pl.col("error").is_not_null()).iter_rows()}
    assert errors == {"empty": "empty", "text": "corrupt", "pipe": "unreadable", "gone": "missing"}
    done = survey(Step(run, "analyze")).done.values()
    assert sum(d.rows_in for d in done) == len(table)
    assert sum(d.rows_failed for d in done) == len(errors)
    assert "failed" in (run / "report" / "report.html").read_text()
