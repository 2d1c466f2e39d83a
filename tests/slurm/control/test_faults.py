"""What befalls tasks on a cluster. After each fault the table is the one of an undisturbed run, row for row.

All on the real Slurm of scripts/devcluster; the probe stage leaves a mark for every item that it begins.
"""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import polars as pl
import pytest
from support.runs import ProbeRun, until
from support.slurm import ask, finish, lose_node, node_of, resume_until_done, task_of

from slurm.record.history import history

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("slurm")]

FAST = ("cluster=devcluster", "chunks.flush_s=0.2", "cluster.mem_gb=1")


class OutOfTime(NamedTuple):
    many: ProbeRun
    one: ProbeRun
    resumed: Future[list[int]]  # of the second: how many chunks each resume submitted


@pytest.fixture(scope="module", autouse=True)
def out_of_time(tmp_path_factory: pytest.TempPathFactory, slurm: Path) -> Iterator[OutOfTime]:
    """Two runs with too little time: of many short items, and of one that is too long, which is resumed beside.

    They wait for minutes, and so are submitted before this file's first test, to a node that no other one disturbs.
    """
    # Slurm looks at time limits every 30 s, so the signal comes 15 to 45 s after the start
    own = ("cluster.partition=gpu", "cluster.cpus=1", "chunks.n=1")
    limits = (*own, "cluster.minutes=2", "cluster.signal_delay_s=75")
    many = ProbeRun(tmp_path_factory.mktemp("many"), 100, *FAST, *limits, seconds=0.5)
    limits = (*own, "cluster.minutes=1", "cluster.signal_delay_s=50")
    one = ProbeRun(tmp_path_factory.mktemp("one"), 1, *FAST, *limits, seconds=54.0)
    many.submit()
    one.submit()
    with ThreadPoolExecutor(1) as beside:
        yield OutOfTime(many, one, beside.submit(resume_until_done, one, seconds=150))


def same_as_undisturbed(run: ProbeRun) -> None:
    """The main table, the side table and the sums in the done records are those of an undisturbed run."""
    assert run.table().equals(run.expected())
    letters = run.letters().group_by("video_id", maintain_order=True).agg("letter")
    assert letters["video_id"].to_list() == run.names
    assert letters["letter"].to_list() == [list(value[:3]) for value in run.expected()["value"]]
    done = run.survey().done.values()
    assert sum(d.rows_in for d in done) == len(run.names) == sum(d.rows_out for d in done)
    assert sum(d.rows_failed for d in done) == 0


def repeated(run: ProbeRun) -> int:
    """How often items were begun again."""
    return sum(len(run.calls(item)) - 1 for item in range(len(run.names)))


def test_a_worker_killed_in_mid_chunk_costs_nothing(tmp_path: Path) -> None:
    run = ProbeRun(tmp_path, 12, *FAST, "chunks.n=2", seconds=0.5)
    run.submit()
    until(lambda: run.begun() >= 3 and bool(run.calls(0)))
    worker, _ = run.calls(0)[0]
    os.kill(worker, signal.SIGKILL)
    finish(run)
    same_as_undisturbed(run)
    assert repeated(run) <= 1


def test_a_task_killed_in_mid_chunk_goes_on_after_the_last_flushed_row(tmp_path: Path) -> None:
    run = ProbeRun(tmp_path, 16, *FAST, "chunks.n=1", seconds=0.5)
    run.submit()
    until(lambda: run.begun() >= 9)
    _, task = run.calls(0)[0]
    os.kill(task, signal.SIGKILL)
    assert resume_until_done(run) == [1]
    same_as_undisturbed(run)
    assert 1 <= repeated(run) <= 6, "what was flushed before the kill was not done again"


def test_a_preempted_task_comes_back_by_itself_and_goes_on(tmp_path: Path) -> None:
    run = ProbeRun(tmp_path, 24, *FAST, "chunks.n=2", seconds=0.7)
    run.submit()
    until(lambda: run.begun() >= 6)
    urgent = ask(
        "sbatch", "--parsable", "-p", "urgent", "-N3", "--exclusive", "-o", "/dev/null", "--wrap", "sleep 5"
    ).strip()
    until(lambda: "RUNNING" in ask("squeue", "-h", "-j", urgent, "-o", "%T"))
    assert not run.survey().complete()
    finish(run)
    same_as_undisturbed(run)
    assert any(name.attempt.endswith("_1") for name in run.survey().done.values()), "no task was restarted"
    assert repeated(run) <= 8


