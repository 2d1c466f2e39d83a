"""WebVTT into timed text, every word once: https://www.w3.org/TR/webvtt1/, and what sites make of it.

YouTube's automatic captions roll: a line comes with the times of its words, stays for 10 ms alone, and stands above the
next line once more. Nothing here raises: what can be read of a bad file is read, and of nothing comes nothing.
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
READING = re.compile(r"<rt>.*?(</rt>|$)", re.S)  # how the ruby beside it is spoken: the same word again
TAG = re.compile(r"</?[A-Za-z][^<>]*>|<[\d:.]+>|</?>")
UNSEEN = str.maketrans("", "", "\u200b\u200e\u200f\u2060\ufeff")
NO_CUE = ("WEBVTT", "NOTE", "STYLE", "REGION")

SOUND = re.compile(r"\[[^\]]*\]")  # [Music]
# Scripts that put no spaces between words, and about how many characters a word of theirs has.
UNSPACED = {
    r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003134f]": 2,  # kana, Han
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]": 4,  # Thai, Lao, Burmese, Khmer
}


class Segment(NamedTuple):
    start_s: float
    end_s: float
    text: str


class Cue(NamedTuple):
    """`lines` as they stand on the screen: an empty one is an empty row."""

    start_s: float
    end_s: float
    lines: list[str]


def segments(vtt: str) -> list[Segment]:
    """The text with its times, in their order; empty where nothing can be read."""
    shown = sorted(cues(vtt), key=lambda cue: cue.start_s)
    rolling = WORD_TIME.search(vtt) is not None or mostly_repeated(shown)
    found: list[Segment] = []
    before: list[str] = []
    for cue in shown:
        new = cue.lines[repeated(before, cue.lines) :] if rolling else cue.lines
        before = cue.lines
        text = " ".join(filter(None, new))
        if not text or (found and found[-1] == (cue.start_s, cue.end_s, text)):
            continue
        if rolling and found and found[-1].end_s > cue.start_s:
            found[-1] = found[-1]._replace(end_s=cue.start_s)
        found.append(Segment(cue.start_s, cue.end_s, text))
    return found


def cues(vtt: str) -> list[Cue]:
    """The cues of a file as they stand there; of what is no cue, nothing."""
    found: list[Cue] = []
    for block in re.split(r"\n{2,}", vtt.lstrip("\ufeff").replace("\r\n", "\n").replace("\r", "\n")):
        lines = block.strip("\n").split("\n")
        timed = [number for number, line in enumerate(lines) if TIMING.match(line)]
        if not timed and found and not any(found[-1].lines) and not lines[0].startswith(NO_CUE):
            found[-1].lines.extend(map(cleaned, lines))  # its empty first row has lost its space
        for number, following in pairwise([*timed, len(lines)]):
            clock = TIMING.match(lines[number])
            assert clock is not None
            start_s, end_s = seconds(clock.groups()[:4]), seconds(clock.groups()[4:])
            text = READING.sub("", "\n".join(lines[number + 1 : following]))
            found.append(Cue(start_s, max(start_s, end_s), [cleaned(line) for line in text.split("\n")]))
    return found


def repeated(before: list[str], lines: list[str]) -> int:
    """How many of the first lines are the last ones of the cue before, still on the screen."""
    while before and not before[-1]:
        before = before[:-1]
    return next((n for n in range(min(len(before), len(lines)), 0, -1) if before[-n:] == lines[:n]), 0)


def mostly_repeated(shown: list[Cue]) -> bool:
    """Whether captions without times of words roll nevertheless, as those of television do."""
    pairs = list(pairwise(shown))
    return len(pairs) > 2 and sum(repeated(one.lines, two.lines) > 0 for one, two in pairs) * 2 > len(pairs)


def cleaned(line: str) -> str:
    """A line without tags, entities and spaces that are not seen."""
    return " ".join(unescape(TAG.sub("", line)).translate(UNSEEN).split())


def seconds(clock: tuple[str | None, ...]) -> float:
    hours, minutes, whole, part = clock
    return float(f"{int(hours or 0) * 3600 + int(minutes or 0) * 60 + int(whole or 0)}.{part}")


def tracks(info: dict[str, Any], wanted: Subtitles) -> list[tuple[str, str, dict[str, Any]]]:
    """Language, kind and yt-dlp's entry of the tracks in WebVTT that are wanted, best first.

    Manual ones first, in the order of the languages; then those with a name that begins with one (en-CA, or YouTube's
    en-j3PyPqV-e1s). Machine translations are left out: they are not what was said.
    """
    found = []
    for kind, key in [("manual", "subtitles"), ("automatic", "automatic_captions")][: 1 + wanted.automatic]:
        there = info.get(key) or {}
        named = [language for language in wanted.languages if language in there]
        related = [name for language in wanted.languages for name in there if name.startswith(f"{language}-")]
        for language in dict.fromkeys([*named, *related]):
            for track in there[language]:
                if track.get("ext") == "vtt" and "tlang" not in parse_qs(urlsplit(track.get("url") or "").query):
                    found.append((language, kind, track))
                    break
    return found


def plain(told: list[Segment]) -> str | None:
    """The text in one line; None where there is none."""
    return " ".join(segment.text for segment in told) or None


def count_words(text: str) -> int:
    """Words between spaces that have a letter or digit, without [sounds].

    Han and kana count a word for two characters; Thai, Lao, Burmese and Khmer one for four.
    """
    spoken, count = SOUND.sub(" ", text), 0
    for script, length in UNSPACED.items():
        count += ceil(len(re.findall(script, spoken)) / length)
        spoken = re.sub(script, " ", spoken)
    return count + sum(any(map(str.isalnum, word)) for word in spoken.split())
