"""How the numbers lie that filters judge, counted in bins, with the limits and what lies beyond them."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, isfinite, nextafter
from typing import Any

import polars as pl

from slurm.record.manifest import Step

TAIL = 0.005  # share of the values at each end that does not decide how far the axis reaches …
REACH = 0.5  # … beyond the rest, in widths of the rest


@dataclass(frozen=True)
class Histogram:
    """A rule of a filter step. `bins` has the columns start, end, passes, rows; the end bins hold what is off the axis.

    `low` and `high` are the limits of the number that was judged: of a rule with all or any that is the share of
    elements within `rule`'s own limits.
    """

    step: Step
    name: str
    rule: Mapping[str, Any]
    low: float | None
    high: float | None
    values: int
    missing: int
    below: int
    above: int
    dropped: int  # rows of which this was the first rule to fail
    bins: pl.DataFrame
    axis: tuple[float, float]


def limits(rule: Mapping[str, Any]) -> tuple[float | None, float | None]:
    """The limits of the number that is judged, both inclusive."""
    if rule["reduce"] == "all":
        return 1.0, None
    if rule["reduce"] == "any":
        return 5e-324, None  # more than nothing
    above = None if rule.get("above") is None else nextafter(rule["above"], inf)
    return max((low for low in (rule["min"], above) if low is not None), default=None), rule["max"]


def histograms(step: Step, bins: int) -> list[Histogram]:
    """One for each rule of a filter step, in its order; none for another step."""
    rules: dict[str, Mapping[str, Any]] = step.plan.config.get("rules", {})
    values = step.scan("values") if rules and "values" in step.plan.tables else None
    if values is None:
        return []
    judged = pl.LazyFrame(
        [(name, *limits(rule)) for name, rule in rules.items()],
        schema={"rule": pl.String(), "low": pl.Float64(), "high": pl.Float64()},
        orient="row",
    )
    table = values.select("rule", "value").join(judged, on="rule")
    facts = {row["rule"]: row for row in facts_of(table).iter_rows(named=True)}
    axes = {name: axis(facts.get(name), limits(rule)) for name, rule in rules.items()}
    counted = bins_of(table, axes, bins)
    dropped = dropped_by(step)
    made = []
    for name, rule in rules.items():
        fact = facts.get(name, {"values": 0, "missing": 0, "below": 0, "above": 0})
        low, high = limits(rule)
        numbers = {key: int(fact[key]) for key in ("values", "missing", "below", "above")}
        own = counted.filter(pl.col("rule") == name).drop("rule")
        made.append(
            Histogram(step, name, rule, low, high, **numbers, dropped=dropped.get(name, 0), bins=own, axis=axes[name])
        )
    return made


def facts_of(table: pl.LazyFrame) -> pl.DataFrame:
    """Counts, extremes and the ends of the bulk of each rule's finite values."""
    value = pl.col("value")
    finite = value.filter(value.is_finite())
    return (
        table.group_by("rule")
        .agg(
            values=value.count(),
            missing=value.null_count(),
            below=(value < pl.col("low")).sum(),
            above=(value > pl.col("high")).sum(),
            least=finite.min(),
            most=finite.max(),
            first=finite.quantile(TAIL, "nearest"),
            last=finite.quantile(1 - TAIL, "nearest"),
        )
        .collect()
    )


def axis(fact: Mapping[str, Any] | None, bounds: tuple[float | None, float | None]) -> tuple[float, float]:
    """From where to where the axis goes: all values but a far tail, and a limit that is not far off."""
    if fact is None or fact["least"] is None:
        known = [b for b in bounds if b is not None and isfinite(b)] or [0.0]
        return min(known) - 0.5, max(known) + 0.5
    bulk = fact["last"] - fact["first"]
    start, end = max(fact["least"], fact["first"] - REACH * bulk), min(fact["most"], fact["last"] + REACH * bulk)
    width = (end - start) or abs(start) or 1.0
    near = [b for b in bounds if b is not None and start - 2 * width <= b <= end + 2 * width]
    start, end = min(start, *near, end), max(end, *near, start)
    margin = 0.0 if end > start else width / 2
    return start - margin, end + margin


def bins_of(table: pl.LazyFrame, axes: Mapping[str, tuple[float, float]], bins: int) -> pl.DataFrame:
    """Rows in each bin of each rule, by whether they pass."""
    ends = pl.LazyFrame(
        [(name, *ends) for name, ends in axes.items()],
        schema={"rule": pl.String(), "from": pl.Float64(), "to": pl.Float64()},
        orient="row",
    )
    value, start, width = pl.col("value"), pl.col("from"), (pl.col("to") - pl.col("from")) / bins
    place = ((value.clip(start, pl.col("to")) - start) / width).floor().clip(0, bins - 1)
    passes = (value >= pl.col("low").fill_null(-float("inf"))) & (value <= pl.col("high").fill_null(float("inf")))
    return (
        table.drop_nulls("value")
        .join(ends, on="rule")
        .group_by("rule", start=start + place * width, end=start + (place + 1) * width, passes=passes)
        .agg(rows=pl.len())
        .sort("rule", "start", "passes")
        .collect()
    )


def dropped_by(step: Step) -> dict[str, int]:
    """Rows by the rule that dropped them: `motion` for motion.min, motion.max and motion.null."""
    rows = step.scan()
    if rows is None:
        return {}
    rule = pl.col("drop_reason").str.replace(r"\.[^.]*$", "")
    counted = rows.drop_nulls("drop_reason").group_by(rule=rule).agg(rows=pl.len()).collect()
    return dict(counted.iter_rows())
