"""The run's requests per second are shared by its worker processes, which know each other only by files."""

import os
import signal
import subprocess
import sys
import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.runs import ROOT, until

from stages.core.fetch.rate import STALE_BEATS, RateShare

BEAT_S = 0.2
PROGRAM = """
import sys, time
from pathlib import Path
from stages.core.fetch.rate import RateShare
folder, log, per_s, seconds = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4])
share, end_s = RateShare(folder, per_s, beat_s=0.2), time.monotonic() + seconds
with log.open("w", buffering=1) as lines:
    while time.monotonic() < end_s:
        share.wait()
        print(time.monotonic(), file=lines)
"""

Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a worker process that makes as many requests as it may for some seconds."""
    made: list[subprocess.Popen[bytes]] = []

    def start(per_s: float, seconds: float) -> subprocess.Popen[bytes]:
        words = [sys.executable, "-c", PROGRAM, tmp_path / "workers", tmp_path / f"{len(made)}.log"]
        made.append(subprocess.Popen([*map(str, words), str(per_s), str(seconds)], cwd=ROOT))
        return made[-1]

    yield start
    for process in made:
        process.kill()
        process.wait()


def requests(folder: Path) -> list[list[float]]:
    """When each worker made its requests."""
    return [[float(line) for line in file.read_text().split()] for file in sorted(folder.glob("*.log"))]


def most(times: list[float], window_s: float) -> int:
    """The largest number of requests in any window of this length."""
    times = sorted(times)
    return max(bisect_left(times, start + window_s) - n for n, start in enumerate(times))


def test_a_worker_alone_has_all_of_it_at_once(tmp_path: Path) -> None:
    share = RateShare(tmp_path / "workers", 20, BEAT_S)
    start = time.monotonic()
    for _ in range(21):
        share.wait()
    assert 1.0 - 0.1 <= time.monotonic() - start < 1.6
    share.close()


def test_threads_of_a_worker_share_its_share(tmp_path: Path) -> None:
    share, times = RateShare(tmp_path / "workers", 30, BEAT_S), list[float]()

    def ask() -> None:
        for _ in range(5):
            share.wait()
            times.append(time.monotonic())

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    share.close()
    assert most(times, 1.0) <= 30 * 1.1 + 1
    assert times[-1] - times[0] < 39 / 30 + 0.6


def test_the_workers_of_a_run_keep_its_limit_together_also_while_more_of_them_come(
    tmp_path: Path, start: Start
) -> None:
    per_s, processes = 40.0, [start(40.0, 6)]
    until(lambda: len(list(tmp_path.glob("*.log"))) == 1, every=0.05)
    time.sleep(1.5)
    processes += [start(per_s, 4) for _ in range(3)]
    for process in processes:
        assert process.wait(60) == 0
    by_worker = requests(tmp_path)
    times = sorted(time_s for worker in by_worker for time_s in worker)
    assert most(times, 2.0) <= 2 * per_s * 1.1 + len(processes)
    busy_s = max(times) - min(times)
    assert len(times) > busy_s * per_s * 0.6  # nor do they leave much of it
    together = [[t for t in worker if by_worker[-1][0] < t < by_worker[-1][0] + 2] for worker in by_worker]
    assert max(map(len, together)) < 2 * per_s / 4 * 1.5


def test_what_a_killed_worker_had_goes_to_the_others(tmp_path: Path, start: Start) -> None:
    other = start(20, 60)
    until(lambda: len(list((tmp_path / "workers").glob("*"))) == 1, every=0.05)
    share = RateShare(tmp_path / "workers", 20, BEAT_S)
    assert share.workers == 2
    other.kill()
    since_s = time.monotonic()
    until(lambda: share.workers == 1, 20, every=0.05)
    assert time.monotonic() - since_s > (STALE_BEATS - 2) * BEAT_S
    assert os.listdir(tmp_path / "workers") == [share.path.name]
    share.close()
    assert os.listdir(tmp_path / "workers") == []


def test_a_worker_that_stood_still_for_long_is_there_again(tmp_path: Path, start: Start) -> None:
    other = start(20, 60)
    until(lambda: len(list((tmp_path / "workers").glob("*"))) == 1, every=0.05)
    share = RateShare(tmp_path / "workers", 20, BEAT_S)
    other.send_signal(signal.SIGSTOP)
    until(lambda: share.workers == 1, 20, every=0.05)
    other.send_signal(signal.SIGCONT)
    until(lambda: share.workers == 2, 20, every=0.05)
    share.close()


def test_a_worker_that_ends_leaves_nothing(tmp_path: Path, start: Start) -> None:
    assert start(50, 0.5).wait(60) == 0
    assert os.listdir(tmp_path / "workers") == []


def test_a_worker_that_comes_to_others_waits_until_they_have_seen_it(tmp_path: Path, start: Start) -> None:
    start(50, 60)
    until(lambda: list((tmp_path / "workers").glob("*")), every=0.05)
    share, start_s = RateShare(tmp_path / "workers", 50, BEAT_S), time.monotonic()
    share.wait()
    assert time.monotonic() - start_s >= BEAT_S - 0.01
    share.close()


def test_in_a_large_run_no_worker_is_taken_for_dead_because_of_a_late_beat(tmp_path: Path) -> None:
    folder, now_s = tmp_path / "workers", time.time()
    folder.mkdir()
    for n in range(200):
        late_s = BEAT_S * (STALE_BEATS / 2 if n < 150 else STALE_BEATS * 2)
        (folder / f"node.{n}").touch()
        os.utime(folder / f"node.{n}", (now_s, now_s - late_s))
    share = RateShare(folder, 1000, BEAT_S)
    assert share.workers == 151
    assert len(os.listdir(folder)) == 151
    share.close()
