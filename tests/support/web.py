"""A real web server for tests, which behaves as badly as it is told to, and remembers what it was asked."""

import gzip
import hashlib
import threading
import time
from dataclasses import dataclass, field
from email.utils import formatdate
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from support.serving import Serving

BLOCK_BYTES = 1 << 16


@dataclass
class Request:
    """What was asked, and what it got; `sent_bytes` (of the body) grows while it is sent."""

    method: str
    path: str  # without the slash at the front, the query left out
    range: str | None
    headers: dict[str, str]  # their names in small letters
    query: str
    client: tuple[str, int]  # its address and port, the same for all requests of a connection
    at_s: float = field(default_factory=time.monotonic)
    status: int = 0
    sent_bytes: int = 0


@dataclass
class Fault:
    what: str | int
    value: str | float | None
    times: int | None
    after: int
    only: str | None
    met: int = 0


class Web(Serving):
    """Serves the files below `folder` and those in `files` (name → content) at `url(name)`; HTTP/1.1, kept alive.

        with Web(folder) as web:
            web.fault("a.mp4", "truncated", times=1)
            ...
            assert [request.range for request in web.requests] == [None, "bytes=500-"]

    It also serves as an HTTP proxy that knows every host: only the path of an address counts.
    """

    def __init__(self, folder: Path | None = None, files: dict[str, bytes] | None = None) -> None:
        self.folder, self.files = folder, dict(files or {})
        self.requests: list[Request] = []
        self.closing = threading.Event()
        self._faults: dict[str, list[Fault]] = {}
        self._lock = threading.Lock()
        super().__init__(_Handler, _Server)

    def __exit__(self, *error: object) -> None:
        self.closing.set()
        super().__exit__(*error)

    def url(self, name: str) -> str:
        return f"http://{self.host}/{quote(name)}"

    def fault(
        self,
        name: str,
        what: str | int,
        value: str | float | None = None,
        *,
        times: int | None = None,
        after: int = 0,
        only: str | None = None,
    ) -> None:
        """Makes the requests for `name` go wrong: `times` of them (None: all) after the first `after`.

        `only` counts one method. Several faults of a name act together. `what` is a status (429, 503 with `value` as
        Retry-After), or one of:

        no_ranges       the whole file with a 200, whatever range is asked for
        no_suffix       … where the range is counted from the end
        wrong_range     from one byte further on than was asked for
        no_validators   no ETag, no Last-Modified
        changing        another ETag with every request
        chunked         no Content-Length
        gzip            compressed, if the client accepts that
        truncated       half of what Content-Length says, then closed
        wrong_length    Content-Length says `value`, whatever is sent; then closed
        stalled         half of it, then nothing more
        slow            `value` bytes per second
        dropped         closed without an answer
        redirect        302 to the address `value`
        robots          a header X-Robots-Tag with `value`
        needs           401 unless the request has the header `value`, like "Cookie: a=b"
        """
        self._faults.setdefault(name, []).append(Fault(what, value, times, after, only))

    def mend(self, name: str) -> None:
        """No more faults of `name`."""
        self._faults.pop(name, None)

    def asked(self, name: str, method: str | None = None) -> list[Request]:
        return [request for request in self.requests if request.path == name and method in (None, request.method)]

    def content(self, name: str) -> bytes | None:
        """What is served as `name` now; None if there is no such file."""
        if name in self.files:
            return self.files[name]
        path = self.folder / name if self.folder else None
        return loaded(path, path.stat().st_mtime_ns) if path and path.is_file() else None

    def faults(self, name: str, method: str) -> dict[str | int, str | float | None]:
        """The faults that act on this request, which is counted."""
        acting: dict[str | int, str | float | None] = {}
        with self._lock:
            for fault in self._faults.get(name, []):
                if fault.only in (None, method):
                    fault.met += 1
                    if fault.after < fault.met and (fault.times is None or fault.met <= fault.after + fault.times):
                        acting[fault.what] = fault.value
        return acting


