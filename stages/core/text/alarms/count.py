"""On how many rows of a table each text stands, as columns of it."""

from collections.abc import Sequence

import polars as pl

from stages.core.text.alarms.fold import folded

SEED = 1
SUFFIX = "_rows"


def count_texts(table: pl.LazyFrame, columns: Sequence[str]) -> pl.LazyFrame:
    """The table with `<column>_rows`: the rows with a text that is equal after folding, its own row included.

    Null for a row without a text. The texts are read here once, and never held; the table stays lazy.
    """
    found = table.select(hashed(column).alias(column) for column in columns).collect(engine="streaming")
    for column in columns:
        name = f"{column}{SUFFIX}"
        often = found.group_by(column).len(name).filter(pl.col(name) > 1, pl.col(column).is_not_null())
        joined = table.with_columns(same=hashed(column)).join(
            often.lazy(), left_on="same", right_on=column, how="left", maintain_order="left"
        )
        rows = pl.when(pl.col("same").is_not_null()).then(pl.col(name).fill_null(1).cast(pl.Int64))
        table = joined.with_columns(rows.alias(name)).drop("same")
    return table


def hashed(column: str) -> pl.Expr:
    words = folded(pl.col(column))
    return pl.when(words.is_not_null()).then(words.hash(SEED))
