"""Classifies failures of yt-dlp: an error code of slurm/errors.py, or a host that throttles us.

Exception types and HTTP statuses decide where they can; else the wording of the message does: of yt-dlp 2026.10
(extractor/youtube/_video.py, extractor/common.py), and of sites as seen so far.
"""

import errno
import re
from collections.abc import Callable

from yt_dlp.networking.exceptions import HTTPError, TransportError
from yt_dlp.utils import ContentTooShortError, GeoRestrictedError, UserNotLive

from slurm.errors import ItemError, ReelmillError
from stages.core.fetch.throttled import ThrottledError
from stages.core.fetch.web.connections import parse_retry_after

KINDS = {GeoRestrictedError: "geo_blocked", UserNotLive: "live"}
CONNECTION_ERRORS = (TransportError, ContentTooShortError, ConnectionError, TimeoutError)
NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EFBIG}

DECISIVE_CODES = {402: "members_only", 410: "removed", 429: "rate_limited", 451: "geo_blocked"}
DEFAULT_CODES = {401: "private", 403: "private", 404: "removed"}  # unless the message says more
TRANSIENT_STATUSES = {*range(300, 400), 407, 408, 425, *range(500, 600)} - {501}  # 3xx: a redirect loop

# The order matters: messages about private videos often also say unavailable, and many ask to sign in.
PATTERNS = {
    "rate_limited": r"rate.?limit|too many requests|isn.t available, try again later",
    "bot_check": r"not a (ro)?bot|captcha|anti-bot|unusual traffic|cookies are no longer valid",
    "age_restricted": r"confirm your age|\bage.?(restrict|verif)|for some users|\bnsfw\b|sensitive content",
    "members_only": (
        r"members.only|(for|to) (this channel.s )?members|join this channel|subscription|subscribers"
        r"|premium (user|member)|requires payment|purchase|supporter.only|\bpaid\b|\bvip\b"
    ),
    "geo_blocked": r"(your|this) (country|region|location)|geo.?(restrict|block)|ip address is (blocked|unable)",
    "live": (
        r"premieres in|will (begin|start)|scheduled for|not (yet )?started|not (currently )?live|is offline"
        r"|processing this video|is processing"
    ),
    "site_failed": (
        r"needs? to be reloaded|reload the page|not available on this app|player response|precondition check"
        r"|try again|something went wrong|an? (unknown |internal )?error (has )?occurred|under maintenance"
        r"|(currently|temporarily) (not available|unavailable)|(un|not )available (right now|at (this|the) time)"
    ),
    "no_format": (
        r"requested format is not available|\bdrm\b|only images are available|ffmpeg could not be found"
        r"|\bno (\w+ )?(formats?|media|videos?)\b.*\b(found|available)"
    ),
    "disk": r"no space left|disk quota|unable to (open for writing|write data|rename file|create directory)",
    "network": (
        r"timed? ?out|connection (re|ab|was|broken)|name resolution|unable to connect|temporarily unavailable"
        r"|bytes read|data blocks|content too short|downloaded file is empty"
    ),
    "bad_stream": (
        r"fragment (\d+ not found|retries)|unsupported url scheme|urls are (explicitly )?disabled|\bm3u8\b|\bhls\b"
        r"|\b(mpd|dash|ism) (manifest|information)|error parsing|decrypt"
    ),
    "other": r"unsupported url|is not a valid url",
    "private": (
        r"\bprivate\b|password|privacy settings|embed-only|registered users|log(ged)?.?in\b|sign in|not authorized"
        r"|does not have access|--cookies"
    ),
    "removed": (
        r"removed|deleted|terminated|suspended|copyright|no longer (available|exist)|does(n.t| not) exist|unavailable"
        r"|(is not|isn.t) available|(video|content|page|post|clip|stream|media) (was )?not found"
    ),
}

