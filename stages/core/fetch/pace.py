"""A worker process's one way out to the net: at the run's pace, with pauses where a host asks for them."""

import random
import threading
import time
from pathlib import Path

from stages.core.fetch.access import identity
from stages.core.fetch.pauses import Pauses
from stages.core.fetch.refused import RefusedError
from stages.core.fetch.settings import Access, Pace
from stages.core.fetch.share import Share


class Line:
    """The way out to the net for all threads of a process; in `folder` the run's worker processes see each other.

    `proxy` is a URL and may hold a password, `cookies` the text of a cookies.txt: neither is to be written anywhere,
    and what is told of a request goes through `redacted`.
    """

    def __init__(self, folder: Path, pace: Pace, access: Access) -> None:
        own = identity(access)
        self.proxy, self.cookies, self.source_address = own.proxy, own.cookies, own.source_address
        self.redacted = own.redacted
        self.pauses = Pauses(folder / "pauses", pace)
        self.share = Share(folder / "workers", pace.requests_per_s) if pace.requests_per_s else None
        self.sleep_s = pace.sleep_s
        self._video = threading.local()

    def rest(self, host: str | None = None) -> None:
        """The pause before a video, of a random length.

        Whichever servers this thread asks for the video: if one of them wants a pause, it is `host` that gets it.
        """
        self._video.host = host
        time.sleep(random.uniform(*self.sleep_s))

    def turn(self, host: str) -> None:
        """Returns when one request may be made of the host."""
        host = self._site(host)
        while True:
            self.pauses.wait(host)
            if self.share:
                self.share.wait()
            if self.pauses.passed(host):  # none began meanwhile
                return

    def back_off(self, host: str, refused: RefusedError) -> None:
        """Nobody of this task asks the host until it has had its pause; UnavailableError if it had enough of them."""
        host = self._site(host)
        self.pauses.begin(host, refused.code, self.redacted(refused.detail), refused.after_s or 0.0)
        self.pauses.wait(host)

    def went_well(self, host: str) -> None:
        """The host answers again: should it want another pause, that is a short one."""
        self.pauses.end(self._site(host))

    def close(self) -> None:
        """Leaves the run's other processes its share of the requests."""
        if self.share:
            self.share.close()

    def _site(self, host: str) -> str:
        return getattr(self._video, "host", None) or host


def line(folder: Path, pace: Pace, access: Access) -> Line:
    """The Line of this process."""
    key = (folder, repr((pace, access)))
    with _making:
        if key not in _lines:
            _lines[key] = Line(folder, pace, access)
        return _lines[key]


_making = threading.Lock()
_lines: dict[tuple[Path, str], Line] = {}
