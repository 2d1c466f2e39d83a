"""The rows of CSV and JSONL files, a line at a time: a line that cannot be read costs one row, and is named.

CSV is read as Python's csv module reads it, but for a quote that is opened and never properly closed: there the csv
module takes the lines that follow for a part of the field. Here only the line of that quote is bad.
"""

import csv
import json
from collections import deque
from collections.abc import Iterable, Iterator
from typing import IO, Any, NamedTuple

from slurm.errors import ItemError

MOST_CHARS = 64 << 20  # of a line, and of a field: more than any catalogue has, little enough to be held in memory
MOST_DIGITS = 4000  # of a whole number in JSON; Python refuses a few hundred more
SKIPPED_CHARS = 1 << 20  # of a line that is too long, at a time
OPEN = "a quote is not closed"
TOO_LONG = f"longer than {MOST_CHARS:,} characters"

csv.field_size_limit(MOST_CHARS)  # of the whole process; 128 Ki before, which transcripts exceed


class Parsed(NamedTuple):
    """A row: its fields or its object, or why its line, the one with this number from 1, cannot be read."""

    line: int
    value: Any = None
    error: ItemError | None = None


def bad(line: int, why: str, code: str = "bad_line") -> Parsed:
    return Parsed(line, error=ItemError(code, f"line {line}: {why}"))


def whole_lines(stream: IO[str]) -> Iterator[str | None]:
    """The lines with their ends; None for one of more than MOST_CHARS, of which no more is held."""
    while line := stream.readline(MOST_CHARS):
        if len(line) < MOST_CHARS or line.endswith(("\n", "\r")):
            yield line
            continue
        while (rest := stream.readline(SKIPPED_CHARS)) and not rest.endswith(("\n", "\r")):
            pass
        yield None


def json_objects(stream: IO[str]) -> Iterator[Parsed]:
    """Every line that is not blank, as an object. Error codes: bad_line, bad_value (too deep)."""
    for number, line in enumerate(whole_lines(stream), 1):
        if line is None:
            yield bad(number, TOO_LONG)
        elif not line.isspace():
            yield parse_object(line, number)


def parse_object(line: str, number: int) -> Parsed:
    try:
        value = json.loads(line, parse_int=parse_whole)
    except RecursionError:
        return bad(number, "a value is nested too deep", "bad_value")
    except ValueError as error:
        return bad(number, f"not JSON: {error}")
    return Parsed(number, value) if isinstance(value, dict) else bad(number, "not an object")


def parse_whole(digits: str) -> int | str:
    return int(digits) if len(digits) <= MOST_DIGITS else digits


class CsvRows:
    """The rows of a CSV file that are not blank, the header first; `value` is a list of texts, as many as the header's
    or fewer. Error code: bad_line.

    Of a row of several lines that is not well-formed the first line is bad, and reading goes on behind it. So every
    line is read at most three times: behind a quote that is not closed, all quotes but those of one line come in pairs.
    """

    def __init__(self, stream: IO[str], separator: str) -> None:
        self.lines = whole_lines(stream)
        self.separator = separator
        self.again: deque[str | None] = deque()  # lines to be read once more
        self.taken: list[str] = []  # lines of the row that is being read
        self.width = 0  # fields of the header

    def __iter__(self) -> Iterator[Parsed]:
        reader, number = self._reader(self._feed()), 1
        while True:
            self.taken.clear()
            try:
                fields = next(reader)
                wrong = self._malformed(fields)
            except StopIteration:
                return
            except (csv.Error, LineError) as error:
                wrong = str(error)
            if wrong:
                self.again.extendleft(reversed(self.taken[1:]))
                reader = self._reader(self._feed())
                yield bad(number, wrong)
            elif fields:
                self.width = self.width or len(fields)
                yield Parsed(number, fields)
            number += 1 if wrong else len(self.taken)

    def _reader(self, lines: Iterable[str], *, strict: bool = False) -> Iterator[list[str]]:
        return csv.reader(lines, delimiter=self.separator, strict=strict)

    def _feed(self) -> Iterator[str]:
        while (line := self.again.popleft() if self.again else next(self.lines, "")) != "":
            if line is None and self.taken:
                self.again.append(None)
                raise LineError(OPEN)
            if line is None:
                raise LineError(TOO_LONG)
            self.taken.append(line)
            yield line

    def _malformed(self, fields: list[str]) -> str:
        """Why this is no row although the csv module takes it for one; "" if it is one."""
        several, torn = len(self.taken) > 1, not self.taken[-1].endswith(("\n", "\r"))
        if several or torn:
            try:
                list(self._reader(self.taken, strict=True))
            except csv.Error as error:
                if several or "unexpected end" in str(error):
                    return OPEN
        count = f"{len(fields)} fields, of {self.width} in the header" if self.width else ""
        if len(fields) > self.width or (several and len(fields) < self.width):
            return OPEN if several and count else count
        return f"torn: {count}" if torn and len(fields) < self.width else ""


class LineError(Exception):
    """A line that is not held in memory, or one before it that needs it."""
