"""Exponential backoff per host, shared by all threads and worker processes of a task.

<folder>/<task>.<hash of the host>.json    the host's current pause; deleted by the first success after it

All workers of a task run on one node, so their clocks agree.
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

CACHE_S = 1.0  # the pause file is read again when the last look at it is older
POLL_S = 0.5
PROBE_TIMEOUT_S = 30.0  # the other threads follow the probe after this time: a refusal would have come by then
TAKE_OVER_S = 3.0  # another process sends the probe if the one that should has not done so by then: it may be dead
JITTER = (0.8, 1.0)  # factor on a pause, so that tasks that were refused together do not return together

log = logging.getLogger("reelmill")


class Pause(NamedTuple):
    """Times are seconds since 1970."""

    number: int  # 1 for the first pause since the last success
    since: float  # start of pause number 1
    until: float
    process: int  # pid of the process that sends the probe, the first request after the pause
    asked: float | None = None  # when the probe was sent


class Backoff:
    """The pauses of this task, one per host."""

    def __init__(self, folder: Path, pace: Pace) -> None:
        self.folder, self.pace = folder, pace
        restart, node = os.environ.get("SLURM_RESTART_COUNT", "0"), os.uname().nodename
        self.task = f"{own_job()}.{restart}" if own_job() else f"{node}.{os.getppid()}"
        self._lock = threading.RLock()
        self._cached: dict[str, tuple[float, Pause | None]] = {}
        self._thread = threading.local()

    def wait(self, host: str) -> None:
        """Blocks until this thread may send the host a request: after a pause one sends a probe, then the others."""
        while not self.is_open(host):
            if self._may_go(host):
                self._resumed_at()[host] = time.time()
            else:
                time.sleep(POLL_S)

    def is_open(self, host: str, at_most_s: float = CACHE_S) -> bool:
        """Whether this thread may send now: there is no pause, or the thread resumed after it.

        The pause that is looked at may be `at_most_s` seconds old.
        """
        pause = self._read(host, at_most_s)
        return pause is None or self._resumed_at().get(host, 0.0) >= pause.until

    def begin(self, host: str, code: str, detail: str, after_s: float = 0.0) -> None:
        """Starts a pause of at least `after_s`, about twice as long as the last one.

        Raises UnavailableError after `pace.back_offs` pauses in a row, or if `after_s` exceeds the longest pause.
        """
        first_s, longest_s = self.pace.back_off_s
        with self._lock:
            now, last = time.time(), self._read(host, at_most_s=0.0)
            if last is not None and now < last.until:
                return  # the refused request was sent before this pause began
            number, since = (last.number + 1, last.since) if last else (1, now)
            if number > self.pace.back_offs or after_s > longest_s:
                if last is not None:  # so the task's next chunk starts with a probe
                    self._write(host, last._replace(until=now, process=0, asked=None))
                so_far = f"still refuses after {number - 1} pauses in {(now - since) / 60:.0f} min"
                too_long = f"asks for a pause of {after_s:.0f} s, longer than pace.back_off_s allows"
                raise UnavailableError(
                    f"{host} {too_long if after_s > longest_s else so_far}: lower pace.requests_per_s, use other "
                    f"access.proxies or fresh access.cookies; `python -m slurm resume` goes on\n{code}: {detail}"
                )
            longer_s = min(longest_s, first_s * 2 ** min(number - 1, 30)) * random.uniform(*JITTER)
            pause = Pause(number, since, now + max(longer_s, after_s), os.getpid())
            self._write(host, pause)
        log.warning("%s: no request for %.0f s (%s: %s)", host, pause.until - now, code, detail)

    def end(self, host: str) -> None:
        """Resets the host's backoff, if this thread's successful request was sent after the last pause."""
        if self._read(host) is not None:
            with self._lock:
                if self.is_open(host, at_most_s=0.0):
                    self._path(host).unlink(missing_ok=True)
                    self._cached[host] = time.monotonic(), None

    def _may_go(self, host: str) -> bool:
        """Whether the pause is over for this thread. If it is to send the probe, this is recorded for the others."""
        with self._lock:
            pause, now = self._read(host), time.time()
            if pause is None:
                return True
            if pause.asked is not None:
                return now >= pause.asked + PROBE_TIMEOUT_S
            is_probing = pause.process == os.getpid()
            if now < pause.until + (0.0 if is_probing else TAKE_OVER_S):
                return False
            self._write(host, pause._replace(process=os.getpid(), asked=now))
            return True

    def _read(self, host: str, at_most_s: float = CACHE_S) -> Pause | None:
        """The host's pause as of at most `at_most_s` seconds ago; None: there is none."""
        with self._lock:
            seen_s, pause = self._cached.get(host, (float("-inf"), None))
            if time.monotonic() - seen_s >= at_most_s:
                try:
                    pause = Pause(**read_json(self._path(host)))
                except FileNotFoundError:
                    pause = None
                self._cached[host] = time.monotonic(), pause
            return pause

    def _write(self, host: str, pause: Pause) -> None:
        write_json(self._path(host), pause._asdict())
        self._cached[host] = time.monotonic(), pause

    def _path(self, host: str) -> Path:
        return self.folder / f"{self.task}.{hashlib.sha256(host.encode()).hexdigest()[:16]}.json"

    def _resumed_at(self) -> dict[str, float]:
        """When this thread resumed after a pause, seconds since 1970, by host."""
        times: dict[str, float] = self._thread.__dict__.setdefault("resumed_at", {})
        return times
