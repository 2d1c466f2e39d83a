"""What a person is told of a selection."""

from collections.abc import Iterator

import polars as pl

from stages.core.balance.choose import TOLERANCE

MOST = 5  # categories that are named
FULL, TOO_LONG = "quota_full", "too long for what is missing"


def tell(rows: pl.DataFrame, durations_us: pl.Series, categories: pl.DataFrame, target_hours: float) -> Iterator[str]:
    """Sentences: how much was chosen; if that is less than the target, how much is missing, why and where."""
    hours, number = float(categories["chosen_hours"].sum()), int(categories["chosen_rows"].sum())
    used = categories.filter(pl.col("chosen_rows") > 0)
    yield f"{short(hours)} of {short(target_hours)} hours chosen: {number:,} rows of {len(used):,} categories"
    if relaxed := int(categories["relaxed_rows"].sum()):
        yield (
            f"{relaxed:,} of these rows had been passed over for other videos of their channels (relax=never leaves "
            f"them out)"
        )
    if hours > target_hours * (1 + TOLERANCE):
        yield f"{short(hours - target_hours)} hours are more than was asked for: so much was chosen before"
    if hours >= target_hours * (1 - TOLERANCE):
        return
    left = rows.select("drop_reason", duration_us=durations_us).drop_nulls("drop_reason")
    hours_left = pl.col("duration_us").sum() / 3.6e9
    by_reason = left.group_by("drop_reason").agg(pl.len(), hours_left.alias("hours"))
    by_reason = by_reason.sort("hours", "drop_reason", descending=[True, False])
    reasons = ", ".join(
        f"{short(of_it)} h {TOO_LONG if reason == FULL else reason} ({count:,} rows)"
        for reason, count, of_it in by_reason.iter_rows()
    )
    yield f"{short(target_hours - hours)} hours are missing; not chosen: {reasons or 'nothing, all there is was'}"
    lacking = categories.filter(pl.col("missing_hours") > 0).sort("missing_hours", "category", descending=[True, False])
    parts = lacking.head(MOST).select("category", "chosen_hours", "share_hours").iter_rows()
    named = ", ".join(f"{name} ({short(has)} of {short(share)})" for name, has, share in parts)
    if named:
        more = f" and {len(lacking) - MOST:,} more categories" if len(lacking) > MOST else ""
        yield f"hours are missing in {named}{more}; the table `categories` has all"


def short(hours: float) -> str:
    """With two decimals, and small numbers with two digits."""
    return f"{hours:,.2f}" if abs(hours) >= 1 or not hours else f"{hours:.2g}"
