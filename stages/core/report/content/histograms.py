"""Histograms of the values that filter rules judge, with the limits and the counts beyond them.

A run of a million clips has some ten million values: they are only streamed, and the tails, by which an axis is chosen,
are those of a sample of them.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import inf, isfinite, nextafter
from typing import Any

import polars as pl

from slurm.record.files import scan_parts
from slurm.record.manifest import Step

TAIL = 0.005  # share of the values at each end, the tails; beyond the bulk between them …
SAMPLED = 20_000  # values of a rule by which its tails are told, where it has more …
FILES = 16  # … from so many files, evenly spaced
SCORES = (  # columns that are worth a look though no rule judges them
    *("aesthetic", "watermark", "nsfw", "open_nsfw", "similarity", "text_area", "flow", "still", "confidence"),
    *("nearest_margin", "crop_share"),
)
REACH = 0.5  # … the axis extends by at most this many widths of the bulk


Bounds = Mapping[str, tuple[float | None, float | None]]  # rule → its lower and its upper limit


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
        if rule["reduce"] == "value":
            return "no rule judges it"
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


def judged_columns(steps: Iterable[Step]) -> set[str]:
    """The columns that rules of these steps judge, and the names of the rules, which mostly say what they judge."""
    rules = [rule for step in steps for rule in over_columns(step.plan.config.get("rules", {}))]
    return {word.rpartition(".")[2] for name, rule in rules for word in (name, rule["column"] or name)}


def make_histograms(step: Step, bins: int) -> list[Histogram]:
    """One histogram per rule of a filter step that sees numbers, in the order of its rules; none for other steps."""
    rules = dict(over_columns(step.plan.config.get("rules", {})))
    values = step.scan("values") if rules and "values" in step.plan.tables else None
    if values is None:
        return []
    files = step.files("values")
    some = scan_parts(files[:: max(1, len(files) // FILES)])
    return draw_up(step, rules, values, some, bins)


def make_unjudged(step: Step, judged: Collection[str], bins: int) -> list[Histogram]:
    """One histogram per score that a step gives and that no rule of the run judges."""
    columns = [name for name in SCORES if name in step.plan.gives and name not in judged]
    rows = step.scan() if columns else None
    if rows is None:
        return []
    good = rows.filter(pl.col("error").is_null()) if "error" in step.plan.gives else rows
    values = good.select(pl.col(columns).cast(pl.Float64)).unpivot(columns, variable_name="rule")
    rules = {name: {"reduce": "value", "column": None} for name in columns}
    made = draw_up(step, rules, values, values, bins)
    return [shown for shown in made if shown.values]  # by a scorer that was asked


def draw_up(
    step: Step,
    rules: Mapping[str, Mapping[str, Any]],
    values: pl.LazyFrame,
    some: pl.LazyFrame,
    bins: int,
) -> list[Histogram]:
    """The histograms of these values; the tails are those of `some` of them."""
    bounds = {name: limits(rule) for name, rule in rules.items()}
    tails = sample_tails(some)
    axes = {name: choose_axis(tails.get(name), bounds[name]) for name in rules}
    counted, dropped = count_values(values, axes, bounds, bins), count_dropped(step)
    made = []
    for name, rule in rules.items():
        own = counted.filter(pl.col("rule") == name)
        seen, unseen = own.filter(pl.col("start").is_not_null()), own.filter(pl.col("start").is_null())
        low, high = bounds[name]
        if seen.is_empty() and (low, high) == (None, None):  # it looks at text, or dates
            continue
        of_rule = seen.group_by("start", "end", "passes").agg(pl.col("rows").sum()).sort("start", "passes")
        made.append(
            Histogram(
                step,
                name,
                rule,
                low,
                high,
                values=int(seen["rows"].sum()),
                missing=int(unseen["rows"].sum()),
                below=int(own.filter(side=-1)["rows"].sum()),
                above=int(own.filter(side=1)["rows"].sum()),
                dropped=dropped.get(name, 0),
                bins=of_rule,
                axis=axes[name],
            )
        )
    return made


def sample_tails(table: pl.LazyFrame) -> dict[str, dict[str, Any]]:
    """Per rule the extremes and the bulk (TAIL quantiles) of its finite values, or of a sample of them."""
    both = table.select(pl.len(), rules=pl.col("rule").n_unique()).collect(engine="streaming")
    rows, rules = both.row(0)
    every = max(1, rows // (SAMPLED * max(1, rules)))
    value = pl.col("value")
    finite = table.select("rule", value=pl.when(value.is_finite()).then(value))
    if every > 1:
        finite = finite.with_row_index("n").filter(pl.col("n") % every == 0)
    ends = {"first": TAIL, "last": 1 - TAIL}
    tails = finite.group_by("rule").agg(
        least=value.min(), most=value.max(), **{name: value.quantile(at, "nearest") for name, at in ends.items()}
    )
    return {row["rule"]: row for row in tails.collect(engine="streaming").iter_rows(named=True)}


def choose_axis(fact: Mapping[str, Any] | None, bounds: tuple[float | None, float | None]) -> tuple[float, float]:
    """Start and end of the axis: all values except far tails, and the limits unless they are far off."""
    if fact is None or fact["least"] is None:
        known = [b for b in bounds if b is not None and isfinite(b)] or [0.0]
        return min(known) - 0.5, max(known) + 0.5
    first, last = fact["first"], fact["last"]
    bulk = last - first
    start, end = max(fact["least"], first - REACH * bulk), min(fact["most"], last + REACH * bulk)
    width = (end - start) or abs(start) or 1.0
    near = [b for b in bounds if b is not None and start - 2 * width <= b <= end + 2 * width]
    start, end = min(start, *near, end), max(end, *near, start)
    margin = 0.0 if end > start else width / 2
    return start - margin, end + margin


def count_values(table: pl.LazyFrame, axes: Bounds, bounds: Bounds, bins: int) -> pl.DataFrame:
    """The number of rows per rule, bin (start, end; null without a value), `passes`, and `side`: -1 below, 1 above."""
    ends = ("rule", "from", "to", "low", "high")
    schema = {"n": pl.UInt16(), **dict.fromkeys(ends, pl.Float64()), "rule": pl.String()}
    known = pl.DataFrame(
        [(n, name, *axes[name], *bounds[name]) for n, name in enumerate(axes)], schema=schema, orient="row"
    )
    value, start, end, low, high = map(pl.col, ("value", *ends[1:]))
    place = ((value.clip(start, end) - start) / ((end - start) / bins)).floor().clip(0, bins - 1)
    side = (value > high).fill_null(value=False).cast(pl.Int8) - (value < low).fill_null(value=False).cast(pl.Int8)
    passes = (value >= low.fill_null(-inf)) & (value <= high.fill_null(inf))
    if "failed" in table.collect_schema():  # a filter of version 1 did not write it
        passes = pl.col("failed").is_null()
    judged = table.join(known.lazy(), on="rule")
    placed = judged.select("n", place=place.cast(pl.Int32, strict=False), passes=passes, side=side)
    counted = placed.group_by("n", "place", "passes", "side").agg(rows=pl.len()).collect(engine="streaming")
    width = (end - start) / bins
    edges = {"start": start + pl.col("place") * width, "end": start + (pl.col("place") + 1) * width}
    return counted.join(known, on="n").select("rule", "passes", "side", "rows", **edges)


def count_dropped(step: Step) -> dict[str, int]:
    """Dropped rows by rule: `motion` for motion.min, motion.max and motion.null; `size` for the group size.any."""
    rows = step.scan() if "drop_reason" in step.plan.gives else None
    if rows is None:
        return {}
    rule = pl.col("drop_reason").str.replace(r"\.[^.]*$", "")
    counted = rows.drop_nulls("drop_reason").group_by(rule=rule).agg(rows=pl.len()).collect(engine="streaming")
    return dict(counted.iter_rows())
