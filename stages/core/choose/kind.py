"""What values a column holds, by its polars type as a plan writes it: `List(Float32)` → numbers, one list deep."""

import math
import re
import struct
from datetime import date
from typing import Any, Literal, NamedTuple

from stages.core.choose.rule import Rule

Values = Literal["number", "integer", "flag", "text", "date", "other"]
NAMES: dict[Values, str] = {
    "number": "numbers",
    "integer": "whole numbers",
    "flag": "true or false",
    "text": "text",
    "date": "dates",
}
PACKED = {"Float32": "f", "Float16": "e"}  # letters of struct; numpy would cost the start of a task 0.08 s


class Kind(NamedTuple):
    values: Values
    depth: int  # 0: one value a row; 1: a list; 2: a list of lists, …
    type: str  # of one value

    @property
    def is_number(self) -> bool:
        """Whether limits of a number mean something to it; true and false are 1 and 0."""
        return self.values in ("number", "integer", "flag")

    @property
    def shown(self) -> str:
        """What it holds, in words."""
        return ("lists of " if self.depth else "") + NAMES.get(self.values, self.type)


def kind_of(dtype: str) -> Kind:
    """The kind of a column, by the text of its polars type."""
    depth = 0
    while match := re.fullmatch(r"List\((.*)\)", dtype):
        dtype, depth = match[1], depth + 1
    values: Values = "other"
    for pattern, found in (
        (r"Float\d+", "number"),
        (r"U?Int\d+", "integer"),
        ("Boolean", "flag"),
        ("String", "text"),
        ("Date", "date"),
    ):
        if re.fullmatch(pattern, dtype):
            values = found  # type: ignore[assignment]
    return Kind(values, depth, dtype)


def compared(rule: Rule, kind: Kind) -> Kind:
    """The kind of the values that a rule compares: of whole numbers, a mean or a ratio is a number."""
    if kind.is_number and (rule.per or (kind.depth and rule.averages)):
        return Kind("number", 0, "Float64")
    return kind._replace(depth=0)


def as_value(wanted: Any, kind: Kind) -> Any:
    """A value of a config as one of a column, in the precision of its type; None: no value of the column equals it."""
    if kind.values == "text":
        return wanted if isinstance(wanted, str) else None
    if kind.values == "flag":
        return wanted if isinstance(wanted, bool) else None
    if kind.values == "date":
        return read_date(wanted)
    if isinstance(wanted, bool | str):
        return None
    if kind.values == "integer":
        return int(wanted) if wanted == int(wanted) and abs(wanted) < 2**127 else None
    packed = PACKED.get(kind.type, "d")
    try:
        (value,) = struct.unpack(packed, struct.pack(packed, wanted))
    except OverflowError:  # beyond the largest one
        value = math.copysign(math.inf, wanted)
    return value


def read_date(text: object) -> date | None:
    try:
        return date.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
