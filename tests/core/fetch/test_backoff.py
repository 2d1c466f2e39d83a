"""Backoff per host: shared by a task's threads and processes, and by no other task."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from support.runs import ROOT, until
from support.web import Request, Web


class Task:
    """Worker processes of one task, which ask a server."""

    def __init__(self, folder: Path, back_off_s: tuple[float, float], back_offs: int) -> None:
        pace = {"requests_per_s": None, "sleep_s": (0, 0), "back_off_s": back_off_s, "back_offs": back_offs}
        self.words = [sys.executable, "-m", "support.asker", str(folder)], json.dumps(pace)
        self.workers: list[subprocess.Popen[str]] = []

    def start(self, url: str, threads: int, requests: int, **env: str) -> subprocess.Popen[str]:
        (program, pace), path = self.words, f"{ROOT}:{ROOT / 'tests'}"
        words = [*program, url, pace, str(threads), str(requests)]
        env = {**os.environ, "PYTHONPATH": path, **env}
        self.workers.append(subprocess.Popen(words, cwd=ROOT, env=env, text=True, stdout=subprocess.PIPE))
        return self.workers[-1]

    def ended(self) -> list[int]:
        return [worker.wait(60) for worker in self.workers]


@pytest.fixture
def web() -> Iterator[Web]:
    with Web(files={"a.mp4": bytes(1000), "b.mp4": bytes(1000)}) as web:
        yield web


def refused(web: Web, name: str = "a.mp4") -> list[Request]:
    return [request for request in web.asked(name) if request.status == 429]


def test_all_who_work_for_a_task_pause_together_and_one_goes_first(tmp_path: Path, web: Web) -> None:
    task = Task(tmp_path, (3, 12), 3)
    web.fault("a.mp4", 429)
    for _ in range(2):
        task.start(web.url("a.mp4"), threads=4, requests=2)
    until(lambda: refused(web), every=0.01)
    time.sleep(1.5)  # a worker that starts later finds the pause
    first = len(web.requests)
    assert first <= 8
    web.mend("a.mp4")
    web.fault("a.mp4", "slow", 1000)  # bytes a second
    assert task.ended() == [0, 0]
    begun = [request.at_s for request in web.requests]
    assert begun[first] - begun[0] >= 0.8 * 3
    assert begun[first + 1] - begun[first] >= 0.9
    assert len(begun) == first + 16
    assert not list((tmp_path / "pauses").iterdir())


def test_pauses_grow_and_after_enough_of_them_the_task_gives_up(tmp_path: Path, web: Web) -> None:
    task = Task(tmp_path, (0.5, 1.5), 3)
    web.fault("a.mp4", 429)
    worker = task.start(web.url("a.mp4"), threads=4, requests=1)
    assert worker.wait(60) == 3
    begun = [request.at_s for request in web.requests]
    assert 1 + 3 <= len(begun) <= 4 + 3
    gaps = [later - earlier for earlier, later in pairwise(begun[-4:])]
    assert [gap > 0.8 * pause - 0.1 for gap, pause in zip(gaps, (0.5, 1.0, 1.5), strict=True)] == [True] * 3
    assert worker.stdout is not None
    words = worker.stdout.read()
    assert "127.0.0.1 still refuses after 3 pauses in" in words
    for mends in ("pace.requests_per_s", "access.proxies", "access.cookies", "python -m slurm resume", "429 of"):
        assert mends in words
    worker = task.start(web.url("a.mp4"), threads=4, requests=1)  # the task's next chunk: one request, then it is told
    assert worker.wait(60) == 3
    assert len(web.requests) == len(begun) + 1


def test_a_host_that_names_a_longer_pause_gets_it(tmp_path: Path, web: Web) -> None:
    web.fault("a.mp4", 429, 2, times=1)
    task = Task(tmp_path, (0.1, 5), 3)
    task.start(web.url("a.mp4"), threads=1, requests=1)
    assert task.ended() == [0]
    assert web.requests[1].at_s - web.requests[0].at_s >= 2


def test_a_host_that_names_a_pause_beyond_the_longest_is_given_up_at_once(tmp_path: Path, web: Web) -> None:
    web.fault("a.mp4", 429, 86400)
    worker = Task(tmp_path, (0.1, 5), 3).start(web.url("a.mp4"), threads=1, requests=1)
    assert worker.wait(60) == 3
    assert worker.stdout is not None
    assert "asks for a pause of 86400 s, longer than pace.back_off_s allows" in worker.stdout.read()
    assert len(web.requests) == 1


def test_a_pause_of_one_task_is_none_of_the_others(tmp_path: Path, web: Web) -> None:
    web.fault("a.mp4", 429, times=1)
    task = Task(tmp_path, (4, 4), 3)
    array = {"SUBMITIT_EXECUTOR": "slurm", "SLURM_ARRAY_JOB_ID": "7", "SLURM_JOB_ID": "8"}
    task.start(web.url("a.mp4"), threads=1, requests=1, SLURM_ARRAY_TASK_ID="0", **array)
    until(lambda: refused(web), every=0.01)
    other = task.start(web.url("b.mp4"), threads=1, requests=5, SLURM_ARRAY_TASK_ID="1", **array)
    assert other.wait(60) == 0
    assert len(web.asked("a.mp4")) == 1
    assert task.ended() == [0, 0]


def test_a_task_whose_first_one_died_in_the_pause_goes_on(tmp_path: Path, web: Web) -> None:
    web.fault("a.mp4", 429, times=1)
    task = Task(tmp_path, (2, 2), 3)
    first = task.start(web.url("a.mp4"), threads=1, requests=1)
    until(lambda: refused(web), every=0.01)
    until(lambda: list((tmp_path / "pauses").glob("*.json")), every=0.01)
    first.send_signal(signal.SIGKILL)
    task.start(web.url("a.mp4"), threads=2, requests=1)
    assert task.ended() == [-9, 0]
    assert web.requests[1].at_s - web.requests[0].at_s >= 0.8 * 2 + 3
