"""Rows through worker processes: whatever an item does to its process costs that item, never the chunk."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import pytest
from support.items import Items, tell_rank
from support.probe import Config, work_on
from support.runs import ROOT, until

from slurm.errors import ChunkError
from slurm.scheduler.signals import Stop
from stages.core.runner.worker import OF_THE_TASK, Limits, Worker
from stages.core.schema.types import Row


def test_every_item_has_one_result_in_few_processes(items: Items) -> None:
    keys = "abcdefghijklmnopqrst"
    assert items.errors(items.processes(), keys) == dict.fromkeys(keys)
    assert len({pid for key in keys for pid in items.pids(key)}) <= 2
    assert all(len(items.pids(key)) == 1 for key in keys)


def test_processes_are_used_again_for_the_next_chunk(items: Items) -> None:
    processes = items.processes(workers=1)
    items.errors(processes, "ab")
    items.errors(processes, "cd")
    assert items.pids("a") == items.pids("d")


def test_a_worker_killed_while_it_waits_for_work_costs_nothing(items: Items) -> None:
    processes = items.processes(workers=1)
    items.errors(processes, "a")
    os.kill(items.pids("a")[0], signal.SIGKILL)
    processes.workers[0].process.join()
    assert items.errors(processes, "bc") == {"b": None, "c": None}


@pytest.mark.parametrize("kills", [2, 4])
def test_workers_killed_while_they_start_are_replaced_but_not_for_ever(items: Items, kills: int) -> None:
    processes = items.processes(workers=1)
    killed: set[int] = set()

    def kill() -> None:
        for _ in range(kills):
            until(lambda: any(worker.process.pid not in killed for worker in processes.workers), 20, every=0.001)
            pid = processes.workers[0].process.pid or 0
            killed.add(pid)
            os.kill(pid, signal.SIGKILL)

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    if kills == 2:
        assert items.errors(processes, "ab") == {"a": None, "b": None}
    else:
        with pytest.raises(ChunkError, match=r"died on start \(SIGKILL\)"):
            items.errors(processes, "ab")
    killer.join()
    assert len(killed) == kills


def ranks(items: Items, workers: int, keys: str) -> list[Row]:
    rows: list[Row] = [{"video_id": key} for key in keys.split()]
    results = items.processes(workers=workers).map(tell_rank, (str(items.folder), workers), rows)
    return [cast(list[Row], result.tables["rows"])[0] for result in results if not result.error]


def test_each_worker_has_a_number_of_its_own_which_one_that_replaces_it_takes_over(items: Items) -> None:
    assert sorted(str(row["rank"]) for row in ranks(items, 3, "a b c")) == ["0", "1", "2"]
    before, after = ranks(items, 1, "a kill b")
    assert before["rank"] == after["rank"] == "0"
    assert before["pid"] != after["pid"]


def test_no_items_need_no_process(items: Items) -> None:
    processes = items.processes()
    assert items.errors(processes, "") == {}
    assert processes.workers == []


def test_an_item_that_crashes_once_is_repeated(items: Items) -> None:
    items.order("b", "crash", once=True)
    assert items.errors(items.processes(), "abc") == {"a": None, "b": None, "c": None}
    assert len(set(items.pids("b"))) == 2


def test_an_item_that_crashes_twice_fails_alone(items: Items) -> None:
    items.order("b", "crash")
    results = {str(r.row["video_id"]): r for r in items.map(items.processes(), "abcd")}
    assert {key: result.error for key, result in results.items()} == {**dict.fromkeys("acd"), "b": "item_crashed"}
    assert results["b"].detail == "SIGSEGV"
    assert len(items.pids("b")) == 2


def test_an_item_that_hangs_is_a_timeout(items: Items) -> None:
    items.order("a", "hang")
    start = time.monotonic()
    assert items.errors(items.processes(timeout_s=2), "abc") == {"a": "item_timeout", "b": None, "c": None}
    assert len(items.pids("a")) == 1
    assert time.monotonic() - start < 20


def test_an_item_is_not_late_by_the_time_that_its_task_was_suspended(items: Items) -> None:
    code = (
        "import sys; from pathlib import Path; from slurm.scheduler.signals import Stop;"
        "from stages.core.runner.processes import Processes; from support.probe import Config, work_on;"
        "rows = [{'video_id': 'a'}]; config = Config(sys.argv[1], 2.0);"
        "print([r.error for r in Processes(1, 3.0, None, Stop()).map(work_on, (config,), rows)])"
    )
    task = subprocess.Popen(
        [sys.executable, "-c", code, str(items.folder)], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    until(lambda: items.pids("a"), every=0.05)
    os.killpg(task.pid, signal.SIGSTOP)  # as `scontrol suspend` does
    time.sleep(4)
    os.killpg(task.pid, signal.SIGCONT)
    assert task.communicate()[0].strip() == "[None]"


def test_an_item_over_its_memory_fails_alone(items: Items) -> None:
    items.order("b", "eat")
    assert items.errors(items.processes(mem_gb=1), "abc") == {"a": None, "b": "item_crashed", "c": None}


def test_a_bad_item_has_its_code(items: Items) -> None:
    items.order("b", "bad")
    assert items.errors(items.processes(), "abc") == {"a": None, "b": "corrupt", "c": None}
    assert len(items.pids("b")) == 1


def test_an_unexpected_exception_fails_the_chunk_and_brings_its_traceback(items: Items) -> None:
    items.order("b", "raise")
    with pytest.raises(ChunkError, match=r"(?s)Traceback.*probe\.py.*in fail.*RuntimeError: the test said so"):
        list(items.map(items.processes(), "abc"))


def test_a_chunk_that_failed_leaves_nothing_to_the_next_one_of_its_task(items: Items) -> None:
    items.order("a", "raise")
    processes = items.processes()
    with pytest.raises(ChunkError):
        list(items.map(processes, "abcd", seconds=0.3))
    assert items.errors(processes, "wxyz") == dict.fromkeys("wxyz")


def test_a_chunk_that_is_given_up_leaves_nothing_to_the_next_one_of_its_task(items: Items) -> None:
    processes = items.processes()
    results = items.map(processes, "abcdef", seconds=0.2)
    next(results)
    results.close()  # type: ignore[attr-defined]  # a generator
    assert items.errors(processes, "wxyz") == dict.fromkeys("wxyz")


@contextmanager
def meanwhile(items: Items, begun: str, act: Callable[[], None]) -> Iterator[None]:
    """Does something from aside as soon as an item was begun."""

    def wait() -> None:
        until(lambda: items.pids(begun), 20, every=0.02)
        act()

    aside = threading.Thread(target=wait)
    aside.start()
    yield
    aside.join()


def test_workers_leave_signals_to_their_task(items: Items) -> None:
    def send() -> None:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2):
            os.kill(items.pids("a")[0], number)

    with meanwhile(items, "a", send):
        assert items.errors(items.processes(), "ab", seconds=0.5) == {"a": None, "b": None}
    assert all(len(items.pids(key)) == 1 for key in "ab")


def test_signals_to_a_worker_that_is_still_starting_do_not_end_it(items: Items) -> None:
    """Slurm sends them to every process of a task, and imports from a shared filesystem take long."""
    worker = Worker(work_on, (Config(str(items.folder), 0.0),), Limits(None, 1))
    for number in OF_THE_TASK:
        os.kill(worker.process.pid or 0, number)
    assert worker.pipe.poll(60)
    assert worker.pipe.recv() == ("ready",)
    worker.end()
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == set(), "the task itself hears them"


def test_a_stop_while_workers_start_is_a_stop_and_no_failure(items: Items) -> None:
    with Stop() as stop:
        processes = items.processes(stop)

        def send() -> None:
            until(lambda: len(processes.workers) == 2, 20, every=0.01)
            for pid in (*(worker.process.pid for worker in processes.workers), os.getpid()):
                os.kill(pid or 0, signal.SIGTERM)

        sender = threading.Thread(target=send)
        sender.start()
        assert list(items.map(processes, "ab", seconds=60)) == []
        sender.join()
    assert processes.workers == []


def test_workers_die_with_a_task_that_is_killed(items: Items) -> None:
    program = items.folder / "task.py"
    program.write_text(
        "from support.probe import Config, work_on\n"
        "from slurm.scheduler.signals import Stop\n"
        "from stages.core.runner.processes import Processes\n"
        "if __name__ == '__main__':\n"
        f"    config = Config({str(items.folder)!r}, 600)\n"
        "    list(Processes(2, 999, None, Stop()).map(work_on, (config,), [{'video_id': key} for key in 'ab']))\n"
    )
    path = f"{ROOT}:{ROOT / 'tests'}"
    task = subprocess.Popen([sys.executable, str(program)], cwd=ROOT, env={**os.environ, "PYTHONPATH": path})
    until(lambda: items.pids("a") and items.pids("b"), every=0.05)
    task.kill()
    task.wait()
    until(lambda: not any(_runs(items.pids(key)[0]) for key in "ab"), 10, every=0.05)


def _runs(pid: int) -> bool:
    """Whether a process lives; a zombie that nobody has waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_stop_lets_what_is_under_way_end_and_begins_nothing_new(items: Items) -> None:
    with Stop() as stop:
        results = items.map(items.processes(stop), "abcdefghij", seconds=0.4)
        finished = [str(next(results).row["video_id"])]
        os.kill(os.getpid(), signal.SIGTERM)
        finished += [str(result.row["video_id"]) for result in results]
    begun = [key for key in "abcdefghij" if items.pids(key)]
    assert sorted(finished) == begun
    assert len(begun) < 10


@pytest.mark.parametrize(("number", "within_s"), [(signal.SIGINT, 2.0), (signal.SIGTERM, 5.0)])
def test_a_stop_does_not_wait_for_an_item_that_hangs(items: Items, number: int, within_s: float) -> None:
    items.order("b", "hang")
    since: list[float] = []

    def send() -> None:
        since.append(time.monotonic())
        os.kill(os.getpid(), number)

    with Stop() as stop, meanwhile(items, "b", send):
        processes = items.processes(stop)
        results = list(items.map(processes, "abcdefghij", seconds=0.1))
    assert time.monotonic() - since[0] < within_s
    assert "b" not in [result.row["video_id"] for result in results]
    assert processes.workers == []
