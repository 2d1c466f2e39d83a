"""The captions of a step that fit their frames least, as `match_captions` measured it."""

from typing import NamedTuple

import polars as pl

from slurm.record.manifest import Step

SHOWN = 10
MATCH = "caption_match"


class Match(NamedTuple):
    """A row: its id, the mean cosine of its text and its frames, and the text."""

    id: str
    cosine: float
    text: str


class Matches(NamedTuple):
    """The lowest rows of a step, the column of their texts, and the number and median of all."""

    step: Step
    column: str
    lowest: list[Match]
    of: int
    median: float


def read_matches(step: Step) -> Matches | None:
    """None for a step that does not say how captions fit."""
    rows = step.scan() if MATCH in step.plan.gives else None
    if rows is None:
        return None
    key, column = step.plan.key, str(step.plan.config.get("column"))
    known = rows.select(key, MATCH).drop_nulls()
    of, median = known.select(pl.len(), pl.col(MATCH).median().alias("median")).collect().row(0)
    lowest = known.sort(MATCH, key).head(SHOWN).collect()
    giver = step.plan.columns.columns.get(column)
    texts = None if giver is None else Step(step.run, giver).scan()
    if not of or texts is None or key not in texts.collect_schema():
        return None
    found = texts.filter(pl.col(key).is_in(lowest[key].implode())).select(key, text=column).collect()
    joined = lowest.join(found, on=key, how="left", maintain_order="left")
    return Matches(step, column, [Match(*row) for row in joined.select(key, MATCH, "text").iter_rows()], of, median)
