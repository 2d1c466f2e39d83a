"""A chunk's tables out of the files that its attempts flushed: every item once, in the order of the input.

A chunk's pictures may be more than memory holds: a table is put together a batch after another.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import polars as pl

from slurm.errors import ReelmillError
from slurm.record.files import scan_parts, streamed

ITEM = "_item"  # in flushed files: the key of the item that a row belongs to
NOTHING = "_nothing"  # in flushed files of the main table: true of a row that only says that its item gave none
BATCH_BYTES = 1 << 25  # of files; unpacked, sorted and on its way to the disk it takes up to four times as much
BATCH_ROWS = 1 << 20  # of a table that is packed a hundredfold


class LostRowsError(ReelmillError):
    """The rows of a chunk do not account for its items: a defect of the stage or of Reelmill."""


class Flushed(NamedTuple):
    """Files of a table; `item` names the column that has the key of each row's item."""

    paths: list[Path]
    item: str = ITEM


def owners(flushed: Flushed, old: Flushed, items: pl.Series, of: str) -> pl.DataFrame:
    """For each item its place in the input (`_order`) and the first file of the main table that has it (`_file`).

    A file in which the item is good comes before one in which it failed: a zombie may have flushed that. An old part
    may hold items that the input has no more. Raises LostRowsError unless every item has a row, and every flushed row
    an item.
    """
    order = pl.DataFrame({ITEM: items}, schema={ITEM: pl.String()}).with_row_index("_order")
    rows = located(flushed, old, failed=pl.col("error").is_not_null())
    owner = rows.group_by(ITEM).agg(pl.col("_file").sort_by("_failed", "_file").first())
    lost, other = order.join(owner, on=ITEM, how="anti"), rows.join(order, on=ITEM, how="anti")
    foreign = other.filter(pl.col("_file") < len(flushed.paths)).unique(ITEM)
    if len(lost) or len(foreign):
        raise LostRowsError(
            f"{of}: {len(lost)} items without a row (e.g. {min(lost[ITEM], default=None)}), "
            f"{len(foreign)} rows of no item (e.g. {min(foreign[ITEM], default=None)})"
        )
    return order.join(owner, on=ITEM)


def merged(flushed: Flushed, old: Flushed, owner: pl.DataFrame, schema: dict[str, pl.DataType]) -> pl.LazyFrame:
    """A table over all its files: of each item the rows in the file that owns it, in the order of the items."""
    return streamed(lambda: batches(flushed, old, owner, schema), schema)


def batches(
    flushed: Flushed, old: Flushed, owner: pl.DataFrame, schema: dict[str, pl.DataType]
) -> Iterator[pl.DataFrame]:
    """The rows that `merged` tells of, in frames of about BATCH_BYTES of the files, and no more than BATCH_ROWS."""
    where = located(flushed, old).filter(~pl.col(NOTHING)).join(owner, on=[ITEM, "_file"]).sort("_order", "_row")
    paths = [*flushed.paths, *old.paths]
    few = sum(path.stat().st_size for path in paths) <= BATCH_BYTES and len(where) <= BATCH_ROWS
    if few:  # many small files are read faster together
        whole = [scan(files, schema).select(list(schema)).collect() for files in (flushed.paths, old.paths) if files]
        yield pl.concat([pl.DataFrame(schema=schema), *whole])[where["_at"]]
        return
    cuts = [pl.col("_bytes").cum_sum() // BATCH_BYTES, pl.int_range(pl.len()) // BATCH_ROWS]
    for rows in where.select(pl.struct(*cuts).rle().struct.field("len")).to_series():
        yield gathered(paths, where[:rows], schema)
        where = where[rows:]


def located(flushed: Flushed, old: Flushed, failed: pl.Expr | None = None) -> pl.DataFrame:
    """ITEM and NOTHING of every row, its file's number (`_file`), its place there (`_row`), its share of the file
    (`_bytes`), and its place among all rows (`_at`).

    Of the main table also whether it `failed` (`_failed`).
    """
    more = {} if failed is None else {"_failed": failed}
    marks = dict.fromkeys([NOTHING, *more], pl.Boolean())
    found = [pl.DataFrame(schema={ITEM: pl.String(), "_path": pl.String(), **marks})]
    for files, item in (flushed, old):
        if files:
            lazy = scan(files)
            nothing = pl.col(NOTHING) if NOTHING in lazy.collect_schema() else pl.lit(False)
            found.append(
                lazy.select(
                    pl.col(item).alias(ITEM), "_path", nothing.fill_null(False).alias(NOTHING), **more
                ).collect()
            )
    paths = [(str(path), path.stat().st_size) for path in (*flushed.paths, *old.paths)]
    numbers = pl.DataFrame(paths, schema={"_path": pl.String(), "_size": pl.Int64()}, orient="row")
    numbers = numbers.with_row_index("_file")
    rows = pl.concat(found).with_row_index("_at").with_columns(_row=pl.int_range(pl.len()).over("_path"))
    return rows.join(numbers, on="_path").with_columns(_bytes=pl.col("_size") / pl.len().over("_path"))


def gathered(paths: Sequence[Path], where: pl.DataFrame, schema: dict[str, pl.DataType]) -> pl.DataFrame:
    """The rows at these places, in this order; of a file no more is read than lies between the first and the last."""
    parts: list[pl.DataFrame] = []
    for places in where.with_row_index("_place").partition_by("_file"):
        rows = places["_row"].to_numpy()
        first, last = int(rows.min()), int(rows.max())
        part = scan([paths[places["_file"][0]]], schema).select(list(schema)).slice(first, last - first + 1).collect()
        parts.append(part[rows - first].with_columns(places["_place"]))
    return pl.concat(parts).sort("_place").drop("_place")


def scan(paths: Sequence[Path], schema: dict[str, pl.DataType] | None = None) -> pl.LazyFrame:
    return scan_parts(paths, file_column="_path", schema=schema)
