"""Pictures of key frames out of the table in which `analyze` keeps them."""

from collections.abc import Collection
from pathlib import Path

import polars as pl


def read_jpegs(file: str | Path, rows: Collection[int]) -> dict[int, bytes | None]:
    """The column `jpeg` of these rows of a Parquet file, by their numbers.

    One look at the file for all between the first and the last row, since its pages hold many pictures.
    """
    if not rows:
        return {}
    first = min(rows)
    table = pl.scan_parquet(file, glob=False, hive_partitioning=False).select("jpeg")
    jpegs = table.slice(first, max(rows) - first + 1).collect().to_series()
    return {row: jpegs[row - first] for row in rows}
