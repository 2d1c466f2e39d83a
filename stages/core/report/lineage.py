"""Joins a step with columns of the steps before it, lazily, so that a million rows are no problem."""

import polars as pl

from slurm.record.manifest import Step


def unit(key: str) -> str:
    """The name of rows with this key: `clips` of clip_id."""
    return f"{key.removesuffix('_id')}s" if key.endswith("_id") else "rows"


def lineage(step: Step) -> list[Step]:
    """The step, then every step before it, nearest first."""
    steps = [step]
    for here in steps:  # the list grows during the loop
        known = {other.name for other in steps}
        steps += [Step(step.run, name) for name in here.plan.inputs if name not in known]
    return steps


def steps_with_column(step: Step, column: str, key: str) -> list[Step]:
    """Of the step and those before it, those that give the column for rows with this key, nearest first."""
    return [s for s in lineage(step) if {column, key} <= s.plan.gives.keys() and s.plan.key == key]


def outcomes(step: Step) -> pl.LazyFrame:
    """The step's rows: the key as `id`, `kind` (kept, dropped or failed), `reason`, `detail`, `duration_s`.

    `reason` is the error code or the drop_reason; `duration_s` comes from the nearest step that knows it, else null.
    """
    rows, key, gives = step.scan(), step.plan.key, step.plan.gives
    schema: dict[str, pl.DataType] = {"id": pl.String(), "kind": pl.String(), "reason": pl.String()}
    if rows is None:
        return pl.LazyFrame(schema=schema | {"detail": pl.String(), "duration_s": pl.Float64()})
    error, detail, drop = (
        pl.col(name) if name in gives else pl.lit(None, pl.String) for name in ("error", "error_detail", "drop_reason")
    )
    kind = pl.when(error.is_not_null()).then(pl.lit("failed")).when(drop.is_not_null()).then(pl.lit("dropped"))
    table = rows.select(
        (pl.col(key) if key in gives else pl.lit(None, pl.String)).alias("id"),
        kind.otherwise(pl.lit("kept")).alias("kind"),
        pl.coalesce(error, drop).alias("reason"),
        detail.alias("detail"),
    )
    return with_durations(step, table)


def with_durations(step: Step, rows: pl.LazyFrame) -> pl.LazyFrame:
    """The rows with `duration_s`, joined by id from the nearest step that knows it."""
    places = steps_with_column(step, "duration_s", step.plan.key)
    for place, source in enumerate(places):
        table = source.scan()
        if table is not None:
            known = table.select(pl.col(step.plan.key).alias("id"), pl.col("duration_s").alias(f"duration_s:{place}"))
            known = known.drop_nulls().unique("id")
            rows = rows.join(known, on="id", how="left")
        else:
            rows = rows.with_columns(pl.lit(None, pl.Float64).alias(f"duration_s:{place}"))
    columns = [f"duration_s:{place}" for place in range(len(places))]
    return rows.with_columns(duration_s=pl.coalesce(*columns, pl.lit(None, pl.Float64))).drop(columns)
