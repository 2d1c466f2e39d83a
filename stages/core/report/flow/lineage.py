"""Joins a step with columns of the steps before it, lazily, so that a million rows are no problem.

Rows are matched by 64 bits of their ids, since a million of these take a tenth of the memory of the ids. Lengths are
added up as whole microseconds: the sum is the same in any order, so a report that is made again has the same bytes.
"""

from functools import lru_cache, partial

import polars as pl

from slurm.record.manifest import Step

MICROSECONDS = 1_000_000
OUTCOMES = {
    **{"row": pl.UInt64(), "kind": pl.String(), "reason": pl.String(), "length_us": pl.Int64(), "video": pl.UInt64()}
}


def unit(key: str) -> str:
    """The name of rows with this key: `clips` of clip_id."""
    return f"{key.removesuffix('_id')}s" if key.endswith("_id") else "rows"


def lineage(step: Step) -> list[Step]:
    """The step, then every step before it, nearest first."""
    steps = [step]
    for here in steps:  # the list grows during the loop
        known = {other.name for other in steps}
        steps += [here.other(name) for name in here.plan.inputs if name not in known]
    return steps


def steps_with_column(step: Step, column: str, key: str) -> list[Step]:
    """Of the step and those before it, those that give the column for rows with this key, nearest first."""
    return [s for s in lineage(step) if {column, key} <= s.plan.gives.keys() and s.plan.key == key]


def hashed(column: str) -> pl.Expr:
    """64 bits by which ids differ; null where there is no id."""
    return pl.when(pl.col(column).is_not_null()).then(pl.col(column).hash())


def microseconds(column: str = "duration_s") -> pl.Expr:
    """A length in whole microseconds; null where it is no number."""
    return (pl.col(column).cast(pl.Float64) * MICROSECONDS).fill_nan(None).round().cast(pl.Int64, strict=False)


def outcomes(step: Step) -> pl.LazyFrame:
    """The step's rows: `kind` (kept, dropped or failed), `reason`, `length_us`, and the hashes `row` and `video`.

    `reason` is the error code or the drop_reason; the length is that of the nearest step that knows it, else null; the
    hashes are those of the row's own id and of its video's.
    """
    rows, key, gives = step.scan(), step.plan.key, step.plan.gives
    if rows is None:
        return pl.LazyFrame(schema=OUTCOMES)
    error, drop = (pl.col(name) if name in gives else pl.lit(None, pl.String) for name in ("error", "drop_reason"))
    kind = pl.when(error.is_not_null()).then(pl.lit("failed")).when(drop.is_not_null()).then(pl.lit("dropped"))
    known = "duration_s" in gives and key in gives
    table = rows.select(
        (hashed(key) if key in gives else pl.lit(None, pl.UInt64)).alias("row"),
        kind.otherwise(pl.lit("kept")).alias("kind"),
        pl.coalesce(error, drop).alias("reason"),
        (microseconds() if known else pl.lit(None, pl.Int64)).alias("length_us"),
        (hashed("video_id") if "video_id" in gives else pl.lit(None, pl.UInt64)).alias("video"),
    )
    return with_lengths(step, table)


def with_lengths(step: Step, rows: pl.LazyFrame) -> pl.LazyFrame:
    """The rows with `length_us` filled in from the steps before this one, the nearest that knows it first."""
    for source in steps_with_column(step, "duration_s", step.plan.key):
        if source is not step:
            look_up = partial(find_lengths, read_lengths(source))
            found = pl.col("row").map_batches(look_up, pl.Int64, is_elementwise=True)
            rows = rows.with_columns(length_us=pl.coalesce("length_us", found))
    return rows


@lru_cache(maxsize=1)  # the steps that follow each other, and the points of a sweep, mostly ask the same one
def read_lengths(source: Step) -> pl.DataFrame:
    """The hash of each `row` of a step whose length is known, in their order, and the length, `us`."""
    table = source.scan()
    if table is None:
        return pl.DataFrame(schema={"row": pl.UInt64(), "us": pl.Int64()})
    known = table.select(row=hashed(source.plan.key), us=microseconds()).drop_nulls()
    return known.collect(engine="streaming").sort("row", "us")


def find_lengths(known: pl.DataFrame, rows: pl.Series) -> pl.Series:
    """The length `us` of each row, null if it is unknown; the known ones are sorted. A join takes twice the memory."""
    if known.is_empty():
        return pl.repeat(None, len(rows), dtype=pl.Int64, eager=True)
    at = known["row"].search_sorted(rows.fill_null(0), side="left").clip(0, len(known) - 1)
    return known["us"].gather(at).set(known["row"].gather(at).ne_missing(rows), None)
