"""The record of a finished chunk, and where the chunks of a step lie in its input."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any, NamedTuple


class Done(NamedTuple):
    """A finished chunk. `rows_in` counts input items; `rows_failed` of them failed, the others succeeded."""

    chunk: int
    fingerprint: str
    part: str  # name of the main table below parts/, and of each side table below tables/<step>/<table>/
    tables: list[str]  # side tables
    rows_in: int
    rows_out: int
    rows_kept: int  # of rows_out, those without error and drop_reason: what the next step reads
    rows_failed: int
    errors: dict[str, int]
    seconds: float  # of the attempt that finished
    wasted_s: float  # of attempts before it that kept no row
    cpus: int
    gpus: int
    attempt: str
    host: str
    ended: float
    source: str = ""  # what it read (`Step.source`)
    same_as: str = ""  # the edition before it, if that has the same kept rows, or was the same throughout
    tries: int = 1  # times that this input was done: rows that failed may be tried again
    counters: dict[str, float] | None = None  # of its stage's work, over all attempts (see `add_counters`)
    sizes: list[int] | None = None  # of the files of its main table and its side tables, in bytes
    digest: str = ""  # of what is in these files
    warnings: dict[str, str] | None = None  # what its stage warns of: a name and a line each

    @property
    def edition(self) -> str:
        """Another one whenever the kept rows are others: what reads them is done again then."""
        return self.same_as or self.part


_fields = itemgetter(*Done._fields)


def from_record(record: Mapping[str, Any]) -> Done:
    """A done record as read from its file; fields that this version does not know are left out."""
    try:
        return Done._make(_fields(record))
    except KeyError:  # it was written before the last of the fields were there
        return Done(**{name: record[name] for name in Done._fields if name in record})


class Borders(NamedTuple):
    """Where the chunks of a layout lie in its input."""

    borders: list[int]  # one more than chunks: numbers of the input's kept rows, counted from the layout's first one
    offsets: list[int]  # number of those rows before each chunk of the input, and their total
    stamp: str = ""  # of the input's chunks
    editions: Sequence[str] = ()  # of the input's chunks, one each


class Costs(NamedTuple):
    """What the chunks of a layout cost by the column by which they were balanced; tasks need not read it."""

    costs: list[float]


def make_stamp(editions: Iterable[str]) -> str:
    """16 hex digits that differ whenever one of these editions does."""
    return hashlib.sha256("\n".join(editions).encode()).hexdigest()[:16]


def add_counters(*counters: Mapping[str, float] | None) -> dict[str, float]:
    """The sum of each counter; of one with `most_` in its name, the largest value."""
    total: dict[str, float] = {}
    for one in counters:
        for name, value in (one or {}).items():
            before = total.get(name, 0)
            total[name] = max(before, value) if "most_" in name else before + value
    return total
