"""Subtitles as timed text, each word once.

YouTube's automatic captions roll: a line appears word by word with times, stays for 10 ms alone, and is repeated above
the next line. So do those of television, without times of words.
"""

import re
from collections.abc import Sequence
from itertools import pairwise
from math import ceil
from typing import NamedTuple

from stages.core.fetch.sites.subtitle_formats import Cue, parse_cues

WORD_TIME = re.compile(r"<[\d:.]+>")
ALONE_S = 0.05  # a rolling line stays alone for less: 10 ms
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


def parse_segments(text_of_file: str) -> list[Segment]:
    """The timed text, sorted by start; empty if nothing can be read."""
    shown = sorted(parse_cues(text_of_file), key=lambda cue: cue.start_s)
    rolling = is_rolling(shown, WORD_TIME.search(text_of_file) is not None)
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


def count_repeated_lines(before: list[str], lines: list[str]) -> int:
    """The number of leading lines that repeat the last lines of the cue before."""
    while before and not before[-1]:
        before = before[:-1]
    return next((n for n in range(min(len(before), len(lines)), 0, -1) if before[-n:] == lines[:n]), 0)


def is_rolling(shown: list[Cue], word_times: bool) -> bool:
    """Whether captions roll: cues repeat lines of the one before them and add others, or repeat them for a moment.

    What is said several times, as the lines of a song, repeats whole cues for as long as they are said.
    """
    pairs = list(pairwise(shown))
    rolled = 0
    for one, two in pairs:
        repeated = count_repeated_lines(one.lines, two.lines)
        more = any(two.lines[repeated:])
        rolled += bool(repeated and any(two.lines[:repeated]) and (more or two.end_s - two.start_s < ALONE_S))
    return rolled > 0 if word_times else len(pairs) > 2 and rolled * 2 > len(pairs)


def join_text(segments: Sequence[Segment]) -> str | None:
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
