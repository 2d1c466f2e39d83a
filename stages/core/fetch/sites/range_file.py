"""A seekable file object over a site's media file, read by range requests through yt-dlp."""

from typing import Any

from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_exponential
from yt_dlp import YoutubeDL
from yt_dlp.networking import Request
from yt_dlp.networking.exceptions import TransportError
from yt_dlp.utils import parse_http_range

from slurm.errors import ItemError

FIRST_BYTES, MOST_BYTES = 1 << 18, 8 << 20  # of one range; YouTube throttles larger requests
SKIP_BYTES = 1 << 18  # skipping up to this much by reading is cheaper than a new request


class NoSpanError(Exception):
    """This format or server allows no span to be fetched; the whole file can be."""


retry_transport = retry(
    retry=retry_if_exception_type(TransportError), stop=stop_after_attempt(3), wait=wait_exponential(0.5), reraise=True
)


class RangeFile:
    """A file object for PyAV. Creating one raises NoSpanError if the server does not support ranges.

    Reading raises ItemError too_large beyond `max_bytes`.
    """

    def __init__(self, site: YoutubeDL, source: dict[str, Any], max_bytes: int) -> None:
        self.site, self.source, self.max_bytes = site, source, max_bytes
        self.at = self.range_start = self.size = self.got_bytes = 0
        self.range_bytes = FIRST_BYTES  # grows with each range that was read to its end
        self.response: Any = None
        if source.get("protocol") not in ("http", "https"):
            raise NoSpanError(source.get("protocol"))
        retry_transport(self.request_range)()

    def request_range(self) -> None:
        headers = {**(self.source.get("http_headers") or {}), "Accept-Encoding": "identity"}
        headers["Range"] = f"bytes={self.at}-{self.at + self.range_bytes - 1}"
        self.response = self.site.urlopen(Request(self.source["url"], headers=headers))
        self.range_start, _, size = parse_http_range(self.response.headers.get("Content-Range"))
        if self.range_start != self.at or not size:
            raise NoSpanError("the server does not support ranges")
        self.size = size

    @retry_transport
    def read(self, n: int) -> bytes:
        while self.at < self.size:
            if self.response is None:
                self.request_range()
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
            if self.at == self.range_start:
                raise NoSpanError("the server sent an empty range")
            self.close()
            self.range_bytes = min(4 * self.range_bytes, MOST_BYTES)
        return b""

    def seek(self, offset: int, whence: int = 0) -> int:
        target = offset + (0, self.at, self.size)[whence]
        if self.response is not None and 0 <= target - self.at <= SKIP_BYTES:
            while self.at < target and self.read(target - self.at):
                pass
        elif target != self.at:
            self.close()
            self.range_bytes = FIRST_BYTES
        self.at = target
        return target

    def tell(self) -> int:
        return self.at

    def close(self) -> None:
        if self.response is not None:
            self.response.close()
        self.response = None
