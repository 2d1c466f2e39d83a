"""What is wrong with a single text: a refusal, a loop, an end in the midst of a sentence."""

import re
from collections import Counter
from pathlib import Path

import polars as pl

from stages.core.text.verdict import LOOP_TIMES, LOOP_WORDS, find_loop, read_phrases

ENDED, OPEN = r"[\pP\pS]", r"[,:;(\-–—]"
SEVERAL = r"[.!?。！？]['\"”’)]?\s*\S"  # sentences: a caption of a few words need not end with a full stop
LEAST_REPEATED = LOOP_WORDS - 3  # words of a text with a loop that stand in it before


def refuses(text: pl.Expr, refusals: str) -> pl.Expr:
    """Whether a text begins with a phrase of the file `refusals`. Raises InputError."""
    phrases = [re.escape(phrase).replace("'", "['’]") for phrase in read_phrases(Path(refusals))]
    return text.str.contains(rf"(?i)^[\s\"'*_#>]*(?:{'|'.join(phrases)})") if phrases else pl.lit(False)


def breaks_off(text: pl.Expr) -> pl.Expr:
    """Whether a text of several sentences ends in the midst of one."""
    last = text.str.strip_chars_end().str.tail(1)
    return text.str.contains(SEVERAL) & (~last.str.contains(ENDED) | last.str.contains(OPEN))


def find_looping(texts: pl.DataFrame) -> pl.DataFrame:
    """The rows whose `text` (in `words` folded) goes round in circles."""
    split = pl.col("words").str.split(" ")
    suspects = texts.filter(split.list.len() >= LEAST_REPEATED + split.list.n_unique())
    found = [
        has_phrase_often(words.split(" ")) and find_loop(text) is not None
        for text, words in suspects.select("text", "words").iter_rows()
    ]
    return suspects.filter(pl.Series(found, dtype=pl.Boolean))


def has_phrase_often(words: list[str]) -> bool:
    """Whether three words in a row stand in a text as often as in one with a loop: told faster than where it is."""
    return max(Counter(zip(words, words[1:], words[2:], strict=False)).values(), default=0) >= LOOP_TIMES