def test_a_task_out_of_memory_gets_more(tmp_path: Path) -> None:
    run = ProbeRun(tmp_path, 8, *FAST, "chunks.n=2", "items.mem_gb=16", seconds=0.1, eat_gb=1.1)
    run.order(5, "eat")
    run.submit()
    until(lambda: run.survey().failed)
    assert set(run.survey().failed.values()) == {"out_of_memory"}
    assert resume_until_done(run)
    same_as_undisturbed(run)
    last = max(p.name for p in run.step.paths.submissions.glob("[0-9]*"))
    assert run.step.submission(last).cluster.mem_gb > 1


def test_a_lost_node_whose_process_still_writes_breaks_nothing(tmp_path: Path, slurm: Path) -> None:
    run = ProbeRun(tmp_path, 30, *FAST, "chunks.n=1", seconds=1.0)
    run.submit()
    until(lambda: run.begun() >= 4)
    zombie = run.calls(0)[0][1]
    node = node_of(task_of(run))
    try:
        lose_node(slurm, node)
        until(lambda: len({task for _, task in all_calls(run)}) > 1)
        assert Path(f"/proc/{zombie}").exists(), "the old process should live on beside the new one"
        finish(run)
        until(lambda: not Path(f"/proc/{zombie}").exists() or _is_zombie(zombie), 60)
    finally:
        subprocess.run(["scripts/devcluster", "node", node], check=True)
    same_as_undisturbed(run)
    assert run.survey().complete()


def _is_zombie(pid: int) -> bool:
    try:
        return ") Z " in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return True


def all_calls(run: ProbeRun) -> list[tuple[int, int]]:
    return [call for item in range(len(run.names)) for call in run.calls(item)]


def test_scontrol_requeue_goes_on_after_the_last_flushed_row(tmp_path: Path) -> None:
    run = ProbeRun(tmp_path, 16, *FAST, "chunks.n=2", seconds=0.7)
    run.submit()
    until(lambda: run.begun() >= 6)
    ask("scontrol", "requeue", task_of(run))
    finish(run)
    same_as_undisturbed(run)
    assert repeated(run) <= 4


@pytest.mark.parametrize("flush_s", [0.2, 1000])  # at a flush; at the commit
def test_a_full_disk_loses_nothing(tmp_path: Path, flush_s: float) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", disk], check=True)
    try:
        words = (f"runs={disk}/runs", f"chunks.flush_s={flush_s}", "chunks.n=2")
        run = ProbeRun(tmp_path, 12, *FAST, *words, seconds=0.7)
        run.runs = disk / "runs"
        run.submit()
        until(lambda: run.begun() >= 5)
        with pytest.raises(OSError, match="No space left"), (disk / "filler").open("wb") as filler:
            while True:
                filler.write(b"x" * 4096)
                filler.flush()
        until(lambda: not run.survey().active)
        found = run.survey()
        assert not found.complete()
        assert set(found.failed.values()) == {"disk_full"}
        (disk / "filler").unlink()
        assert resume_until_done(run)
        same_as_undisturbed(run)
    finally:
        time.sleep(1)
        subprocess.run(["umount", "-l", disk], check=True)


def test_poison_items_become_rows_and_never_the_chunks_end(tmp_path: Path) -> None:
    run = ProbeRun(tmp_path, 16, *FAST, "chunks.n=2", "items.timeout_s=3", "items.mem_gb=1", "cluster.mem_gb=3")
    for item, fault in ((1, "crash"), (2, "hang"), (3, "eat"), (9, "bad")):
        run.order(item, fault)
    run.submit()
    finish(run)
    errors = run.table().filter(pl.col("error").is_not_null())
    found = dict(zip(errors["video_id"], errors["error"], strict=True))
    codes = {1: "item_crashed", 2: "item_timeout", 3: "item_crashed", 9: "corrupt"}
    assert found == {run.names[item]: code for item, code in codes.items()}
    good = run.table().filter(pl.col("error").is_null())
    assert good.equals(run.expected().filter(~pl.col("video_id").is_in(list(found))))
    done = run.survey().done.values()
    assert sum(d.rows_in for d in done) == 16 == len(good) + sum(d.rows_failed for d in done)


def test_a_task_at_its_time_limit_requeues_itself_and_goes_on(out_of_time: OutOfTime) -> None:
    run = out_of_time.many
    finish(run, 240)
    same_as_undisturbed(run)
    assert repeated(run) == 0, "the items under way had time to finish"
    assert not run.survey().done[0].attempt.endswith("_0")


def test_a_task_that_finishes_no_row_in_its_time_is_given_more(out_of_time: OutOfTime) -> None:
    run = out_of_time.one
    assert sum(out_of_time.resumed.result()) == 1
    same_as_undisturbed(run)
    assert run.step.submission("0001").cluster.minutes == 2
    job, _, _ = history(run.step, 0)[-1].job.partition("_")
    until(lambda: not ask("squeue", "-h", "-j", job).strip())
    assert len(history(run.step, 0)) == 2, "a task that was asked to stop, and had finished, does not come back"
