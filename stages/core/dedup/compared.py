"""All rows that are compared, numbered through: those of other datasets, those kept before, and the new ones."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from stages.core.dedup.moments import take_moments
from stages.core.dedup.settings import Config
from stages.core.dedup.vectors import embedder, mean_vectors
from stages.core.schema.dedup import FILES, MOMENTS, VECTORS


@dataclass(frozen=True)
class Known:
    """What is known of some rows, a table a method; empty where the method was not asked."""

    moments: pl.DataFrame  # MOMENTS
    files: pl.DataFrame  # FILES
    vectors: pl.DataFrame  # VECTORS

    def tables(self) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
        return self.moments, self.files, self.vectors

    def by_method(self) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
        """The tables in the order of METHODS."""
        return self.files, self.moments, self.vectors

    @cached_property
    def ids(self) -> pl.Series:
        """Every row once, in the order in which the tables name them."""
        return pl.concat([table["id"] for table in self.tables()]).unique(maintain_order=True)


@dataclass(frozen=True)
class Compared:
    """Rows of other datasets, rows that were kept before, and new ones, best first."""

    foreign: Known
    former: Known
    new: Known
    new_ids: pl.Series

    @property
    def foreign_rows(self) -> int:
        """How many rows are of other datasets."""
        return len(self.foreign.ids)

    @property
    def first(self) -> int:
        """The number of the first new row."""
        return self.foreign_rows + len(self.former.ids)

    @cached_property
    def ids(self) -> pl.Series:
        """The id of each row; one of another dataset may be the same as one of this run."""
        return pl.concat([self.foreign.ids, self.former.ids, self.new_ids])

    def numbered(self) -> list[tuple[pl.DataFrame, Known]]:
        """Of each part the numbers of its rows, `id` and `row`, and what is known of them."""
        parts = ((self.foreign.ids, self.foreign), (self.former.ids, self.former), (self.new_ids, self.new))
        found, begin = [], 0
        for ids, known in parts:
            found.append((pl.DataFrame({"id": ids, "row": np.arange(begin, begin + len(ids))}), known))
            begin += len(ids)
        return found


def read_former(tables: Mapping[str, pl.LazyFrame]) -> Known:
    """What is known of the rows that were kept before."""
    schemas = {"hashes": MOMENTS, "files": FILES, "vectors": VECTORS}
    return Known(
        *(
            tables[name].select(*schema).collect() if name in tables else pl.DataFrame(schema=schema)
            for name, schema in schemas.items()
        )
    )


def look_up(items: pl.DataFrame, hashes: pl.DataFrame | None, config: Config) -> Known:
    """What is known of new rows, as far as the methods ask."""
    moments, files, vectors = (pl.DataFrame(schema=schema) for schema in (MOMENTS, FILES, VECTORS))
    if hashes is not None:
        moments = take_moments(items, hashes, config.perceptual.contrast)
    if "exact" in config.methods:
        span = [pl.col(name) if name in items.columns else pl.lit(None).alias(name) for name in ("start_s", "end_s")]
        files = (
            items.select("id", "sha256", *span)
            .select(pl.col(name).cast(kind) for name, kind in FILES.items())
            .filter(pl.col("sha256").is_not_null())
        )
    if "semantic" in config.methods:
        frames = items.select("id", "embedding", "models")
        frames = frames.explode("embedding", "models") if is_nested(frames.schema["models"]) else frames
        vectors = mean_vectors(frames.select("id", "embedding", model=embedder(pl.col("models"))))
    return Known(moments, files, vectors)


def is_nested(kind: pl.DataType) -> bool:
    """Whether a column holds lists of lists: a list a frame."""
    return isinstance(kind, pl.List) and isinstance(kind.inner, pl.List)


def length_s(items: pl.DataFrame) -> NDArray[np.float64]:
    """How long each row is, in seconds; 0 where that is not known."""
    columns = set(items.columns)
    if {"start_s", "end_s"} <= columns:
        length = pl.col("end_s") - pl.col("start_s")
    else:
        length = pl.col("duration_s") if "duration_s" in columns else pl.lit(0.0)
    lengths = items.select(pl.lit(0.0), length=length.cast(pl.Float64).fill_nan(None).fill_null(0))["length"]
    return lengths.to_numpy()
