"""Texts without what makes equal ones look different: case, spaces, digits, punctuation."""

import polars as pl

APOSTROPHE = "['’ʼ]"  # don't and dont are one word
NUMBER = r"\p{Nd}[\p{Nd}.,:]*"  # one thing, however it is written: 12, 1,200.5, 0:30
UNSPACED = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]"  # letters of scripts without spaces
# What is between two words, but for a single space: most are, and would take half of the time.
NO_WORD = r" *[^\pL\pM0 ][^\pL\pM0]*|  +"


def folded(text: pl.Expr) -> pl.Expr:
    """The words of a text in lower case, a space between two, each number as 0; null for a text without words.

    In scripts without spaces each letter is a word.
    """
    plain = text.str.to_lowercase().str.replace_all(APOSTROPHE, "").str.replace_all(NUMBER, "0")
    words = plain.str.replace_all(UNSPACED, " $0 ").str.replace_all(NO_WORD, " ").str.strip_chars(" ")
    return pl.when(words != "").then(words)


def opening(words: pl.Expr, count: int) -> pl.Expr:
    """The first words of a folded text; null if it has no more than these."""
    return words.str.extract(rf"^((?:[^ ]+ ){{{count - 1}}}[^ ]+) ")