class _Server(ThreadingHTTPServer):
    request_queue_size = 128

    def handle_error(self, *_: object) -> None:
        """A client that hangs up is nothing to print."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = BLOCK_BYTES
    changes = count()

    def __init__(self, web: Web, *args: object) -> None:
        self.web = web
        super().__init__(*args)  # type: ignore[arg-type]

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        name, headers = unquote(address.path).lstrip("/"), {key.lower(): value for key, value in self.headers.items()}
        self.request_ = Request(self.command, name, headers.get("range"), headers, address.query, self.client_address)
        self.web.requests.append(self.request_)
        self.faults = self.web.faults(name, self.command)
        content = self.web.content(name)
        statuses = [what for what in self.faults if isinstance(what, int)]
        header, _, value = str(self.faults.get("needs", "")).partition(": ")
        if "dropped" in self.faults:
            self.close_connection = True
        elif statuses:
            wait = self.faults[statuses[0]]
            self.answer(statuses[0], {} if wait is None else {"Retry-After": str(wait)}, b"no")
        elif headers.get(header.lower(), "") != value:
            self.answer(401, {}, b"who are you?")
        elif "redirect" in self.faults:
            self.answer(302, {"Location": str(self.faults["redirect"])}, b"elsewhere")
        elif content is None:
            self.answer(404, {}, b"no such file")
        else:
            self.serve(content, headers)

    def serve(self, content: bytes, headers: dict[str, str]) -> None:
        size, told = len(content), {"Accept-Ranges": "bytes", "Content-Type": "application/octet-stream"}
        change = f"-{next(self.changes)}" if "changing" in self.faults else ""
        if "no_validators" not in self.faults:
            told["ETag"] = f'"{digest(content)}{change}"'
            told["Last-Modified"] = formatdate(0, usegmt=True)
        asked = span(headers.get("range"), size)
        if "no_ranges" in self.faults or ("no_suffix" in self.faults and "=-" in headers.get("range", "")):
            asked = None
        if headers.get("if-range", told.get("ETag")) not in (told.get("ETag"), told.get("Last-Modified")):
            asked = None
        if asked is None:
            if "gzip" in self.faults and "gzip" in headers.get("accept-encoding", ""):
                content, told["Content-Encoding"] = gzip.compress(content), "gzip"
            return self.answer(200, told, content)
        if asked[0] >= size:
            return self.answer(416, {"Content-Range": f"bytes */{size}"}, b"")
        start, end = asked[0] + ("wrong_range" in self.faults), asked[1]
        self.answer(206, {**told, "Content-Range": f"bytes {start}-{end - 1}/{size}"}, content[start:end])

    def answer(self, status: int, told: dict[str, str], body: bytes) -> None:
        self.request_.status = status
        self.send_response(status)
        for key, value in told.items():
            self.send_header(key, value)
        if "robots" in self.faults:
            self.send_header("X-Robots-Tag", str(self.faults["robots"]))
        chunked = "chunked" in self.faults
        length = str(self.faults.get("wrong_length", len(body)))
        self.send_header(*(("Transfer-Encoding", "chunked") if chunked else ("Content-Length", length)))
        self.end_headers()
        if self.command == "HEAD":
            return
        half = self.faults.keys() & {"truncated", "stalled"} and status < 300
        per_s = float(self.faults.get("slow") or 0)
        sending = memoryview(body)[: len(body) // 2 if half else None]
        step = max(1, min(BLOCK_BYTES, int(per_s / 20))) if per_s else BLOCK_BYTES
        for start in range(0, len(sending), step):
            block = sending[start : start + step]
            self.wfile.write(b"%x\r\n%b\r\n" % (len(block), bytes(block)) if chunked else block)
            self.request_.sent_bytes += len(block)
            if per_s:
                self.wfile.flush()
                self.web.closing.wait(len(block) / per_s)
        if chunked and not half:
            self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()
        if "stalled" in self.faults and status < 300:
            self.web.closing.wait()
        self.close_connection |= bool(half) or "wrong_length" in self.faults


def span(asked: str | None, size: int) -> tuple[int, int] | None:
    """The first byte and the one after the last of a Range header; None without one, or with several ranges."""
    first, dash, last = (asked or "").removeprefix("bytes=").partition("-")
    if not dash or "," in last:
        return None
    if not first:
        return max(0, size - int(last)), size
    return int(first), min(size, int(last) + 1) if last else size


@lru_cache(maxsize=64)
def loaded(path: Path, mtime_ns: int) -> bytes:
    return path.read_bytes()


@lru_cache(maxsize=64)
def digest(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()
