"""yt-dlp as a library: it waits for its turn, prints nothing, and every failure comes out the same way.

Several may run at once in the threads of a process.
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
from stages.core.fetch.pace import Line
from stages.core.fetch.refused import RefusedError
from stages.core.fetch.settings import Formats, Limits, Subtitles
from stages.core.fetch.sites.failures import failure
from stages.core.fetch.sites.formats import chooser
from stages.core.fetch.web.answers import cookie_jar

log = logging.getLogger("reelmill")

# yt-dlp would do this when it is first used, and threads that do it at once lose extractors
if not all_plugins_loaded.value:
    load_all_plugins()
import_extractors()
sorting = threading.Lock()

RETRIES = 3
BLOCK_BYTES = 1 << 16
LIVE = {"is_live", "is_upcoming", "post_live"}
PLAYLISTS = {"playlist", "multi_video", "compat_list"}


class Wanted(NamedTuple):
    """What is wanted of a video; `span`: only what lies between two moments."""

    formats: Formats
    subtitles: Subtitles
    span: tuple[float, float] | None
    limits: Limits


class Extraction(YoutubeDL):  # type: ignore[misc]
    """`extract_info` finds the formats of one video and hands them to `process_info`.

    Whatever goes wrong comes out as a YoutubeDLError, of which `told` makes the error to raise.
    """

    def __init__(self, wanted: Wanted, line: Line) -> None:
        self.wanted, self.line = wanted, line
        self.at_media = self.cookies_expired = False
        # yt-dlp leaves to ffmpeg what it can, and ffmpeg waits for no turn and has cookies on its command line
        FFmpegPostProcessor._ffmpeg_location.set("")  # a context variable: for this thread
        super().__init__(self.options())

    def options(self) -> dict[str, Any]:
        line, wanted = self.line, self.wanted
        more: dict[str, Any] = {"proxy": line.proxy} if line.proxy else {}  # else those of the environment
        if line.cookies:
            jar, now = list(cookie_jar(line.cookies)), time.time()  # a line that cannot be read, yt-dlp would print
            self.cookies_expired = all(cookie.is_expired(round(now)) for cookie in jar)
            # yt-dlp wants this line, and writes its cookies back when it closes: into this
            more["cookiefile"] = io.StringIO(f"# Netscape HTTP Cookie File\n{line.cookies}")
        stall_s = wanted.limits.stall_s
        pauses = dict.fromkeys(("http", "fragment", "extractor"), lambda n: min(0.5 * 2**n, stall_s))
        return more | {
            "logger": self,
            "color": "never",
            "noprogress": True,
            "cachedir": False,
            "noplaylist": True,
            "ignoreerrors": "only_download",  # else the errors of extractors that have a fault are not wrapped
            "format": chooser(wanted.formats),
            "match_filter": self.check,
            "writesubtitles": bool(wanted.subtitles.languages),  # else some extractors do not look for them
            "writeautomaticsub": bool(wanted.subtitles.languages) and wanted.subtitles.automatic,
            "subtitleslangs": ["-all"],
            "source_address": line.source_address,
            "socket_timeout": stall_s,
            "buffersize": BLOCK_BYTES,
            "noresizebuffer": True,  # a block that did not come whole is lost
            "retries": RETRIES,
            "fragment_retries": RETRIES,
            "retry_sleep_functions": pauses,
            "skip_unavailable_fragments": False,
            "hls_prefer_native": True,
            "updatetime": False,
            "js_runtimes": {name: {} for name in ("deno", "node", "bun", "quickjs")},
        }

    def urlopen(self, req: Any) -> Any:
        """A request of an extractor or a downloader, in its turn."""
        url = req if isinstance(req, str) else getattr(req, "url", None) or req.full_url
        self.line.turn(urlsplit(url).hostname or "")
        try:
            return super().urlopen(req)
        except HTTPError as error:
            if self.at_media and error.status == 429:
                raise self.told(error) from None  # yt-dlp would ask again, several times
            raise

    def process_ie_result(self, ie_result: dict[str, Any], *more: Any, **named: Any) -> Any:
        if ie_result.get("_type") in PLAYLISTS:
            raise ItemError("other", "a playlist or channel: give the address of each of its videos")
        return super().process_ie_result(ie_result, *more, **named)

    def sort_formats(self, info_dict: dict[str, Any]) -> None:
        with sorting:  # what an extractor wants them sorted by, yt-dlp keeps in a class
            super().sort_formats(info_dict)

    def check(self, info: dict[str, Any], *, incomplete: object = False) -> None:
        """yt-dlp's `match_filter`: raises ItemError live or too_long before a format is chosen."""
        if info.get("live_status") in LIVE or info.get("is_live"):
            raise ItemError("live", f"the site says: {info.get('live_status') or 'is_live'}")
        if self.wanted.span is None:
            self.check_length(info.get("duration") or 0)

    def check_length(self, length_s: float) -> None:
        if length_s > (most_s := self.wanted.limits.max_s):
            raise ItemError("too_long", f"{length_s:.0f} s are more than limits.max_s={most_s:.0f}")

    def told(self, error: BaseException) -> ItemError | RefusedError:
        """The error to raise for one of yt-dlp's, without secrets."""
        found = failure(error, media=self.at_media, redacted=self.line.redacted)
        if self.cookies_expired and found.code in ("private", "members_only", "age_restricted", "bot_check"):
            return RefusedError("bot_check", f"{found.detail} (the cookies have expired: export access.cookies anew)")
        return found

    def trouble(self, message: str | None = None, tb: str | None = None, is_error: bool = True) -> None:
        if is_error:
            raise DownloadError(message, sys.exc_info())
        self.error(str(message))

    def report_warning(self, message: str, only_once: bool = False) -> None:
        self.cookies_expired |= "cookies are no longer valid" in message
        self.debug(message)

    def debug(self, message: str) -> None:
        log.debug("yt-dlp: %s", self.line.redacted(message))

    warning = error = debug  # of these yt-dlp's `logger` consists

    def to_stdout(self, message: str, *_: Any, **__: Any) -> None:
        self.debug(message)
