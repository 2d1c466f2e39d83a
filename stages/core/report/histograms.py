"""Histograms of the values that filter rules judge, with the limits and the counts beyond them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import inf, isfinite, nextafter
from typing import Any

import polars as pl

from slurm.record.manifest import Step

TAIL = 0.005  # share of the values at each end, the tails; beyond the bulk between them …
REACH = 0.5  # … the axis extends by at most this many widths of the bulk


@dataclass(frozen=True)
class Histogram:
    """The histogram of a rule. `bins` has columns start, end, passes, rows; the end bins include values off the axis.

    `low` and `high` are the limits of the judged value; for a rule with all/any that is the share of elements within
    the rule's own limits.
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

    @property
    def caption(self) -> str:
        """What the values are: `mean of motion`; of all or any, also what is asked of each element."""
        rule = self.rule
        said = f"{rule['reduce']} of {rule['column'] or self.name.rpartition('.')[2]}"
        said += f" per {rule['per']}" if rule.get("per") else ""
        if rule["reduce"] not in ("all", "any"):
            return said
        keys = ("min", "max", "above", "below", "equals", "in")
        asked = [f"{key} {rule[key]}" for key in keys if rule.get(key) is not None]
        return f"{said}: share of elements with {', '.join(asked) or 'a value'}"


def over_columns(rules: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The rules over columns, those in groups, too, each by its key: `motion`, `size.any.wide`."""
    for name, rule in rules.items():
        joins = next((key for key in ("any", "all") if rule.get(key)), None)
        if joins is None:
            yield above + name, rule
        else:
            yield from over_columns(rule[joins], f"{above}{name}.{joins}.")


def limits(rule: Mapping[str, Any]) -> tuple[float | None, float | None]:
    """The limits of the judged value, both inclusive; those of dates are none of a number."""
    if rule["reduce"] == "all":
        return 1.0, None
    if rule["reduce"] == "any":
        return 5e-324, None  # more than 0
    said = {key: rule.get(key) for key in ("min", "max", "above", "below")}
    known = {key: float(limit) for key, limit in said.items() if isinstance(limit, int | float)}
    low = [known["min"]] if "min" in known else []
    low += [nextafter(known["above"], inf)] if "above" in known else []
    high = [known["max"]] if "max" in known else []
    high += [nextafter(known["below"], -inf)] if "below" in known else []
    return max(low, default=None), min(high, default=None)


def make_histograms(step: Step, bins: int) -> list[Histogram]:
    """One histogram per rule of a filter step that sees numbers, in the order of its rules; none for other steps."""
    rules = dict(over_columns(step.plan.config.get("rules", {})))
    values = step.scan("values") if rules and "values" in step.plan.tables else None
    if values is None:
        return []
    judged = pl.LazyFrame(
        [(name, *limits(rule)) for name, rule in rules.items()],
        schema={"rule": pl.String(), "low": pl.Float64(), "high": pl.Float64()},
        orient="row",
    )
    names = values.collect_schema().names()  # a filter of version 1 did not write what was `failed`
    table = values.select("rule", "value", *(["failed"] if "failed" in names else [])).join(judged, on="rule")
    facts = {row["rule"]: row for row in summarize_values(table).iter_rows(named=True)}
    axes = {name: choose_axis(facts.get(name), limits(rule)) for name, rule in rules.items()}
    counted = count_bins(table, axes, bins)
    dropped = count_dropped(step)
    made = []
    for name, rule in rules.items():
        fact = facts.get(name, {"values": 0, "missing": 0, "below": 0, "above": 0})
        low, high = limits(rule)
        if not fact["values"] and (low, high) == (None, None):  # it looks at text, or dates
            continue
        numbers = {key: int(fact[key]) for key in ("values", "missing", "below", "above")}
        of_rule = counted.filter(pl.col("rule") == name).drop("rule")
        made.append(
            Histogram(
                step, name, rule, low, high, **numbers, dropped=dropped.get(name, 0), bins=of_rule, axis=axes[name]
            )
        )
    return made


def summarize_values(table: pl.LazyFrame) -> pl.DataFrame:
    """Per rule: counts, and the extremes and bulk (TAIL quantiles) of its finite values."""
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


def choose_axis(fact: Mapping[str, Any] | None, bounds: tuple[float | None, float | None]) -> tuple[float, float]:
    """Start and end of the axis: all values except far tails, and the limits unless they are far off."""
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


def count_bins(table: pl.LazyFrame, axes: Mapping[str, tuple[float, float]], bins: int) -> pl.DataFrame:
    """The number of rows per rule, bin and whether they pass."""
    ends = pl.LazyFrame(
        [(name, *ends) for name, ends in axes.items()],
        schema={"rule": pl.String(), "from": pl.Float64(), "to": pl.Float64()},
        orient="row",
    )
    value, start, width = pl.col("value"), pl.col("from"), (pl.col("to") - pl.col("from")) / bins
    place = ((value.clip(start, pl.col("to")) - start) / width).floor().clip(0, bins - 1)
    passes = (value >= pl.col("low").fill_null(-inf)) & (value <= pl.col("high").fill_null(inf))
    if "failed" in table.collect_schema():
        passes = pl.col("failed").is_null()
    return (
        table.drop_nulls("value")
        .join(ends, on="rule")
        .group_by("rule", start=start + place * width, end=start + (place + 1) * width, passes=passes)
        .agg(rows=pl.len())
        .sort("rule", "start", "passes")
        .collect()
    )


def count_dropped(step: Step) -> dict[str, int]:
    """Dropped rows by rule: `motion` for motion.min, motion.max and motion.null; `size` for the group size.any."""
    rows = step.scan()
    if rows is None:
        return {}
    rule = pl.col("drop_reason").str.replace(r"\.[^.]*$", "")
    counted = rows.drop_nulls("drop_reason").group_by(rule=rule).agg(rows=pl.len()).collect()
    return dict(counted.iter_rows())
