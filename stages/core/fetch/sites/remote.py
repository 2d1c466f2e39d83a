"""A file of a site, read in ranges as if it lay here, by yt-dlp's own requests."""

from typing import Any

from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_exponential
from yt_dlp import YoutubeDL
from yt_dlp.networking import Request
from yt_dlp.networking.exceptions import TransportError
from yt_dlp.utils import parse_http_range

from slurm.errors import ItemError

FIRST_BYTES, MOST_BYTES = 1 << 18, 8 << 20  # of a range; YouTube slows down whoever asks for more at once
SKIP_BYTES = 1 << 18  # up to here reading on is cheaper than asking anew


class UnfitError(Exception):
    """This format or server gives no parts: the whole can be had."""


again = retry(
    retry=retry_if_exception_type(TransportError), stop=stop_after_attempt(3), wait=wait_exponential(0.5), reraise=True
)


class Remote:
    """A file on a server, as PyAV reads it; raises UnfitError at once if the server knows no ranges."""

    def __init__(self, site: YoutubeDL, source: dict[str, Any], max_bytes: int) -> None:
        self.site, self.source, self.max_bytes = site, source, max_bytes
        self.at = self.asked_at = self.size = self.got_bytes = 0
        self.range_bytes = FIRST_BYTES  # more with each one that was read to its end
        self.response: Any = None
        if source.get("protocol") not in ("http", "https"):
            raise UnfitError(source.get("protocol"))
        again(self.ask)()

    def ask(self) -> None:
        headers = {**(self.source.get("http_headers") or {}), "Accept-Encoding": "identity"}
        headers["Range"] = f"bytes={self.at}-{self.at + self.range_bytes - 1}"
        self.response = self.site.urlopen(Request(self.source["url"], headers=headers))
        self.asked_at, _, size = parse_http_range(self.response.headers.get("Content-Range"))
        if self.asked_at != self.at or not size:
            raise UnfitError("no ranges")
        self.size = size

    @again
    def read(self, n: int) -> bytes:
        while self.at < self.size:
            if self.response is None:
                self.ask()
            try:
                block: bytes = self.response.read(n)
            except TransportError:
                self.close()
                raise
            if block:
                self.at += len(block)
                self.got_bytes += len(block)
                if self.got_bytes > self.max_bytes:
                    raise ItemError("too_large", f"more than {self.max_bytes / 2**30:g} GB (limits.max_gb)")
                return block
            if self.at == self.asked_at:
                raise UnfitError("nothing in a range")
            self.close()
            self.range_bytes = min(4 * self.range_bytes, MOST_BYTES)
        return b""

    def seek(self, offset: int, whence: int = 0) -> int:
        there = offset + (0, self.at, self.size)[whence]
        if self.response is not None and 0 <= there - self.at <= SKIP_BYTES:
            while self.at < there and self.read(there - self.at):
                pass
        elif there != self.at:
            self.close()
            self.range_bytes = FIRST_BYTES
        self.at = there
        return there

    def tell(self) -> int:
        return self.at

    def close(self) -> None:
        if self.response is not None:
            self.response.close()
        self.response = None
