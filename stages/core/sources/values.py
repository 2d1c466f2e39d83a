"""Columns of somebody's table as those of CATALOGUE; what is empty or cannot be read is null."""

import json

import polars as pl

from stages.core.schema.types import INT, REAL, TEXT, TEXTS
from stages.core.sources.times import seconds

DAYS = ("%Y-%m-%d", "%Y%m%d", "%Y/%m/%d")


def typed(column: str, given: pl.DataType, wanted: pl.DataType) -> pl.Expr:
    """The column in another type; null where its value is none of it."""
    kinds = {TEXT: text, INT: integer, REAL: duration, TEXTS: texts, pl.Date(): day}
    return kinds[wanted](pl.col(column), given)


def is_bad(column: str, given: pl.DataType, wanted: pl.DataType) -> pl.Expr:
    """Whether there is a value, and it cannot be read."""
    there = pl.col(column).str.strip_chars() != "" if given == TEXT else pl.col(column).is_not_null()
    return (there & typed(column, given, wanted).is_null()).fill_null(False)


def text(values: pl.Expr, given: pl.DataType) -> pl.Expr:
    words = values if given == TEXT else values.cast(TEXT, strict=False)
    return pl.when(words != "").then(words)


def integer(values: pl.Expr, given: pl.DataType) -> pl.Expr:
    """Whole numbers, also as 12.0: so pandas writes them where one is missing."""
    if given.is_integer():
        return values.cast(INT, strict=False)
    number = values.str.strip_chars() if given == TEXT else values
    rough = number.cast(pl.Float64, strict=False)
    whole = pl.when(rough == rough.floor()).then(rough.cast(INT, strict=False))
    return whole if given.is_float() else pl.coalesce(number.cast(INT, strict=False), whole)


def duration(values: pl.Expr, given: pl.DataType) -> pl.Expr:
    """Seconds, from numbers or times as text."""
    if given == TEXT:
        return values.map_elements(read_time, REAL)
    number = values.cast(REAL, strict=False)
    return pl.when(number.is_finite() & (number >= 0)).then(number)


def read_time(words: str) -> float | None:
    try:
        return seconds(words)
    except ValueError:
        return None


def texts(values: pl.Expr, given: pl.DataType) -> pl.Expr:
    """Lists of text; from text with commas or a JSON list."""
    return values.map_elements(read_list, TEXTS) if given == TEXT else values.cast(TEXTS, strict=False)


def read_list(words: str) -> list[str] | None:
    if not words.lstrip().startswith("["):
        return [word.strip() for word in words.split(",") if word.strip()] or None
    try:
        return [str(word) for word in json.loads(words)]
    except json.JSONDecodeError:
        return None


def day(values: pl.Expr, given: pl.DataType) -> pl.Expr:
    """Dates; of times as well, and of 20210304 as a number."""
    if given.is_temporal():
        return values.cast(pl.Date, strict=False)
    words = values.cast(TEXT, strict=False).str.strip_chars().str.extract(r"^([0-9/-]+)(?:[T ].*)?$")
    return pl.coalesce(words.str.to_date(form, strict=False) for form in DAYS)
