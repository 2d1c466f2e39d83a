"""Files of plain web servers: in ranges, in streams, and whole; what was begun is gone on with.

Raises ItemError (removed, private, geo_blocked, network, too_large, disk, bad_value, other); and RefusedError where
the host wants us to slow down: that is not tried again here, since all who ask the host have to pause.
"""

import re
from collections.abc import Callable, Generator
from pathlib import Path

from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential
from urllib3 import BaseHTTPResponse

from slurm.errors import ItemError
from stages.core.fetch.pace import Line
from stages.core.fetch.web.answers import Answers, Headers, LostError
from stages.core.fetch.web.part import Part, Saved
from stages.core.storage.remote import on_disk

TRIES = 4
PROGRESS_BYTES = 1 << 18  # a try that brought so much more than all before was worth it: the count begins anew
LONGEST_WAIT_S = 30.0


class Http:
    """Requests of one worker process, over connections that are kept; its threads share it.

    `stall_s` is how long a host may send nothing. Headers that tell who asks do not follow a redirect to another host.
    """

    def __init__(self, line: Line, stall_s: float, connections: int, back_off_s: float = 1.0) -> None:
        self.answers, self.back_off_s = Answers(line, stall_s, connections), back_off_s

    def size(self, url: str, headers: Headers | None = None) -> int:
        """The bytes of the file, none of which is read."""
        try:
            size = self._tries()(self._told, "HEAD", url, headers or {})
        except ItemError as error:
            if error.code not in ("private", "other"):
                raise
            size = None  # refused: many a signed address is good for GET alone
        if size is None:
            size = self._tries()(self._told, "GET", url, {**(headers or {}), "Range": "bytes=0-0"})
        if size is None:
            raise self.answers.error("other", url, "the server does not tell its size")
        return size

    def read(self, url: str, start: int, end: int, headers: Headers | None = None) -> bytes:
        """The bytes from `start` to before `end`; ItemError("network") if the server does not give exactly these."""
        return b"".join(self.stream(url, start, end, headers))

    def tail(self, url: str, n: int, headers: Headers | None = None) -> tuple[bytes, int]:
        """The last `n` bytes, or all if there are fewer; and how many there are in all."""
        end, size = self._tries()(self._end, url, n, {**(headers or {}), "Range": f"bytes=-{n}"})
        return (self.read(url, size - n, size, headers) if end is None else end), size

    def stream(self, url: str, start: int, end: int, headers: Headers | None = None) -> Generator[bytes, None, None]:
        """The bytes from `start` to before `end`, in blocks; a lost connection is gone on with where it broke."""
        at, same = start, dict[str, str]()
        tries = self._tries(lambda: at)
        for attempt in tries:
            with attempt:
                if at >= end:
                    return
                asked = {**(headers or {}), **same, "Range": f"bytes={at}-{end - 1}"}
                with self.answers.answer("GET", url, asked) as response:
                    if span(response) != (at, end):
                        raise self.answers.error("network", url, f"the server does not give bytes {at} to {end - 1}")
                    if known := validator(response):
                        same = {"If-Range": known}
                    for block in self.answers.blocks(response, url):
                        if at + len(block) > end:
                            raise self.answers.error("network", url, f"more than the bytes {start} to {end - 1}")
                        at += len(block)
                        yield block
                if at < end:
                    raise self.answers.lost(url, f"only {at - start} of {end - start} bytes came")

    def save(self, url: str, file: Path, max_bytes: int, headers: Headers | None = None) -> Saved:
        """The whole file in `file`, its bytes and SHA-256.

        Until it is whole it lies in `<file>.part`, and the next call goes on with that, even after a kill: where the
        server knows ranges and tells by an ETag or a date that it still has the same; else it is fetched anew.
        """
        with on_disk(file), Part(file, url) as part:
            self._tries(lambda: part.bytes)(self._go_on, part, url, max_bytes, headers or {})
            return part.whole()

    def _told(self, method: str, url: str, headers: Headers) -> int | None:
        with self.answers.answer(method, url, headers) as response:
            return total_bytes(response)

    def _end(self, url: str, n: int, headers: Headers) -> tuple[bytes | None, int]:
        """The end of the file, None from a server that knows no ranges from the end; and its size."""
        with self.answers.answer("GET", url, headers) as response:
            size = total_bytes(response)
            if size is None:
                raise self.answers.error("network", url, "the server does not tell its size")
            if size > n and span(response) != (size - n, size):
                return None, size
            end = b"".join(self.answers.blocks(response, url)) if size else b""
        if len(end) != min(n, size):
            raise self.answers.lost(url, f"{len(end)} instead of the last {n} of {size} bytes")
        return end, size

    def _go_on(self, part: Part, url: str, max_bytes: int, headers: Headers) -> None:
        """Appends what is missing."""
        if part.bytes and part.bytes == part.size:
            return
        with self.answers.answer("GET", url, {**headers, **part.rest()}) as response:
            size, (start, _) = total_bytes(response), span(response) or (0, 0)
            if response.status == 416 and size == part.bytes:
                return
            if response.status == 416 or (start and (start != part.bytes or part.size not in (None, size))):
                bytes_there = part.bytes
                part.begin(None, None)
                raise self.answers.lost(url, f"what the server has does not go on after {bytes_there} bytes")
            if start == 0:
                part.begin(size, validator(response))
            if size is not None and size > max_bytes:
                raise self._too_large(part, url, f"{size} bytes, and {max_bytes} are allowed")
            for block in self.answers.blocks(response, url):
                if part.bytes + len(block) > max_bytes:
                    raise self._too_large(part, url, f"more than the {max_bytes} bytes that are allowed")
                part.append(block)
        if size not in (None, part.bytes):
            raise self.answers.lost(url, f"{part.bytes} of {size} bytes came")

    def _too_large(self, part: Part, url: str, what: str) -> ItemError:
        part.drop()
        return self.answers.error("too_large", url, what)

    def _tries(self, reached: Callable[[], int] = lambda: 0) -> Retrying:
        """Tries again what is lost, until TRIES in a row got no further than any before."""
        best = reached()

        def count(state: RetryCallState) -> None:
            nonlocal best
            if reached() - best >= PROGRESS_BYTES:
                best, state.attempt_number = reached(), 1

        return Retrying(
            retry=retry_if_exception_type(LostError),
            after=count,
            stop=stop_after_attempt(TRIES),
            wait=wait_random_exponential(self.back_off_s, LONGEST_WAIT_S),
            reraise=True,
        )


def total_bytes(response: BaseHTTPResponse) -> int | None:
    """The size of the whole file, as far as the answer tells it."""
    ranged = response.status != 200
    told = response.headers.get("Content-Range" if ranged else "Content-Length", "").rpartition("/")[2]
    return int(told) if told.isdecimal() else None


def span(response: BaseHTTPResponse) -> tuple[int, int] | None:
    """The first byte of a partial answer and the one after its last; None of an answer that is not partial."""
    given = re.match(r"bytes (\d+)-(\d+)/", response.headers.get("Content-Range", ""))
    return (int(given[1]), int(given[2]) + 1) if given and response.status == 206 else None


def validator(response: BaseHTTPResponse) -> str | None:
    """By what the server knows whether the file is still the same: a strong ETag, or else its date."""
    tag = response.headers.get("ETag", "")
    return tag if tag.startswith('"') else response.headers.get("Last-Modified")
