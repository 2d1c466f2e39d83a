"""Each worker process's share of the run's requests a second, wherever the run's tasks are.

<folder>/<node>.<pid>.<id>    stands for a worker process as long as it is touched, which only that process does

There is no server, no lock and no common clock: the ages of the files are told by the file server's clock alone.
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
LOOKS_PER_S = 20.0  # of all workers together: the more there are, the more seldom each of them looks
STALE_BEATS = 10  # an NFS client may show a file's time some seconds late
SLICE_S = 0.5
LATE_S = 0.05  # a sleep that took too long is made up for


class Share:
    """An equal part of `per_s` for every worker process that is there."""

    def __init__(self, folder: Path, per_s: float, beat_s: float = BEAT_S) -> None:
        self.folder, self.per_s, self.beat_s = folder, per_s, beat_s
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / f"{os.uname().nodename}.{os.getpid()}.{uuid.uuid4().hex[:8]}"
        self.path.touch()
        self.workers, self._next_look_s = 1, 0.0
        self._look()
        now_s, gap_s = time.monotonic(), self.workers / per_s
        # the others have to see us first; and who starts together shall not ask together
        self._last_s = now_s - gap_s if self.workers == 1 else now_s + self._period_s - gap_s * random.random()
        self._turns, self._closed = threading.Lock(), threading.Event()
        threading.Thread(target=self._live, daemon=True).start()
        atexit.register(self.close)

    def wait(self) -> None:
        """Returns when this process may make one request more."""
        with self._turns:  # who waits longest goes first, and all of them learn of a share that changed
            while (due_s := self._last_s + self.workers / self.per_s) > (now_s := time.monotonic()):
                time.sleep(min(due_s - now_s, SLICE_S))
            self._last_s = max(due_s, now_s - LATE_S)

    def close(self) -> None:
        """Leaves the share to the others."""
        self._closed.set()
        self.path.unlink(missing_ok=True)

    @property
    def _period_s(self) -> float:
        return max(self.beat_s, self.workers / LOOKS_PER_S)

    def _live(self) -> None:
        while not self._closed.wait(self.beat_s):
            with suppress(OSError):  # a file server that fails now may do better at the next beat
                self.path.touch()  # made anew if others took it for dead
                if time.monotonic() >= self._next_look_s:
                    self._look()

    def _look(self) -> None:
        """Counts the workers that are there, and clears away those that were not for long."""
        os.utime(self.folder)  # an NFS client may keep a folder's names for a minute; now it asks for them again
        now_s, here = self.path.stat().st_mtime, 0
        with os.scandir(self.folder) as entries:
            for entry in entries:
                with suppress(FileNotFoundError):
                    if now_s - entry.stat().st_mtime < STALE_BEATS * self.beat_s:
                        here += 1
                    else:
                        Path(entry).unlink()
        self.workers = max(1, here)
        self._next_look_s = time.monotonic() + self._period_s * random.uniform(0.5, 1)  # not all at once
