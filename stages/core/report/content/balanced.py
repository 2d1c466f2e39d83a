"""What a step that balances chose of each category, against its part of the target."""

from typing import NamedTuple

import polars as pl

from slurm.record.manifest import Step

MOST = 40  # categories shown
COLUMNS = (
    *("category", "supply_rows", "supply_hours", "share_hours", "quota_hours", "chosen_rows", "chosen_hours"),
    *("chosen_channels", "missing_hours"),
)


class Balanced(NamedTuple):
    """`rows` has COLUMNS of the categories that lack most, then of those with most hours; `total` is of all."""

    step: Step
    rows: pl.DataFrame
    total: dict[str, float]
    categories: int


def read_balanced(step: Step) -> Balanced | None:
    """What a step chose of each category, as it is after the last extension; None if it does not balance."""
    if not set(COLUMNS) <= step.plan.tables.get("categories", {}).keys():
        return None
    table = step.scan("categories")
    if table is None:
        return None
    latest = table.filter(pl.col("extension") == pl.col("extension").max()).select(COLUMNS).collect()
    order = ["missing_hours", "chosen_hours", "supply_hours", "category"]
    ordered = latest.sort(order, descending=[True, True, True, False])
    sums = latest.select(pl.exclude("category").sum()).row(0, named=True)
    sums["missing_hours"] = max(0.0, sums["share_hours"] - sums["chosen_hours"])  # others may have made up for it
    return Balanced(step, ordered.head(MOST), sums, len(latest))
