"""Files of plain web servers: their size, byte ranges, or the whole file, with resume of partial downloads.

Raises ItemError (removed, private, geo_blocked, network, too_large, disk, bad_value, other); and ThrottledError where
the host asks for a pause: that is not retried here, since all threads and processes of the task have to pause.
"""

import re
from collections.abc import Callable, Generator
from pathlib import Path

from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential
from urllib3 import BaseHTTPResponse

from slurm.errors import ItemError
from stages.core.fetch.session import Session
from stages.core.fetch.web.connections import Connections, Headers, TransientError
from stages.core.fetch.web.partial import PartialFile, SavedFile
from stages.core.storage.errors import translate_disk_errors

TRIES = 4
PROGRESS_BYTES = 1 << 18  # an attempt that got this much further than all before resets the count of attempts
LONGEST_WAIT_S = 30.0
MOST_DIGITS = 18  # of a size


class HttpClient:
    """The HTTP client of one worker process, shared by its threads; its connections are kept open.

    A request fails after `stall_s` seconds without a byte. Credentials do not follow a redirect to another host.
    """

    def __init__(self, session: Session, stall_s: float, connections: int, back_off_s: float = 1.0) -> None:
        self.connections, self.back_off_s = Connections(session, stall_s, connections), back_off_s

    def size(self, url: str, headers: Headers | None = None) -> int:
        """The size of the file in bytes; its content is not downloaded."""
        try:
            size = self._retrying()(self._request_size, "HEAD", url, headers or {})
        except ItemError as error:
            if error.code not in ("private", "unknown"):
                raise
            size = None  # HEAD was refused: many signed addresses allow GET only
        if size is None:
            size = self._retrying()(self._request_size, "GET", url, {**(headers or {}), "Range": "bytes=0-0"})
        if size is None:
            raise self.connections.make_error("other", url, "the server does not send its size")
        return size

    def read(self, url: str, start: int, end: int, headers: Headers | None = None) -> bytes:
        """The bytes [start, end). Raises ItemError("network") if the server does not send exactly these."""
        return b"".join(self.stream(url, start, end, headers))

    def tail(self, url: str, n: int, headers: Headers | None = None) -> tuple[bytes, int]:
        """The last `n` bytes, or all if the file is shorter; and the size of the file."""
        end, size = self._retrying()(self._read_end, url, n, {**(headers or {}), "Range": f"bytes=-{n}"})
        return (self.read(url, size - n, size, headers) if end is None else end), size

    def stream(self, url: str, start: int, end: int, headers: Headers | None = None) -> Generator[bytes, None, None]:
        """The bytes [start, end) in blocks; after a lost connection it resumes where that broke."""
        at, if_range = start, dict[str, str]()
        tries = self._retrying(lambda: at)
        for attempt in tries:
            with attempt:
                if at >= end:
                    return
                range_headers = {**(headers or {}), **if_range, "Range": f"bytes={at}-{end - 1}"}
                with self.connections.request("GET", url, range_headers) as response:
                    if parse_range(response) != (at, end):
                        raise self.connections.make_error(
                            "network", url, f"the server does not send bytes {at} to {end - 1}"
                        )
                    if validator := parse_validator(response):
                        if_range = {"If-Range": validator}
                    for block in self.connections.read_blocks(response, url):
                        if at + len(block) > end:
                            raise self.connections.make_error(
                                "network", url, f"more than the bytes {start} to {end - 1}"
                            )
                        at += len(block)
                        yield block
                if at < end:
                    raise self.connections.make_transient_error(
                        url, f"only {at - start} of {end - start} bytes arrived"
                    )

    def save(self, url: str, file: Path, max_bytes: int, headers: Headers | None = None) -> SavedFile:
        """Downloads the whole file to `file`; returns its size and SHA-256.

        Until it is complete it is kept in `<file>.part`. The next call resumes from that, even after a kill, if the
        server supports ranges and an ETag or date shows that the file is unchanged; else it starts again.
        """
        with translate_disk_errors(file), PartialFile(file, url) as part:
            self._retrying(lambda: part.bytes)(self._append_rest, part, url, max_bytes, headers or {})
            return part.finish()

    def _request_size(self, method: str, url: str, headers: Headers) -> int | None:
        with self.connections.request(method, url, headers) as response:
            return parse_total_bytes(response)

    def _read_end(self, url: str, n: int, headers: Headers) -> tuple[bytes | None, int]:
        """The last `n` bytes, None from a server without suffix ranges; and the size of the file."""
        with self.connections.request("GET", url, headers) as response:
            size = parse_total_bytes(response)
            if size is None:
                raise self.connections.make_error("network", url, "the server does not send its size")
            if size > n and parse_range(response) != (size - n, size):
                return None, size
            end = b"".join(self.connections.read_blocks(response, url)) if size else b""
        if len(end) != min(n, size):
            raise self.connections.make_transient_error(url, f"{len(end)} bytes arrived, not the last {n} of {size}")
        return end, size

    def _append_rest(self, part: PartialFile, url: str, max_bytes: int, headers: Headers) -> None:
        """Downloads the missing bytes and appends them."""
        if part.bytes and part.bytes == part.size:
            return
        with self.connections.request("GET", url, {**headers, **part.range_headers()}) as response:
            size, (start, _) = parse_total_bytes(response), parse_range(response) or (0, 0)
            if response.status == 416 and size == part.bytes:
                return
            if response.status == 416 or (start and (start != part.bytes or part.size not in (None, size))):
                had_bytes = part.bytes
                part.begin(None, None)
                raise self.connections.make_transient_error(url, f"the server cannot resume after {had_bytes} bytes")
            if start == 0:
                part.begin(size, parse_validator(response))
            if size is not None and size > max_bytes:
                raise self._too_large(part, url, f"{size} bytes are more than the {max_bytes} allowed")
            for block in self.connections.read_blocks(response, url):
                if part.bytes + len(block) > max_bytes:
                    raise self._too_large(part, url, f"more than the {max_bytes} bytes allowed")
                part.append(block)
        if size not in (None, part.bytes):
            raise self.connections.make_transient_error(url, f"{part.bytes} of {size} bytes arrived")

    def _too_large(self, part: PartialFile, url: str, what: str) -> ItemError:
        part.drop()
        return self.connections.make_error("too_large", url, what)

    def _retrying(self, reached: Callable[[], int] = lambda: 0) -> Retrying:
        """Retries on TransientError with exponential backoff, until TRIES attempts in a row made no progress.

        `reached()` is the progress so far in bytes.
        """
        best = reached()

        def count(state: RetryCallState) -> None:
            nonlocal best
            if reached() - best >= PROGRESS_BYTES:
                best, state.attempt_number = reached(), 1

        return Retrying(
            retry=retry_if_exception_type(TransientError),
            after=count,
            stop=stop_after_attempt(TRIES),
            wait=wait_random_exponential(self.back_off_s, LONGEST_WAIT_S),
            reraise=True,
        )


def parse_total_bytes(response: BaseHTTPResponse) -> int | None:
    """The size of the whole file by the response's headers; None if they do not give it."""
    ranged = response.status != 200
    size = response.headers.get("Content-Range" if ranged else "Content-Length", "").rpartition("/")[2]
    return int(size) if size.isdecimal() and len(size) <= MOST_DIGITS else None


def parse_range(response: BaseHTTPResponse) -> tuple[int, int] | None:
    """The range [start, end) of a partial response (206); None for any other."""
    match = re.match(
        rf"bytes (\d{{1,{MOST_DIGITS}}})-(\d{{1,{MOST_DIGITS}}})/", response.headers.get("Content-Range", "")
    )
    return (int(match[1]), int(match[2]) + 1) if match and response.status == 206 else None


def parse_validator(response: BaseHTTPResponse) -> str | None:
    """The value for If-Range, which tells the server our version of the file: a strong ETag, else a date."""
    tag = response.headers.get("ETag", "")
    return tag if tag.startswith('"') else response.headers.get("Last-Modified")
