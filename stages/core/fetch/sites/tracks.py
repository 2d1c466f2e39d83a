"""Chooses the subtitle tracks of a video: by language as BCP 47 does (RFC 4647, basic filtering), and by format."""

from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

from yt_dlp.utils import ISO639Utils

from stages.core.fetch.settings import Subtitles

FORMATS = ("vtt", "srt", "ttml", "dfxp", "tt", "json3")  # most preferred first; each is read in its own way
KINDS = (("manual", "subtitles"), ("automatic", "automatic_captions"))
MOST_TOLD = 12  # languages in a note


class Track(NamedTuple):
    """A track by its language as the site names it, its kind and yt-dlp's entry of it."""

    language: str
    kind: str
    entry: dict[str, Any]


def choose_tracks(info: dict[str, Any], settings: Subtitles) -> list[Track]:
    """The tracks that fit, best first.

    Manual ones before automatic ones; in each group in the order of the configured languages, then tracks of a region
    or variant of one (en-CA, or YouTube's en-j3PyPqV-e1s). Machine translations are not what was said: skipped.
    """
    result = []
    for kind, key in KINDS[: 1 + settings.automatic]:
        offered = entries(info, key)
        ranges = [normalize(language) for language in settings.languages]
        exact = [name for wanted in ranges for name in offered if normalize(name) == wanted]
        related = [name for wanted in ranges for name in offered if normalize(name).startswith(f"{wanted}-")]
        for name in dict.fromkeys([*exact, *related]):
            result += [Track(name, kind, entry) for entry in readable(offered[name])][:1]
    return result


def note_passed_over(info: dict[str, Any], settings: Subtitles) -> str | None:
    """Which tracks the site has that are not among those chosen, and why; None where there are none."""
    if not settings.languages:
        return None
    chosen = {(track.kind, track.language) for track in choose_tracks(info, settings)}
    told = [
        f"{kind} {name} ({', '.join(sorted({str(entry.get('ext')) for entry in tracks}))})"
        for kind, key in KINDS
        for name, tracks in entries(info, key).items()
        if (kind, name) not in chosen and not (kind == "automatic" and all(map(is_translated, tracks)))
    ]
    more = f" and {len(told) - MOST_TOLD} more" if len(told) > MOST_TOLD else ""
    return f"subtitles passed over: {', '.join(told[:MOST_TOLD])}{more}" if told else None


def entries(info: dict[str, Any], key: str) -> dict[str, list[dict[str, Any]]]:
    offered = info.get(key)
    return {str(name): tracks for name, tracks in offered.items() if tracks} if isinstance(offered, dict) else {}


def readable(tracks: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The entries of a language in a format that is read, most preferred first."""
    for ext in FORMATS:
        yield from (one for one in tracks if str(one.get("ext")).lower() == ext and not is_translated(one))


def is_translated(entry: dict[str, Any]) -> bool:
    return "tlang" in parse_qs(urlsplit(str(entry.get("url") or "")).query)


def normalize(language: str) -> str:
    """A language tag in lower case with hyphens, of two letters where there are such: eng_US → en-us."""
    first, *others = language.strip().lower().replace("_", "-").split("-")
    return "-".join([ISO639Utils.long2short(first) or first if len(first) == 3 else first, *others])
