"""Counts of categories, and where a language model and the embeddings disagree."""

from typing import NamedTuple

import polars as pl

from slurm.pool.config import UNTRAINED
from slurm.record.manifest import Step

MOST = 20  # categories and disagreements shown
TILES = 60  # categories of the treemap


class Categories(NamedTuple):
    """Categories of a step. `counts`: category, rows; `disagreements`: model, embedding, rows; most frequent first."""

    step: Step
    rows: int
    counts: pl.DataFrame
    tiles: list[tuple[str, str, int]]  # group (or ""), category, rows: the most frequent ones
    distinct: int  # categories that occur
    compared: int  # rows categorized by the model for which embeddings exist too
    agreed: int  # of these, rows in which both agree …
    among_nearest: int  # … or whose category is among the nearest
    disagreements: pl.DataFrame


def count_categories(step: Step) -> Categories | None:
    """The categories of a step; None if it does not categorize."""
    gives = step.plan.gives.keys()
    rows = step.scan() if {"category", "category_by", "nearest"} <= gives else None
    if rows is None:
        return None
    by_model, by_embedding = pl.col("category"), pl.col("nearest").list.first()
    good = rows.filter(pl.col("error").is_null())
    both = good.filter(pl.col("category_by") == "generate", pl.col("nearest").is_not_null())
    path = pl.col("category_path").list.first() if "category_path" in gives else pl.lit(None, pl.String)
    by_group = good.group_by("category", group=path).len("rows").collect(engine="streaming")
    by_category = by_group.group_by("category").agg(pl.col("rows").sum())
    counts = by_category.sort(["rows", "category"], descending=[True, False])
    tiles = by_group.sort("rows", "category", "group", descending=[True, False, False]).head(TILES)
    pairs = both.group_by(model=by_model, embedding=by_embedding, among=pl.col("nearest").list.contains(by_model))
    compared = pairs.len("rows").collect(engine="streaming")
    unlike = compared.filter(pl.col("model") != pl.col("embedding")).group_by("model", "embedding")
    disagreements = unlike.agg(pl.col("rows").sum())
    return Categories(
        step,
        int(counts["rows"].sum()),
        counts.head(MOST),
        [(group or "", category or "–", number) for category, group, number in tiles.iter_rows()],
        len(counts),
        int(compared["rows"].sum()),
        int(compared.filter(pl.col("model") == pl.col("embedding"))["rows"].sum()),
        int(compared.filter("among")["rows"].sum()),
        disagreements.sort(["rows", "model", "embedding"], descending=[True, False, False]).head(MOST),
    )


def count_untrained(step: Step) -> int:
    """The number of the step's rows made by a model with random weights, the fallback without a real one."""
    rows = step.scan()
    models = [column for column in step.plan.gives if column.endswith("_model")]
    if rows is None or not models:
        return 0
    counted = rows.select(pl.any_horizontal(pl.col(models) == UNTRAINED).sum())
    return int(counted.collect(engine="streaming").item())
