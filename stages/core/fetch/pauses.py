"""Pauses that a host asked for, kept together by all threads and worker processes of a task.

<folder>/<task>.<host's hash>.json    the pause that is on, or the last one if nothing went well since

A task's workers share a node, so its clock is theirs.
"""

import hashlib
import logging
import os
import random
import threading
import time
from pathlib import Path
from typing import NamedTuple

from slurm.errors import UnavailableError
from slurm.record.files import read_json, write_json
from slurm.scheduler.signals import own_job
from stages.core.fetch.settings import Pace

LOOK_S = 1.0
SLICE_S = 0.5
FIRST_S = 30.0  # the others follow the first request after so long if nothing is heard of it: a refusal comes soon
TAKE_OVER_S = 3.0  # another process goes first if the one whose turn it is has not gone: it may be dead
SPREAD = (0.8, 1.0)  # of a pause, so that tasks that were refused together do not come back together

log = logging.getLogger("reelmill")


class Pause(NamedTuple):
    """Times are epoch seconds."""

    number: int  # in a row
    since: float  # begin of the first of them
    until: float
    process: int  # the one that asks first when it is over
    asked: float | None = None  # when it did


class Pauses:
    """The pauses of this task, by host."""

    def __init__(self, folder: Path, pace: Pace) -> None:
        self.folder, self.pace = folder, pace
        restart, node = os.environ.get("SLURM_RESTART_COUNT", "0"), os.uname().nodename
        self.task = f"{own_job()}.{restart}" if own_job() else f"{node}.{os.getppid()}"
        self._lock = threading.RLock()
        self._seen: dict[str, tuple[float, Pause | None]] = {}
        self._mine = threading.local()

    def wait(self, host: str) -> None:
        """Returns when this thread may ask the host: after a pause one goes first, then the others."""
        while not self.passed(host):
            if self._goes(host):
                self._went()[host] = time.time()
            else:
                time.sleep(SLICE_S)

    def passed(self, host: str, at_most_s: float = LOOK_S) -> bool:
        """Whether there was no pause so long ago, or this thread went on after it."""
        pause = self._look(host, at_most_s)
        return pause is None or self._went().get(host, 0.0) >= pause.until

    def begin(self, host: str, code: str, detail: str, after_s: float = 0.0) -> None:
        """A pause of `after_s` or more, longer than the last one; UnavailableError if there were enough of them."""
        first_s, longest_s = self.pace.back_off_s
        with self._lock:
            now, last = time.time(), self._look(host, at_most_s=0.0)
            if last is not None and now < last.until:
                return  # asked before it began
            number, since = (last.number + 1, last.since) if last else (1, now)
            if number > self.pace.back_offs or after_s > longest_s:
                if last is not None:  # the task's next chunk tries it with one request
                    self._write(host, last._replace(until=now, process=0, asked=None))
                so_far = f"still refuses after {number - 1} pauses in {(now - since) / 60:.0f} min"
                too_long = f"wants a pause of {after_s:.0f} s, longer than pace.back_off_s allows"
                raise UnavailableError(
                    f"{host} {too_long if after_s > longest_s else so_far}: lower pace.requests_per_s, use other "
                    f"access.proxies or fresh access.cookies; `python -m slurm resume` goes on\n{code}: {detail}"
                )
            longer_s = min(longest_s, first_s * 2 ** min(number - 1, 30)) * random.uniform(*SPREAD)
            pause = Pause(number, since, now + max(longer_s, after_s), os.getpid())
            self._write(host, pause)
        log.warning("%s: no request for %.0f s (%s: %s)", host, pause.until - now, code, detail)

    def end(self, host: str) -> None:
        """Nothing is left of the pauses, if this thread was one of those who asked after the last of them."""
        if self._look(host) is not None:
            with self._lock:
                if self.passed(host, at_most_s=0.0):
                    self._path(host).unlink(missing_ok=True)
                    self._seen[host] = time.monotonic(), None

    def _goes(self, host: str) -> bool:
        """Whether the pause is over for this thread; if it is the first one, the others learn of it."""
        with self._lock:
            pause, now = self._look(host), time.time()
            if pause is None:
                return True
            if pause.asked is not None:
                return now >= pause.asked + FIRST_S
            own = pause.process == os.getpid()
            if now < pause.until + (0.0 if own else TAKE_OVER_S):
                return False
            self._write(host, pause._replace(process=os.getpid(), asked=now))
            return True

    def _look(self, host: str, at_most_s: float = LOOK_S) -> Pause | None:
        """The pause as it was at most so long ago."""
        with self._lock:
            seen_s, pause = self._seen.get(host, (float("-inf"), None))
            if time.monotonic() - seen_s >= at_most_s:
                try:
                    pause = Pause(**read_json(self._path(host)))
                except FileNotFoundError:
                    pause = None
                self._seen[host] = time.monotonic(), pause
            return pause

    def _write(self, host: str, pause: Pause) -> None:
        write_json(self._path(host), pause._asdict())
        self._seen[host] = time.monotonic(), pause

    def _path(self, host: str) -> Path:
        return self.folder / f"{self.task}.{hashlib.sha256(host.encode()).hexdigest()[:16]}.json"

    def _went(self) -> dict[str, float]:
        """When this thread went on after a pause, by host."""
        went: dict[str, float] = self._mine.__dict__.setdefault("went", {})
        return went
