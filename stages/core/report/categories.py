"""What videos were called: by whom, how often, and where a model and the embeddings do not agree."""

from typing import NamedTuple

import polars as pl

from slurm.pool.config import UNTRAINED
from slurm.record.manifest import Step

MOST = 20  # categories and disagreements that are shown


class Categories(NamedTuple):
    """Of a step that categorizes. `counts`: category, rows; `apart`: model, embedding, rows; both by frequency."""

    step: Step
    rows: int
    counts: pl.DataFrame
    kinds: int  # categories that occur
    asked: int  # rows that a model decided and that the embeddings judged, too
    same: int  # of these, rows of which both say the same …
    among: int  # … or whose category is among the nearest
    apart: pl.DataFrame


def categories(step: Step) -> Categories | None:
    """None of a step that does not categorize."""
    rows = step.scan() if {"category", "category_by", "nearest"} <= step.plan.gives.keys() else None
    if rows is None:
        return None
    said, first = pl.col("category"), pl.col("nearest").list.first()
    good = rows.filter(pl.col("error").is_null()).select("category", "category_by", "nearest").collect()
    both = good.filter(pl.col("category_by") == "generate", pl.col("nearest").is_not_null())
    counts = good.group_by("category").len("rows").sort(["rows", "category"], descending=[True, False])
    apart = both.filter(said != first).group_by(model=said, embedding=first).len("rows")
    return Categories(
        step,
        len(good),
        counts.head(MOST),
        len(counts),
        len(both),
        both.select((said == first).sum()).item(),
        both.select(pl.col("nearest").list.contains(said).sum()).item(),
        apart.sort(["rows", "model", "embedding"], descending=[True, False, False]).head(MOST),
    )


def untrained(step: Step) -> int:
    """How many of the step's rows a model wrote that knows nothing, taken where no real one could be had."""
    rows = step.scan()
    models = [column for column in step.plan.gives if column.endswith("_model")]
    if rows is None or not models:
        return 0
    return int(rows.select(pl.any_horizontal(pl.col(models) == UNTRAINED).sum()).collect().item())
