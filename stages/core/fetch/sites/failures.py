"""What a failure of yt-dlp means: one of the codes of slurm/errors.py, or a host that wants us to slow down.

Exception types and HTTP statuses say it where they can; else the sentences do with which yt-dlp and the sites explain
themselves (yt-dlp 2026.10, extractor/youtube/_video.py and extractor/common.py; the sites' own as they were met).
"""

import errno
import re
from collections.abc import Callable

from yt_dlp.networking.exceptions import HTTPError, RequestError
from yt_dlp.utils import ContentTooShortError, GeoRestrictedError, UserNotLive

from slurm.errors import ItemError, ReelmillError
from stages.core.fetch.refused import RefusedError
from stages.core.fetch.web.answers import seconds

KINDS = {GeoRestrictedError: "geo_blocked", UserNotLive: "live"}
LOST = (RequestError, ContentTooShortError, ConnectionError, TimeoutError)
NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EFBIG}

CLEAR = {402: "members_only", 410: "removed", 429: "rate_limited", 451: "geo_blocked"}
UNCLEAR = {401: "private", 403: "private", 404: "removed"}  # where the site does not say more
PASSING = {*range(300, 400), 407, 408, 425, *range(500, 600)} - {501}  # 3xx: sent round in circles

# In this order: what is private is often called unavailable too, and who must sign in is told so for many reasons.
WORDS = {
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
    "no_format": (
        r"requested format is not available|\bdrm\b|only images are available|ffmpeg could not be found"
        r"|\bno (\w+ )?(formats?|media|videos?)\b.*\b(found|available)"
    ),
    "disk": r"no space left|disk quota|unable to (open for writing|write data|rename file|create directory)",
    "network": (
        r"timed? ?out|connection (re|ab|was|broken)|name resolution|unable to connect|temporarily unavailable"
        r"|bytes read|data blocks|content too short|fragment \d+ not found|downloaded file is empty"
    ),
    "private": (
        r"\bprivate\b|password|privacy settings|embed-only|registered users|log(ged)?.?in\b|sign in|not authorized"
        r"|does not have access|--cookies"
    ),
    "removed": (
        r"removed|deleted|terminated|suspended|copyright|no longer (available|exist)|does(n.t| not) exist|unavailable"
        r"|(is not|isn.t) available|(video|content|page|post|clip|stream|media) (was )?not found"
    ),
}

NOT_FOR_US = re.compile(  # yt-dlp's advice to those who run it by hand
    r"[;.,]? *(please report this issue on|use --(cookies|list-formats)|you might want to use a vpn"
    r"|\(caused by (<?HTTP|Transport|Proxy|SSL|Certificate|Incomplete)).*",  # the same words again
    re.I | re.S,
)
HINTS = {
    "bot_check": "export access.cookies anew, use other access.proxies, or lower pace.requests_per_s",
    "age_restricted": "access.cookies of an account may help",
    "geo_blocked": "access.proxies elsewhere may help",
}


def failure(
    error: BaseException | str, *, media: bool = False, redacted: Callable[[str], str] = str
) -> ItemError | RefusedError:
    """The error that stands for one of yt-dlp, or for its message. `redacted` takes secrets out of a message.

    `media`: what failed is the file itself, whose page was good. A 403 means there that its address ran out.
    """
    for met in chain(error):
        if isinstance(met, ItemError | RefusedError):
            return met
        if isinstance(met, ReelmillError):
            raise met from None
    words = NOT_FOR_US.sub("", re.sub(r"^(ERROR:\s*)?(\[[^]]+\] (\S+: )?)?", "", str(error)))
    code = code_of(error, words, media)
    detail = redacted(". ".join(filter(None, [" ".join(words.split())[:500], HINTS.get(code)])))
    if code in ("rate_limited", "bot_check"):
        return RefusedError(code, detail, next(filter(None, map(pause_s, chain(error))), None))
    return ItemError(code, detail)


def code_of(error: BaseException | str, words: str, media: bool) -> str:
    """The code of a failure, by its exceptions, its HTTP status and the words that are left of its message."""
    for met in chain(error):
        if isinstance(met, tuple(KINDS)):
            return next(code for kind, code in KINDS.items() if isinstance(met, kind))
        if isinstance(met, OSError) and (met.errno in NO_ROOM or met.filename is not None):
            return "disk"
    words = re.sub(r"https?://\S+", "", words)
    said = next((code for code, pattern in WORDS.items() if re.search(pattern, words, re.I)), "other")
    status = status_of(error)
    if status is None:
        return "network" if any(isinstance(met, LOST) for met in chain(error)) else said
    if status in PASSING or (media and status in (401, 403)):
        return "network"
    return CLEAR.get(status) or (UNCLEAR.get(status, "other") if said == "other" else said)


def status_of(error: BaseException | str) -> int | None:
    """The HTTP status that an error comes from; yt-dlp's downloaders keep only its words when they give up."""
    answered = next((met.status for met in chain(error) if isinstance(met, HTTPError)), None)
    named = re.search(r"HTTP Error (\d{3})", str(error))
    return answered or (int(named[1]) if named else None)


def pause_s(error: BaseException) -> float | None:
    """The pause that a host asked for."""
    wait = error.response.headers.get("Retry-After") if isinstance(error, HTTPError) else None
    return seconds(wait) if wait else None


def chain(error: BaseException | str) -> list[BaseException]:
    """The error and what it was raised from, outermost first; yt-dlp keeps that in several places."""
    seen: list[BaseException] = []
    waiting: list[object] = [error]
    while waiting:
        met = waiting.pop(0)
        if isinstance(met, BaseException) and met not in seen:
            seen.append(met)
            kept = (*(getattr(met, "exc_info", None) or ()), getattr(met, "cause", None))
            waiting += [*kept, met.__cause__, met.__context__]
    return seen
