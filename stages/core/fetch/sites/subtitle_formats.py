"""Subtitles of any format as cues: WebVTT, SRT, TTML, and YouTube's json3.

https://www.w3.org/TR/webvtt1/, https://www.w3.org/TR/ttml2/ and the dialects of sites. Nothing here raises: of a
malformed file the readable part is returned, which may be empty.
"""

import json
import re
from collections.abc import Iterator
from html import unescape
from itertools import pairwise
from typing import NamedTuple
from xml.etree import ElementTree

CLOCK = r"(?:(\d{1,4}):)?(\d{1,2}):(\d{2})[.,](\d{1,3})"
TIMING = re.compile(rf"\s*{CLOCK}\s*-->\s*{CLOCK}")
RUBY = re.compile(r"<rt>.*?(</rt>|$)", re.S)  # ruby annotations: the pronunciation of the word before, not another word
TAG = re.compile(r"</?[A-Za-z][^<>]*>|<[\d:.]+>|</?>")
OVERRIDE = re.compile(
    r"\{\\[^{}]*\}|\{[A-Za-z]:[^{}]*\}|\{/?[ibus]\}"
)  # of SubStation, MicroDVD and SubRip: {\an8}, {y:i}
BREAK = re.compile(r"\\[Nnh]")
INVISIBLE = str.maketrans("", "", "\u200b\u200e\u200f\u2060\ufeff")
NO_CUE = ("WEBVTT", "NOTE", "STYLE", "REGION")
TTML_TIME = re.compile(
    r"(?:(\d{1,4}):(\d{1,2}):(\d{1,2})(?:(\.\d{1,9})|:(\d{1,3}))?|(\d{1,12}(?:\.\d{1,9})?)(h|ms|m|s|f|t))"
)
RATES = (("f", "frameRate", 30.0), ("t", "tickRate", 1.0))  # unit, attribute, and what holds without it
ROW_END = "\0"  # which no XML holds
UNIT_S = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


class Cue(NamedTuple):
    """`lines` as displayed; an empty string is an empty row."""

    start_s: float
    end_s: float
    lines: list[str]


def parse_cues(text: str) -> list[Cue]:
    """The cues of a file in its order, whatever its format; everything else in it is skipped."""
    begin = text.lstrip("\ufeff \t\r\n")[:1]
    if begin == "{" and (cues := list(json3_cues(text))):
        return cues
    if begin == "<" and (cues := list(ttml_cues(text))):
        return cues
    return block_cues(text)


def block_cues(text: str) -> list[Cue]:
    """The cues of WebVTT or SRT."""
    result: list[Cue] = []
    for block in re.split(r"\n{2,}", text.lstrip("\ufeff").replace("\r\n", "\n").replace("\r", "\n")):
        lines = block.strip("\n").split("\n")
        timed = [number for number, line in enumerate(lines) if TIMING.match(line)]
        if not timed and result and not any(result[-1].lines) and not lines[0].startswith(NO_CUE):
            result[-1].lines.extend(map(clean_line, lines))  # the blank line is the cue's empty first row
        for number, following in pairwise([*timed, len(lines)]):
            clock = TIMING.match(lines[number])
            assert clock is not None
            start_s, end_s = clock_to_s(clock.groups()[:4]), clock_to_s(clock.groups()[4:])
            below = RUBY.sub("", "\n".join(lines[number + 1 : following]))
            result.append(Cue(start_s, max(start_s, end_s), [clean_line(line) for line in below.split("\n")]))
    return result


def clock_to_s(clock: tuple[str | None, ...]) -> float:
    hours, minutes, whole, part = clock
    return float(f"{int(hours or 0) * 3600 + int(minutes or 0) * 60 + int(whole or 0)}.{part}")


def json3_cues(text: str) -> Iterator[Cue]:
    try:
        events = json.loads(text)["events"]
        for event in events:
            words = "".join(str(part["utf8"]) for part in event.get("segs") or ())
            if words.strip():
                start_s = int(event["tStartMs"]) / 1000
                length_s = max(0, int(event.get("dDurationMs") or 0)) / 1000
                yield Cue(start_s, start_s + length_s, [clean_line(line) for line in words.strip().split("\n")])
    except (AttributeError, LookupError, OverflowError, RecursionError, TypeError, ValueError):
        return


def ttml_cues(text: str) -> Iterator[Cue]:
    if "<!" in text.replace("<!--", ""):  # no declarations: entities in them may grow without end
        return
    try:
        root = ElementTree.fromstring(re.sub(r"^\s*<\?xml[^>]*\?>", "", text.lstrip("\ufeff")))
    except (ElementTree.ParseError, RecursionError, ValueError):
        return
    rates = {name.rpartition("}")[2]: value for name, value in root.attrib.items()}
    for part in root.iter():
        if str(part.tag).rpartition("}")[2] != "p":
            continue
        start_s, end_s, length_s = (ttml_time_s(part.get(name), rates) for name in ("begin", "end", "dur"))
        if start_s is None or (end_s is None and length_s is None):
            continue
        for child in part.iter():
            if str(child.tag).rpartition("}")[2] == "br":
                child.text = ROW_END
        words = " ".join("".join(part.itertext()).split())  # line breaks of the file itself are spaces
        yield Cue(
            start_s,
            max(start_s, end_s if end_s is not None else start_s + (length_s or 0)),
            [clean_line(line) for line in words.split(ROW_END)],
        )


def ttml_time_s(value: str | None, rates: dict[str, str]) -> float | None:
    """Seconds of a TTML time expression; None for anything else."""
    match = TTML_TIME.fullmatch((value or "").strip())
    if match is None:
        return None
    hours, minutes, whole, part, frames, number, unit = match.groups()
    per_s = {name: rate_of(rates.get(attribute), default) for name, attribute, default in RATES}
    if hours is not None:
        return int(hours) * 3600 + int(minutes) * 60 + int(whole) + float(part or 0) + int(frames or 0) / per_s["f"]
    return float(number) * UNIT_S[unit] if unit in UNIT_S else float(number) / per_s[unit]


def rate_of(value: str | None, default: float) -> float:
    return float(value) if value and re.fullmatch(r"\d{1,9}", value) and int(value) else default


def clean_line(line: str) -> str:
    """The line without tags, override marks and invisible characters, with entities decoded and spaces collapsed."""
    words = BREAK.sub(" ", OVERRIDE.sub("", TAG.sub("", line)))
    return " ".join(unescape(unescape(words)).translate(INVISIBLE).split())


def decode(content: bytes) -> str:
    """The text of a file: UTF-16 if it says so, else UTF-8, in which what cannot be read is replaced."""
    coding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    return content.decode(coding, errors="replace")
