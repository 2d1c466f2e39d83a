"""A chunk's tables out of the files that its attempts flushed: every item once, in the order of the input.

A chunk's pictures may be more than memory holds: a table is put together a batch after another.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import polars as pl

from slurm.errors import ReelmillError
from slurm.files import streamed

ITEM = "_item"  # in flushed files: the key of the item that a row belongs to
BATCH_BYTES = 1 << 25  # of files; unpacked, sorted and on its way to the disk it takes up to four times as much


class LostRowsError(ReelmillError):
    """The rows of a chunk do not account for its items: a defect of the stage or of Reelmill."""


class Flushed(NamedTuple):
    """A table in one file; each row has its item in the column ITEM. `path` is None where the file lacks the table."""

    path: Path | None
    rows: pl.LazyFrame

    @property
    def n_bytes(self) -> int:
        return self.path.stat().st_size if self.path else 0


def owners(main: Sequence[Flushed], items: pl.Series, of: str) -> pl.DataFrame:
    """For each item its place in the input (`_order`) and the first file of the main table that has it (`_file`).

    Raises LostRowsError unless every item has a row, and every row an item.
    """
    order = pl.DataFrame({ITEM: items}, schema={ITEM: pl.String()}).with_row_index("_order")
    owner = located(main).group_by(ITEM).agg(pl.col("_file").min())
    lost, foreign = order.join(owner, on=ITEM, how="anti")[ITEM], owner.join(order, on=ITEM, how="anti")[ITEM]
    if len(lost) or len(foreign):
        raise LostRowsError(
            f"{of}: {len(lost)} items without a row (e.g. {min(lost, default=None)}), "
            f"{len(foreign)} rows of no item (e.g. {min(foreign, default=None)})"
        )
    return order.join(owner, on=ITEM)


def merged(files: Sequence[Flushed], owner: pl.DataFrame, schema: dict[str, pl.DataType]) -> pl.LazyFrame:
    """A table over all its files: of each item the rows in the file that owns it, in the order of the items."""
    return streamed(lambda: (batch.select(list(schema)) for batch in batches(files, owner)), schema)


def batches(files: Sequence[Flushed], owner: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """The rows that `merged` tells of, in frames of equal height, each of which takes BATCH_BYTES of the files."""
    where = located(files).join(owner, on=[ITEM, "_file"]).sort("_order", "_row").select("_file", "_row")
    count = max(1, -(-sum(file.n_bytes for file in files) // BATCH_BYTES))
    size = max(1, -(-len(where) // count))
    for start in range(0, len(where), size):
        yield gathered(files, where[start : start + size])


def located(files: Sequence[Flushed]) -> pl.DataFrame:
    """ITEM of every row, with the number of its file (`_file`) and its place there (`_row`)."""
    found = [pl.LazyFrame(schema={ITEM: pl.String()}), *(file.rows.select(ITEM) for file in files)]
    return pl.concat(
        [rows.with_row_index("_row").with_columns(_file=pl.lit(n - 1)).collect() for n, rows in enumerate(found)]
    )


def gathered(files: Sequence[Flushed], where: pl.DataFrame) -> pl.DataFrame:
    """The rows at these places, in this order; of a file no more is read than lies between the first and the last."""
    parts: list[pl.DataFrame] = []
    for places in where.with_row_index("_place").partition_by("_file"):
        rows = places["_row"].to_numpy()
        first, last = int(rows.min()), int(rows.max())
        part = files[places["_file"][0]].rows.slice(first, last - first + 1).collect()
        parts.append(part[rows - first].with_columns(places["_place"]))
    return pl.concat(parts).sort("_place")