MESSAGE_CHARS = 2000  # that are looked at: a site's text may be of any length, and some patterns look far ahead
UNKNOWN = "unknown"
YT_DLP_ADVICE = re.compile(  # for people who run it by hand
    r"[;.,]? *(please report this issue on|use --(cookies|list-formats)|you might want to use a vpn"
    r"|\(caused by (<?HTTP|Transport|Proxy|SSL|Certificate|Incomplete)).*",  # repeats the message
    re.I | re.S,
)
HINTS = {
    "bot_check": "export access.cookies anew, use other access.proxies, or lower pace.requests_per_s",
    "age_restricted": "access.cookies of an account may help",
    "geo_blocked": "access.proxies elsewhere may help",
}


def classify_failure(
    error: BaseException | str, *, media: bool = False, redact: Callable[[str], str] = str
) -> ItemError | ThrottledError:
    """The error to raise for one of yt-dlp, or for its message. `redact` removes secrets from a message.

    `media`: the request that failed was for the media file, after its page was read. There a 403 means that the URL has
    expired.
    """
    for cause in error_chain(error):
        if isinstance(cause, ItemError | ThrottledError):
            return cause
        if isinstance(cause, ReelmillError):
            raise cause from None
    words = str(error)[:MESSAGE_CHARS]
    words = YT_DLP_ADVICE.sub("", re.sub(r"^(ERROR:\s*)?(\[[^]]+\] (\S+: )?)?", "", words))
    code = code_of(error, words, media)
    detail = redact(". ".join(filter(None, [" ".join(words.split())[:500], HINTS.get(code)])))
    if code in ("rate_limited", "bot_check"):
        return ThrottledError(code, detail, next(filter(None, map(pause_s, error_chain(error))), None))
    return ItemError(code, detail)


def code_of(error: BaseException | str, words: str, media: bool) -> str:
    """The error code, by the chain of exceptions, the HTTP status and `words`, the cleaned message."""
    for cause in error_chain(error):
        if isinstance(cause, tuple(KINDS)):
            return next(code for kind, code in KINDS.items() if isinstance(cause, kind))
        if isinstance(cause, OSError) and (cause.errno in NO_ROOM or cause.filename is not None):
            return "disk"
    words = re.sub(r"https?://\S+", "", words)
    by_words = next((code for code, pattern in PATTERNS.items() if re.search(pattern, words, re.I)), UNKNOWN)
    status = status_of(error)
    if status is None:
        return "network" if any(isinstance(cause, CONNECTION_ERRORS) for cause in error_chain(error)) else by_words
    if status in TRANSIENT_STATUSES or (media and status in (401, 403)):
        return "network"
    return DECISIVE_CODES.get(status) or (DEFAULT_CODES.get(status, UNKNOWN) if by_words == UNKNOWN else by_words)


def status_of(error: BaseException | str) -> int | None:
    """The HTTP status behind an error, None without one; yt-dlp's downloaders may keep it only in their message."""
    answered = next((cause.status for cause in error_chain(error) if isinstance(cause, HTTPError)), None)
    named = re.search(r"HTTP Error (\d{3})", str(error)[:MESSAGE_CHARS])
    return answered or (int(named[1]) if named else None)


def pause_s(error: BaseException) -> float | None:
    """The pause that a host asked for by Retry-After, in seconds; None without one."""
    wait = error.response.headers.get("Retry-After") if isinstance(error, HTTPError) else None
    return parse_retry_after(wait) if wait else None


def error_chain(error: BaseException | str) -> list[BaseException]:
    """The error and its causes, outermost first; yt-dlp keeps causes in several attributes."""
    seen: list[BaseException] = []
    waiting: list[object] = [error]
    while waiting:
        cause = waiting.pop(0)
        if isinstance(cause, BaseException) and cause not in seen:
            seen.append(cause)
            causes = (*(getattr(cause, "exc_info", None) or ()), getattr(cause, "cause", None))
            waiting += [*causes, cause.__cause__, cause.__context__]
    return seen
