"""Rate limit of a whole run: each worker process takes an equal share of the run's requests per second.

<folder>/<node>.<pid>.<id>    heartbeat file of a worker process; only that process touches it

There is no server, no lock and no common clock: the ages of the files are measured by the file server's clock alone.
"""

import atexit
import os
import random
import threading
import time
import uuid
from contextlib import suppress
from pathlib import Path

BEAT_S = 3.0
COUNTS_PER_S = 20.0  # directory scans of all workers together: the more workers, the rarer the scans of each
STALE_BEATS = 10  # an NFS client may show a file's time some seconds late
POLL_S = 0.5
CATCH_UP_S = 0.05  # of the time by which a sleep ended late, this much is made up for by the next request


class RateShare:
    """This process's share of the run's `per_s` requests per second: per_s / number of live worker processes."""

    def __init__(self, folder: Path, per_s: float, beat_s: float = BEAT_S) -> None:
        self.folder, self.per_s, self.beat_s = folder, per_s, beat_s
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / f"{os.uname().nodename}.{os.getpid()}.{uuid.uuid4().hex[:8]}"
        self.path.touch()
        self.workers, self._next_count_s = 1, 0.0
        self._count_workers()
        now_s, gap_s = time.monotonic(), self.workers / per_s
        # wait until other workers have counted us, with jitter so that workers started together do not send at once
        self._last_s = now_s - gap_s if self.workers == 1 else now_s + self._period_s - gap_s * random.random()
        self._queue, self._closed = threading.Lock(), threading.Event()
        threading.Thread(target=self._beat, daemon=True).start()
        atexit.register(self.close)

    def wait(self) -> None:
        """Blocks until this process may send its next request."""
        with self._queue:  # threads queue here; the one at the head polls, so that a changed share takes effect
            while (due_s := self._last_s + self.workers / self.per_s) > (now_s := time.monotonic()):
                time.sleep(min(due_s - now_s, POLL_S))
            self._last_s = max(due_s, now_s - CATCH_UP_S)

    def close(self) -> None:
        """Gives this share to the other workers."""
        self._closed.set()
        self.path.unlink(missing_ok=True)

    @property
    def _period_s(self) -> float:
        return max(self.beat_s, self.workers / COUNTS_PER_S)

    def _beat(self) -> None:
        while not self._closed.wait(self.beat_s):
            with suppress(OSError):  # the file server may answer again at the next beat
                self.path.touch()  # created again if others removed it as dead
                if time.monotonic() >= self._next_count_s:
                    self._count_workers()

    def _count_workers(self) -> None:
        """Counts the live workers, and removes the heartbeat files of dead ones."""
        os.utime(self.folder)  # an NFS client may cache the listing for a minute; this makes it ask again
        now_s, alive = self.path.stat().st_mtime, 0
        with os.scandir(self.folder) as entries:
            for entry in entries:
                with suppress(FileNotFoundError):
                    if now_s - entry.stat().st_mtime < STALE_BEATS * self.beat_s:
                        alive += 1
                    else:
                        Path(entry).unlink()
        self.workers = max(1, alive)
        self._next_count_s = time.monotonic() + self._period_s * random.uniform(0.5, 1)  # jitter
