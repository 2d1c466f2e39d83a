"""Parses WebVTT into timed text, each word once: https://www.w3.org/TR/webvtt1/ and the dialects of sites.

YouTube's automatic captions roll: a line appears word by word with times, stays for 10 ms alone, and is repeated above
the next line. Nothing here raises: of a malformed file the readable part is returned, which may be empty.
"""

import re
from html import unescape
from itertools import pairwise
from math import ceil
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

from stages.core.fetch.settings import Subtitles

CLOCK = r"(?:(\d+):)?(\d{1,2}):(\d{2})[.,](\d{1,3})"
TIMING = re.compile(rf"\s*{CLOCK}\s*-->\s*{CLOCK}")
WORD_TIME = re.compile(r"<[\d:.]+>")
RUBY = re.compile(r"<rt>.*?(</rt>|$)", re.S)  # ruby annotations: the pronunciation of the word before, not another word
TAG = re.compile(r"</?[A-Za-z][^<>]*>|<[\d:.]+>|</?>")
INVISIBLE = str.maketrans("", "", "\u200b\u200e\u200f\u2060\ufeff")
NO_CUE = ("WEBVTT", "NOTE", "STYLE", "REGION")

SOUND = re.compile(r"\[[^\[\]]*\]")  # [Music]
# Scripts without spaces between words → their mean number of characters per word.
UNSPACED = {
    r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003134f]": 2,  # kana, Han
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]": 4,  # Thai, Lao, Burmese, Khmer
}


class Segment(NamedTuple):
    start_s: float
    end_s: float
    text: str


class Cue(NamedTuple):
    """`lines` as displayed; an empty string is an empty row."""

    start_s: float
    end_s: float
    lines: list[str]


def parse_segments(vtt: str) -> list[Segment]:
    """The timed text, sorted by start; empty if nothing can be read."""
    shown = sorted(parse_cues(vtt), key=lambda cue: cue.start_s)
    rolling = WORD_TIME.search(vtt) is not None or is_rolling(shown)
    result: list[Segment] = []
    before: list[str] = []
    for cue in shown:
        new = cue.lines[count_repeated_lines(before, cue.lines) :] if rolling else cue.lines
        before = cue.lines
        text = " ".join(filter(None, new))
        if not text or (result and result[-1] == (cue.start_s, cue.end_s, text)):
            continue
        if rolling and result and result[-1].end_s > cue.start_s:
            result[-1] = result[-1]._replace(end_s=cue.start_s)
        result.append(Segment(cue.start_s, cue.end_s, text))
    return result


def parse_cues(vtt: str) -> list[Cue]:
    """The cues of a file in its order; everything else in it is skipped."""
    result: list[Cue] = []
    for block in re.split(r"\n{2,}", vtt.lstrip("\ufeff").replace("\r\n", "\n").replace("\r", "\n")):
        lines = block.strip("\n").split("\n")
        timed = [number for number, line in enumerate(lines) if TIMING.match(line)]
        if not timed and result and not any(result[-1].lines) and not lines[0].startswith(NO_CUE):
            result[-1].lines.extend(map(clean_line, lines))  # the blank line is the cue's empty first row
        for number, following in pairwise([*timed, len(lines)]):
            clock = TIMING.match(lines[number])
            assert clock is not None
            start_s, end_s = clock_to_s(clock.groups()[:4]), clock_to_s(clock.groups()[4:])
            text = RUBY.sub("", "\n".join(lines[number + 1 : following]))
            result.append(Cue(start_s, max(start_s, end_s), [clean_line(line) for line in text.split("\n")]))
    return result


def count_repeated_lines(before: list[str], lines: list[str]) -> int:
    """The number of leading lines that repeat the last lines of the cue before."""
    while before and not before[-1]:
        before = before[:-1]
    return next((n for n in range(min(len(before), len(lines)), 0, -1) if before[-n:] == lines[:n]), 0)


def is_rolling(shown: list[Cue]) -> bool:
    """Whether captions without word times roll nevertheless, as those of television do: most cues repeat lines."""
    pairs = list(pairwise(shown))
    return len(pairs) > 2 and sum(count_repeated_lines(one.lines, two.lines) > 0 for one, two in pairs) * 2 > len(pairs)


def clean_line(line: str) -> str:
    """The line without tags and invisible characters, with entities decoded and spaces collapsed."""
    return " ".join(unescape(TAG.sub("", line)).translate(INVISIBLE).split())


def clock_to_s(clock: tuple[str | None, ...]) -> float:
    hours, minutes, whole, part = clock
    return float(f"{int(hours or 0) * 3600 + int(minutes or 0) * 60 + int(whole or 0)}.{part}")


def choose_tracks(info: dict[str, Any], settings: Subtitles) -> list[tuple[str, str, dict[str, Any]]]:
    """Language, kind and yt-dlp's entry of the WebVTT tracks that fit, best first.

    Manual ones before automatic ones; in each group in the order of the configured languages, then tracks whose name
    begins with one (en-CA, or YouTube's en-j3PyPqV-e1s). Machine translations are skipped: they are not what was said.
    """
    result = []
    for kind, key in [("manual", "subtitles"), ("automatic", "automatic_captions")][: 1 + settings.automatic]:
        offered = info.get(key) or {}
        named = [language for language in settings.languages if language in offered]
        related = [name for language in settings.languages for name in offered if name.startswith(f"{language}-")]
        for language in dict.fromkeys([*named, *related]):
            for track in offered[language]:
                if track.get("ext") == "vtt" and "tlang" not in parse_qs(urlsplit(track.get("url") or "").query):
                    result.append((language, kind, track))
                    break
    return result


def join_text(segments: list[Segment]) -> str | None:
    """The segments' text on one line; None without any."""
    return " ".join(segment.text for segment in segments) or None


def count_words(text: str) -> int:
    """The number of space-separated words that contain a letter or digit, without [sounds].

    Two characters of Han or kana count as one word, and four of Thai, Lao, Burmese or Khmer.
    """
    spoken, count = SOUND.sub(" ", text), 0
    for script, length in UNSPACED.items():
        count += ceil(len(re.findall(script, spoken)) / length)
        spoken = re.sub(script, " ", spoken)
    return count + sum(any(map(str.isalnum, word)) for word in spoken.split())
