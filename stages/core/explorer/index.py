"""The columns by which the page filters: numbers as they are, texts as codes; in chunks that are loaded when needed."""

from math import ceil
from pathlib import Path
from typing import Any

import polars as pl

from stages.core.explorer.chunks import column_path, pack, write_chunk
from stages.core.explorer.items import OUTCOMES
from stages.core.explorer.layout import Column, Layout

CHUNK_ROWS = 1 << 16
MOST_LABELS = 500  # a column with more values is no filter
LONGEST_LABEL = 100
SAMPLE = 20_000  # rows that a histogram counts
BINS = 24
FIRST = (
    "outcome",
    "reason",
    "category",
    "category_parent",
    "site_categories",
    "kind",
    "camera_move",
    "source",
    "language",
)


class Index:
    """Collects the columns of block after block; `tell` says what the page has to know of them."""

    def __init__(self, data: Path, layout: Layout, rows: int) -> None:
        self._data, self.rows = data, rows
        self._every = max(1, ceil(rows / SAMPLE))
        columns = [column for column in layout.columns if column.filters]
        told = [Column("outcome", "text"), Column("reason", "text"), *columns]
        judged = layout.judged()
        self._facets = {c.name: Facet() for c in sorted(told, key=lambda c: place(c.name, FIRST)) if c.kind != "number"}
        numbers = sorted((c for c in columns if c.kind == "number"), key=lambda c: place(c.name, judged))
        self._scores = {column.name: Score() for column in numbers}
        self._judged = judged
        self._waiting: list[pl.DataFrame] = []
        self._chunks = 0

    def add(self, items: pl.DataFrame) -> None:
        """Takes over the columns of a block."""
        outcome = pl.col("outcome").replace_strict(dict(enumerate(OUTCOMES)), return_dtype=pl.String)
        items = items.with_columns(outcome, pl.col("reason").str.slice(0, LONGEST_LABEL))
        coded = [pl.Series(n, facet.code(as_text(items[n]))) for n, facet in self._facets.items()]
        scores = [items[name].cast(pl.Float32) for name in self._scores]
        for score, values in zip(self._scores.values(), scores, strict=True):
            score.add(values, values.gather_every(self._every, -int(items["row"][0]) % self._every))
        self._waiting.append(pl.DataFrame([*coded, *scores]))
        if sum(map(len, self._waiting)) >= CHUNK_ROWS:
            self._flush()

    def _flush(self) -> None:
        waiting = pl.concat(self._waiting)
        while len(waiting):
            for number, name in enumerate(waiting.columns):
                write_chunk(self._data / column_path(number, self._chunks), pack(waiting[name].head(CHUNK_ROWS)))
            self._chunks += 1
            waiting = waiting.slice(CHUNK_ROWS)
        self._waiting = []

    def tell(self) -> dict[str, Any]:
        """What the page has to know: of texts the labels and how often each is, of numbers where they lie."""
        if self._waiting:
            self._flush()
        names = [*self._facets, *self._scores]
        facets = [
            {"name": n, "column": names.index(n), "labels": f.labels()}
            for n, f in self._facets.items()
            if f.tells(self.rows)
        ]
        scores = [
            {"name": n, "column": names.index(n), "judged": n in self._judged, **score.tell()}
            for n, score in self._scores.items()
            if score.least <= score.most
        ]
        return {"chunk": CHUNK_ROWS, "facets": facets, "scores": scores}


class Facet:
    """The codes of a column's texts, from 1 on in the order in which they come; 0 is none."""

    def __init__(self) -> None:
        self._codes: dict[str, int] = {}
        self._counts: dict[int, int] = {}
        self._usable = True

    def code(self, texts: pl.Series) -> pl.Series:
        if self._usable:
            for text in texts.drop_nulls().unique(maintain_order=True):
                self._codes.setdefault(text, len(self._codes) + 1)
            self._usable = len(self._codes) <= MOST_LABELS and all(len(text) <= LONGEST_LABEL for text in self._codes)
        if not self._usable:
            return pl.zeros(len(texts), dtype=pl.UInt16, eager=True)
        codes = texts.replace_strict(self._codes, default=0, return_dtype=pl.UInt16).fill_null(0)
        for code, count in codes.value_counts().iter_rows():
            self._counts[code] = self._counts.get(code, 0) + count
        return codes

    def tells(self, rows: int) -> bool:
        """Whether rows differ by it."""
        return self._usable and len(self._codes) + (sum(self._counts.values()) < rows or self._counts.get(0, 0) > 0) > 1

    def labels(self) -> list[tuple[int, str, int]]:
        """Code, text and number of rows, the most frequent first."""
        known = [(code, text, self._counts[code]) for text, code in self._codes.items()]
        return sorted(known, key=lambda label: (-label[2], label[1]))


class Score:
    """Where the numbers of a column lie."""

    def __init__(self) -> None:
        self.least, self.most = float("inf"), float("-inf")
        self._some: list[pl.Series] = []

    def add(self, values: pl.Series, some: pl.Series) -> None:
        if values.count():
            self.least = min(self.least, float(values.min()))  # type: ignore[arg-type]
            self.most = max(self.most, float(values.max()))  # type: ignore[arg-type]
        self._some.append(some.drop_nulls())

    def tell(self) -> dict[str, Any]:
        """Least, most, and a histogram over a sample of the rows."""
        some, width = pl.concat(self._some), (self.most - self.least) / BINS or 1.0
        bins = ((some.cast(pl.Float64) - self.least) / width).floor().clip(0, BINS - 1).cast(pl.Int64)
        counts = dict(bins.value_counts().iter_rows())
        return {"least": self.least, "most": self.most, "bins": [counts.get(n, 0) for n in range(BINS)]}


def as_text(values: pl.Series) -> pl.Series:
    if values.dtype == pl.Boolean:
        return values.replace_strict({True: "yes", False: "no"}, default=None, return_dtype=pl.String)
    return values.cast(pl.String)


def place(name: str, order: tuple[str, ...] | list[str]) -> int:
    return order.index(name) if name in order else len(order)
