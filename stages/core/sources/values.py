"""Casts columns of a foreign table to the types of CATALOGUE; empty and unreadable values become null."""

import json
from typing import Any

import polars as pl

from stages.core.schema.types import INT, REAL, TEXT, TEXTS
from stages.core.sources.times import parse_seconds

# How pandas, R, databases and spreadsheets write nothing; and what else stands for it where no text is meant.
NOTHING = ("", "nan", "NaN", "NAN", "NA", "N/A", "#N/A", "<NA>", "NaT", "null", "NULL", "None", r"\N")
NO_VALUE = (*NOTHING, "none", "n/a", "na", "nil", "-", "--", "?", "unknown")
DAYS = ("%Y-%m-%d", "%Y%m%d", "%Y/%m/%d")


def cast_column(column: str, source_type: pl.DataType, target_type: pl.DataType) -> pl.Expr:
    """The column cast from its type `source_type` to `target_type`; null where the value cannot be read as that, and
    where it says that there is none.
    """
    casts = {TEXT: cast_text, INT: cast_integer, REAL: cast_seconds, TEXTS: cast_texts, pl.Date(): cast_date}
    if source_type.is_nested() and not (target_type == TEXTS and is_plain_list(source_type)):
        return pl.lit(None, target_type)
    return casts[target_type](pl.when(has_value(column, source_type, target_type)).then(column), source_type)


def is_unreadable(column: str, source_type: pl.DataType, target_type: pl.DataType) -> pl.Expr:
    """Whether a cell has a value, and it cannot be read as `target_type`."""
    known = has_value(column, source_type, target_type)
    return (known & cast_column(column, source_type, target_type).is_null()).fill_null(False)


def is_plain_list(kind: pl.DataType) -> bool:
    return isinstance(kind, pl.List | pl.Array) and not kind.inner.is_nested()


def shown(column: str, source_type: pl.DataType) -> pl.Expr:
    """A value as an error tells it; of one that has parts only its type."""
    return pl.lit(str(source_type)) if source_type.is_nested() else pl.col(column).cast(TEXT, strict=False)


def has_value(column: str, source_type: pl.DataType, target_type: pl.DataType) -> pl.Expr:
    """Whether a cell has a value of any kind, and not a NaN, or a text that stands for nothing."""
    if source_type == TEXT:
        words = NOTHING if target_type in (TEXT, TEXTS) else NO_VALUE
        return ~pl.col(column).str.strip_chars().is_in(words).fill_null(True)
    known = pl.col(column).is_not_null()
    if is_plain_list(source_type):
        return known & (texts_of(pl.col(column)).list.len() > 0)
    return known & pl.col(column).is_not_nan() if source_type.is_float() else known


def as_text(value: Any) -> str | None:
    """A value out of JSON as a text to cast; half of a surrogate pair, which no table can hold, becomes a `?`."""
    words = value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return words and words.encode(errors="replace").decode()


def cast_text(values: pl.Expr, source_type: pl.DataType) -> pl.Expr:
    words = values if source_type == TEXT else values.cast(TEXT, strict=False)
    return pl.when(words != "").then(words)


def cast_integer(values: pl.Expr, source_type: pl.DataType) -> pl.Expr:
    """Integers, also written as 12.0: pandas does so in columns with missing values."""
    if source_type.is_integer():
        return values.cast(INT, strict=False)
    number = values.str.strip_chars() if source_type == TEXT else values
    rough = number.cast(pl.Float64, strict=False)
    whole = pl.when(rough == rough.floor()).then(rough.cast(INT, strict=False))
    return whole if source_type.is_float() else pl.coalesce(number.cast(INT, strict=False), whole)


def cast_seconds(values: pl.Expr, source_type: pl.DataType) -> pl.Expr:
    """Seconds ≥ 0, from numbers, lengths of time, or times as text."""
    if source_type == TEXT:
        return values.map_elements(read_time, REAL)
    if source_type in (pl.Duration, pl.Time):
        values = values.cast(pl.Duration("us")).dt.total_microseconds() / 1e6
    number = values.cast(REAL, strict=False)
    return pl.when(number.is_finite() & (number >= 0)).then(number)


def read_time(words: str) -> float | None:
    try:
        return parse_seconds(words)
    except ValueError:
        return None


def cast_texts(values: pl.Expr, source_type: pl.DataType) -> pl.Expr:
    """Lists of text; also from text that is comma-separated or a JSON list."""
    if source_type == TEXT:
        return values.map_elements(read_list, TEXTS)
    return texts_of(values)


def texts_of(lists: pl.Expr) -> pl.Expr:
    """The elements that say something."""
    return lists.cast(TEXTS, strict=False).list.filter(~pl.element().is_in(NOTHING).fill_null(True))


def read_list(words: str) -> list[str] | None:
    if not words.lstrip().startswith("["):
        return [word for part in words.split(",") if (word := part.strip()) not in NOTHING] or None
    try:
        return [text for word in json.loads(words) if (text := as_text(word)) is not None and text not in NOTHING]
    except (ValueError, RecursionError):
        return None


def cast_date(values: pl.Expr, source_type: pl.DataType) -> pl.Expr:
    """Dates; also from datetimes, and from numbers such as 20210304."""
    if source_type.is_temporal():
        return values.cast(pl.Date, strict=False)
    words = values.cast(TEXT, strict=False).str.strip_chars().str.extract(r"^([0-9/-]+)(?:[T ].*)?$")
    return pl.coalesce(words.str.to_date(form, strict=False) for form in DAYS)
