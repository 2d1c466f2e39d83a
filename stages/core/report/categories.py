"""Counts of categories, and where a language model and the embeddings disagree."""

from typing import NamedTuple

import polars as pl

from slurm.pool.config import UNTRAINED
from slurm.record.manifest import Step

MOST = 20  # categories and disagreements shown


class Categories(NamedTuple):
    """Categories of a step. `counts`: category, rows; `disagreements`: model, embedding, rows; most frequent first."""

    step: Step
    rows: int
    counts: pl.DataFrame
    distinct: int  # categories that occur
    compared: int  # rows categorized by the model for which embeddings exist too
    agreed: int  # of these, rows in which both agree …
    among_nearest: int  # … or whose category is among the nearest
    disagreements: pl.DataFrame


def count_categories(step: Step) -> Categories | None:
    """The categories of a step; None if it does not categorize."""
    rows = step.scan() if {"category", "category_by", "nearest"} <= step.plan.gives.keys() else None
    if rows is None:
        return None
    by_model, by_embedding = pl.col("category"), pl.col("nearest").list.first()
    good = rows.filter(pl.col("error").is_null()).select("category", "category_by", "nearest").collect()
    both = good.filter(pl.col("category_by") == "generate", pl.col("nearest").is_not_null())
    counts = good.group_by("category").len("rows").sort(["rows", "category"], descending=[True, False])
    disagreements = both.filter(by_model != by_embedding).group_by(model=by_model, embedding=by_embedding).len("rows")
    return Categories(
        step,
        len(good),
        counts.head(MOST),
        len(counts),
        len(both),
        both.select((by_model == by_embedding).sum()).item(),
        both.select(pl.col("nearest").list.contains(by_model).sum()).item(),
        disagreements.sort(["rows", "model", "embedding"], descending=[True, False, False]).head(MOST),
    )


def count_untrained(step: Step) -> int:
    """The number of the step's rows made by a model with random weights, the fallback without a real one."""
    rows = step.scan()
    models = [column for column in step.plan.gives if column.endswith("_model")]
    if rows is None or not models:
        return 0
    return int(rows.select(pl.any_horizontal(pl.col(models) == UNTRAINED).sum()).collect().item())
