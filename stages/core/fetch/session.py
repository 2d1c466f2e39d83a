"""Rate limiter and identity of one worker process: the run's request rate, the pauses that a host asked for, and the
proxy, cookies and source address of the task.
"""

import os
import random
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from slurm.errors import ItemError, UnavailableError
from stages.core.fetch.access import choose_identity
from stages.core.fetch.backoff import Backoff
from stages.core.fetch.rate import RateShare
from stages.core.fetch.robots import find_opt_out
from stages.core.fetch.settings import Access, Pace
from stages.core.fetch.throttled import ThrottledError

HUB = "https://huggingface.co"


class Session:
    """A rate-limited session, shared by all threads of a process.

    Through files in `folder`, the run's worker processes share the request rate and the pauses.
    `proxy` is a URL and may contain a password; `cookies` is the text of a cookies.txt. Neither may be written
    anywhere: pass every text about a request through `redact` first.
    """

    def __init__(self, folder: Path, pace: Pace, access: Access) -> None:
        identity = choose_identity(access)
        self.proxy, self.cookies, self.source_address = identity.proxy, identity.cookies, identity.source_address
        self.redact, self.opt_out = identity.redact, access.opt_out
        self.backoff = Backoff(folder / "pauses", pace)
        self.rate = RateShare(folder / "workers", pace.requests_per_s) if pace.requests_per_s else None
        self.sleep_s = pace.sleep_s
        self._video = threading.local()

    def check_opt_out(self, url: str, headers: Iterable[str]) -> None:
        """Raises ItemError opted_out if these X-Robots-Tag headers of a response ask not to use it.

        Not of the Hub, whose files are published for this use.
        """
        if url.startswith(os.environ.get("HF_ENDPOINT", HUB)):
            return
        if word := find_opt_out(headers, self.opt_out):
            raise ItemError("opted_out", self.redact(f"{url}: X-Robots-Tag says {word} (access.opt_out)"))

    def start_video(self, host: str | None = None) -> None:
        """Sleeps for a random time within `pace.sleep_s`, before this thread begins a video.

        Until the next call, `host` stands for every server that this thread sends requests to: if one of them (a CDN,
        say) asks for a pause, `host` gets it.
        """
        self._video.host = host
        time.sleep(random.uniform(*self.sleep_s))

    def wait_turn(self, host: str) -> None:
        """Blocks until one request may be sent to the host."""
        host = self._throttled_host(host)
        while True:
            self.backoff.wait(host)
            if self.rate:
                self.rate.wait()
            if self.backoff.is_open(host):  # no pause began while we waited for the rate
                return

    def back_off(self, host: str, refused: ThrottledError) -> None:
        """Blocks for a pause, during which no thread of this task sends the host a request.

        Raises UnavailableError after `pace.back_offs` pauses in a row.
        """
        host = self._throttled_host(host)
        self.backoff.begin(host, refused.code, self.redact(refused.detail), refused.after_s or 0.0)
        self.backoff.wait(host)

    def slow_down(self, host: str, refused: ThrottledError) -> None:
        """Like `back_off` for a request that is not repeated: begins a pause for those after it, and does not block."""
        host = self._throttled_host(host)
        with suppress(UnavailableError):  # it has paused often enough: the next request that matters says so
            self.backoff.begin(host, refused.code, self.redact(refused.detail), refused.after_s or 0.0)

    def report_success(self, host: str) -> None:
        """Resets the host's backoff: its next pause is a short one again."""
        self.backoff.end(self._throttled_host(host))

    def close(self) -> None:
        """Gives this process's share of the request rate to the run's other processes."""
        if self.rate:
            self.rate.close()

    def _throttled_host(self, host: str) -> str:
        return getattr(self._video, "host", None) or host


def get_session(folder: Path, pace: Pace, access: Access) -> Session:
    """This process's session with these settings; made by the first call."""
    key = (folder, repr((pace, access)))
    with _making:
        if key not in _sessions:
            _sessions[key] = Session(folder, pace, access)
        return _sessions[key]


_making = threading.Lock()
_sessions: dict[tuple[Path, str], Session] = {}
