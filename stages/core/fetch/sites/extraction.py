"""yt-dlp as a library: rate-limited by the session, silent, with all its failures turned into our errors.

Threads of one process may use several at the same time.
"""

import io
import logging
import sys
import threading
import time
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from yt_dlp import YoutubeDL
from yt_dlp.extractor import import_extractors
from yt_dlp.globals import all_plugins_loaded
from yt_dlp.networking.exceptions import HTTPError
from yt_dlp.plugins import load_all_plugins
from yt_dlp.postprocessor.ffmpeg import FFmpegPostProcessor
from yt_dlp.utils import DownloadError

from slurm.errors import ItemError
from stages.core.fetch.session import Session
from stages.core.fetch.settings import Formats, Limits, Subtitles
from stages.core.fetch.sites.failures import classify_failure
from stages.core.fetch.sites.formats import make_format_selector
from stages.core.fetch.sites.metadata import seconds
from stages.core.fetch.throttled import ThrottledError
from stages.core.fetch.web.connections import parse_cookies

log = logging.getLogger("reelmill")

# yt-dlp does this on first use, where threads that do it at the same time lose extractors
if not all_plugins_loaded.value:
    load_all_plugins()
import_extractors()
sorting = threading.Lock()

RETRIES = 3
BLOCK_BYTES = 1 << 16
LIVE = {"is_live", "is_upcoming", "post_live"}
PLAYLISTS = {"playlist", "multi_video", "compat_list"}


class FetchOptions(NamedTuple):
    """What to fetch of a video; `span` is (start, end) in seconds of the part to fetch, None for all."""

    formats: Formats
    subtitles: Subtitles
    span: tuple[float, float] | None
    limits: Limits


class Extraction(YoutubeDL):  # type: ignore[misc]
    """`extract_info` finds the formats of one video and hands them to `process_info`.

    Every failure is raised as a YoutubeDLError; `convert_error` gives the ItemError or ThrottledError to raise instead.
    """

    def __init__(self, fetch_options: FetchOptions, session: Session) -> None:
        self.fetch_options, self.session = fetch_options, session
        self.page = ""  # the address of the video
        self.at_media = self.in_pieces = self.cookies_expired = False
        # hide ffmpeg from yt-dlp, which would download with it: without a rate limit, with cookies on the command line
        FFmpegPostProcessor._ffmpeg_location.set("")  # a context variable: applies to this thread
        super().__init__(self.yt_dlp_options())

    def yt_dlp_options(self) -> dict[str, Any]:
        session, fetch_options = self.session, self.fetch_options
        more: dict[str, Any] = (
            {"proxy": session.proxy} if session.proxy else {}
        )  # else yt-dlp uses those of the environment
        if session.cookies:
            jar, now = (
                list(parse_cookies(session.cookies)),
                time.time(),
            )  # raises on a bad line, which yt-dlp would print
            self.cookies_expired = all(cookie.is_expired(round(now)) for cookie in jar)
            # yt-dlp requires this first line, and on closing writes its cookies back: into this buffer
            more["cookiefile"] = io.StringIO(f"# Netscape HTTP Cookie File\n{session.cookies}")
        stall_s = fetch_options.limits.stall_s
        pauses = dict.fromkeys(("http", "fragment", "extractor"), lambda n: min(0.5 * 2**n, stall_s))
        return more | {
            "logger": self,
            "color": "never",
            "noprogress": True,
            "cachedir": False,
            "noplaylist": True,
            "ignoreerrors": "only_download",  # else exceptions from bugs of extractors are not wrapped
            "format": make_format_selector(fetch_options.formats),
            "match_filter": self.check,
            "writesubtitles": bool(fetch_options.subtitles.languages),  # else some extractors skip them
            "writeautomaticsub": bool(fetch_options.subtitles.languages) and fetch_options.subtitles.automatic,
            "subtitleslangs": ["-all"],
            "source_address": session.source_address,
            "socket_timeout": stall_s,
            "buffersize": BLOCK_BYTES,
            "noresizebuffer": True,  # an incomplete block is lost
            "retries": RETRIES,
            "fragment_retries": RETRIES,
            "retry_sleep_functions": pauses,
            "skip_unavailable_fragments": False,
            "hls_prefer_native": True,
            "updatetime": False,
            "js_runtimes": {name: {} for name in ("deno", "node", "bun", "quickjs")},
        }

    def urlopen(self, req: Any) -> Any:
        """Sends a request of an extractor or downloader when the session allows it."""
        url = req if isinstance(req, str) else getattr(req, "url", None) or req.full_url
        self.session.wait_turn(urlsplit(url).hostname or "")
        try:
            response = super().urlopen(req)
            if url == self.page or self.at_media:  # other pages and answers of a site are no videos
                self.session.check_opt_out(url, response.headers.get_all("X-Robots-Tag") or ())
            return response
        except HTTPError as error:
            if self.at_media and error.status == 429:
                raise self.convert_error(error) from None  # else yt-dlp would retry several times
            raise

    def process_ie_result(self, ie_result: dict[str, Any], *more: Any, **named: Any) -> Any:
        if ie_result.get("_type") in PLAYLISTS:
            raise ItemError("other", "a playlist or channel: give the address of each of its videos")
        return super().process_ie_result(ie_result, *more, **named)

    def sort_formats(self, info_dict: dict[str, Any]) -> None:
        with sorting:  # yt-dlp keeps an extractor's sort order in a class attribute, shared by all threads
            super().sort_formats(info_dict)

    def check(self, info: dict[str, Any], *, incomplete: object = False) -> None:
        """yt-dlp's `match_filter`, called before formats are chosen. Raises ItemError: live, too_long."""
        if info.get("live_status") in LIVE or info.get("is_live"):
            raise ItemError("live", f"the site says: {info.get('live_status') or 'is_live'}")
        if self.fetch_options.span is None:
            self.check_length(seconds(info.get("duration")) or 0)

    def check_length(self, length_s: float) -> None:
        if length_s > (most_s := self.fetch_options.limits.max_s):
            raise ItemError("too_long", f"{length_s:.0f} s is more than limits.max_s={most_s:.0f}")

    def convert_error(self, error: BaseException) -> ItemError | ThrottledError:
        """The error to raise instead of yt-dlp's, without secrets."""
        converted = classify_failure(error, media=self.at_media, redact=self.session.redact)
        if self.in_pieces and converted.code == "removed":  # a piece, or their list: the page is there
            return ItemError("bad_stream", converted.detail)
        if self.cookies_expired and converted.code in ("private", "members_only", "age_restricted", "bot_check"):
            return ThrottledError(
                "bot_check", f"{converted.detail} (the cookies have expired: export access.cookies anew)"
            )
        return converted

    def trouble(self, message: str | None = None, tb: str | None = None, is_error: bool = True) -> None:
        if is_error:
            raise DownloadError(message, sys.exc_info())
        self.error(str(message))

    def report_warning(self, message: str, only_once: bool = False) -> None:
        self.cookies_expired |= "cookies are no longer valid" in message
        self.debug(message)

    def debug(self, message: str) -> None:
        log.debug("yt-dlp: %s", self.session.redact(message))

    warning = error = debug  # the methods that yt-dlp's `logger` needs

    def to_stdout(self, message: str, *_: Any, **__: Any) -> None:
        self.debug(message)
