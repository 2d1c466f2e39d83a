"""Several rows at the same time in a worker process: together they are quick, and none pays for another."""

import os
import random
import signal
import time
from typing import Any

import pytest
from support.items import Items
from support.probe import large

from slurm.errors import ChunkError, UnavailableError
from slurm.scheduler.signals import Stop
from stages.core.schema.types import Row


def test_rows_that_wait_wait_together(items: Items) -> None:
    processes = items.processes(workers=1, at_once=8)
    items.errors(processes, "x")
    start = time.monotonic()
    assert items.errors(processes, "abcdefgh", seconds=1) == dict.fromkeys("abcdefgh")
    assert time.monotonic() - start < 2
    assert len({pid for key in "abcdefgh" for pid in items.pids(key)}) == 1


def test_no_worker_has_more_rows_under_way_than_it_may(items: Items) -> None:
    keys = "abcdefghijklmnopqrst"
    assert items.errors(items.processes(at_once=3), keys, seconds=0.05) == dict.fromkeys(keys)
    assert max(len(beside) for key in keys for beside in items.beside(key)) == 2
    assert len({pid for key in keys for pid in items.pids(key)}) <= 2


def test_large_results_of_several_threads_arrive_whole(items: Items) -> None:
    rows: list[Row] = [{"video_id": f"{n:04d}"} for n in range(40)]
    results: list[Any] = list(items.processes(workers=1, at_once=8).map(large, (2**20,), rows))
    assert sorted(str(r.tables["rows"][0]["value"]) for r in results) == [f"{n:04d}" * 2**18 for n in range(40)]


def test_few_rows_need_few_processes(items: Items) -> None:
    processes = items.processes(workers=4, at_once=8)
    items.errors(processes, "abcdefghi")
    assert len(processes.workers) == 2


def test_a_row_that_kills_its_worker_fails_none_of_its_neighbours(items: Items) -> None:
    items.order("c", "crash")
    results = {str(r.row["video_id"]): r for r in items.map(items.processes(workers=1, at_once=4), "abcdefgh", 0.3)}
    assert {key: r.error for key, r in results.items()} == {**dict.fromkeys("abdefgh"), "c": "item_crashed"}
    assert results["c"].detail == "SIGSEGV"
    assert len(items.pids("c")) == 2
    assert len({pid for key in "abcdefgh" for pid in items.pids(key)}) <= 3


def test_rows_of_a_worker_that_died_are_tried_again_alone_and_after_the_others(items: Items) -> None:
    items.order("c", "crash", once=True)
    keys = "abcdefghijkl"
    finished = [str(result.row["video_id"]) for result in items.map(items.processes(workers=1, at_once=4), keys, 0.1)]
    again = {key for key in keys if len(items.pids(key)) == 2}
    assert "c" in again
    assert sorted(finished) == sorted(keys)
    assert again <= set(finished[-4:])
    assert all(items.beside(key)[-1] == set() for key in again)
    assert len({items.pids(key)[1] for key in again}) == 1


def test_two_rows_that_kill_their_worker_together_fail_both(items: Items) -> None:
    for key in "bc":
        items.order(key, "crash")
    errors = items.errors(items.processes(workers=1, at_once=4), "abcdef", seconds=0.1)
    assert errors == {**dict.fromkeys("adef"), **dict.fromkeys("bc", "item_crashed")}


def test_a_row_that_ends_its_thread_is_a_crash(items: Items) -> None:
    items.order("b", "exit")
    errors = items.errors(items.processes(workers=1, timeout_s=20, at_once=4), "abcd", seconds=0.1)
    assert errors == {**dict.fromkeys("acd"), "b": "item_crashed"}


def test_rows_beside_one_that_hangs_are_done_again_without_blame(items: Items) -> None:
    items.order("a", "hang")
    keys = "abcdefgh"
    errors = items.errors(items.processes(workers=1, timeout_s=4, at_once=4), keys, seconds=2.4)
    assert errors == {**dict.fromkeys(keys[1:]), "a": "item_timeout"}
    assert len(items.pids("a")) == 1
    again = [key for key in keys if len(items.pids(key)) > 1]
    assert 1 <= len(again) <= 3
    assert any(items.beside(key)[-1] for key in again)  # nobody had to be alone


def test_a_row_over_its_memory_fails_alone(items: Items) -> None:
    items.order("b", "eat")
    errors = items.errors(items.processes(workers=1, mem_gb=1, at_once=4), "abcdef", seconds=0.2)
    assert errors == {**dict.fromkeys("acdef"), "b": "item_crashed"}
    assert items.beside("b")[-1] == set()


def test_a_row_that_could_not_have_its_memory_because_of_another_is_fine_alone(items: Items) -> None:
    items.order("b", "eat", once=True)
    errors = items.errors(items.processes(workers=1, mem_gb=1, at_once=4), "abcdef", seconds=0.2)
    assert errors == dict.fromkeys("abcdef")


def test_a_stop_lets_all_that_is_under_way_end_and_begins_nothing_new(items: Items) -> None:
    keys = "abcdefghijklmnop"
    with Stop() as stop:
        results = items.map(items.processes(stop, workers=1, at_once=4), keys, seconds=0.4)
        finished = [str(next(results).row["video_id"])]
        os.kill(os.getpid(), signal.SIGTERM)
        finished += [str(result.row["video_id"]) for result in results]
    assert sorted(finished) == [key for key in keys if items.pids(key)]
    assert 4 <= len(finished) <= 8


@pytest.mark.parametrize("at_once", [1, 4])
def test_what_is_not_to_be_had_now_arrives_as_such(items: Items, at_once: int) -> None:
    items.order("b", "refuse")
    with pytest.raises(UnavailableError, match=r"^the site of the test wants no more requests$"):
        items.errors(items.processes(workers=1, at_once=at_once), "abcd")


def test_an_unexpected_exception_in_a_thread_fails_the_chunk_and_leaves_nothing_to_the_next(items: Items) -> None:
    items.order("b", "raise")
    processes = items.processes(at_once=4)
    with pytest.raises(ChunkError, match=r"(?s)Traceback.*probe\.py.*in fail.*RuntimeError: the test said so"):
        list(items.map(processes, "abcdefgh", seconds=0.2))
    assert items.errors(processes, "stuvwxyz") == dict.fromkeys("stuvwxyz")


@pytest.mark.slow
def test_no_row_is_lost_whatever_happens(items: Items) -> None:
    keys = [f"row{n:03d}" for n in range(200)]
    faults = ["crash"] * 3 + ["hang"] + ["bad"] * 9 + ["exit", "eat"]
    wanted = {"crash": "item_crashed", "exit": "item_crashed", "eat": "item_crashed", "hang": "item_timeout"}
    faulty = dict(zip(random.Random(7).sample(keys[:130], len(faults)), faults, strict=True))
    for key, fault in faulty.items():
        items.order(key, fault)
    for key in ("row160", "row190"):  # far from the others: who is killed by two neighbours one after the other fails
        items.order(key, "crash", once=True)
    processes = items.processes(workers=3, timeout_s=5, mem_gb=1, at_once=8)
    errors = items.errors(processes, keys, seconds=0.02)
    assert errors == {key: wanted.get(faulty[key], "corrupt") if key in faulty else None for key in keys}
