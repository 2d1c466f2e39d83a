"""The number of each row that a threshold is compared with, as `filter` sees it: lists are reduced, NaN is null."""

import re
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from slurm.conf import CONF, load
from slurm.errors import InputError
from slurm.record.manifest import Step, steps
from stages.core.command_line.kept import beside, find_giver, gives

REDUCTIONS = ("mean", "min", "max", "first", "last", "all", "any")
QUANTILE = re.compile(r"quantile\((0|1|0?\.\d+)\)")


class Asked(NamedTuple):
    """What the command line says; None: as the step's rule has it, or a preset of conf/rules."""

    run: Path
    step: str | None
    column: str
    reduce: str | None
    keep: str | None
    threshold: float | None


class Scores(NamedTuple):
    """The rows that a step judges, and what is known of them."""

    step: Step  # a filter, or the step whose rows are looked at
    base: Step  # whose rows these are
    column: str
    reduce: str | None  # None: the column has one number a row
    keep: str  # "below" or "above" the threshold; it is kept itself
    threshold: float
    table: pl.DataFrame  # id, value (null: none), hours (null: not known), list of the values it was reduced from
    nan: int  # numbers, of lists too, that are NaN: they count as none

    @property
    def known(self) -> pl.DataFrame:
        """The rows with a value, those that are kept longest first."""
        return self.table.drop_nulls("value").sort("value", "id", descending=[self.keep == "above", False])

    def kept(self, threshold: float) -> pl.Expr:
        """Whether a row is kept at a threshold; null without a value."""
        return pl.col("value") <= threshold if self.keep == "below" else pl.col("value") >= threshold

    def nearest(self, most: int) -> pl.DataFrame:
        """Up to `most` rows on each side of the threshold, the nearest ones, by value; with `kept`."""
        far = self.known.with_columns(far=(pl.col("value") - self.threshold).abs(), kept=self.kept(self.threshold))
        sides = [far.filter(pl.col("kept") == side).sort("far", "id").head(most) for side in (True, False)]
        return pl.concat(sides).sort("value", "id").drop("far")

    def told(self) -> str:
        """How many rows have a number, in a sentence."""
        known = self.table["value"].count()
        none = len(self.table) - known
        lost = f"; {none:,} rows have no number and are in no count" if none else ""
        lost += f"; {self.nan:,} numbers are NaN and count as none" if self.nan else ""
        kept = self.table.select(self.kept(self.threshold).sum()).item()
        sign = "≤" if self.keep == "below" else "≥"
        name = f"{self.reduce} of {self.column}" if self.reduce else self.column
        return f"{name} {sign} {self.threshold:g} keeps {kept:,} of {known:,} rows of {self.base}{lost}"


def read_scores(asked: Asked) -> Scores:
    """The scores of the rows that a step judges. Raises InputError."""
    there = steps(asked.run)
    name = asked.step or ("filter" if "filter" in there else giving(asked.run, asked.column, there))
    step = Step(asked.run, name)
    judges = "drop_reason" in step.plan.gives and step.plan.kind == "map"
    base = step.input() if judges else step
    assert base is not None
    rule = find_rule(step, asked.column)
    giver = find_column(asked, step, base)
    table, is_list = read_values(giver, base, asked.column)
    reduce = asked.reduce or rule.get("reduce") or "mean"
    if reduce not in REDUCTIONS and not QUANTILE.fullmatch(reduce):
        raise InputError(f"reduce={reduce}: there are {', '.join(REDUCTIONS)} and quantile(0.9)")
    keep, threshold = asked.keep or rule.get("keep") or "above", asked.threshold
    if keep not in ("below", "above"):
        raise InputError(f"keep={keep}: rows below the threshold are kept, or those above it: keep=below, keep=above")
    values = pl.col("values").cast(pl.List(pl.Float64) if is_list else pl.Float64)
    number = table.select(reduced(reduce, keep) if is_list else values).to_series()
    nan = int(
        table.select(pl.col("values").list.explode() if is_list else "values")
        .to_series()
        .cast(pl.Float64)
        .is_nan()
        .sum()
    )
    number = number.fill_nan(None)
    if not number.count():
        raise InputError(f"column={asked.column}: none of the {len(table):,} rows of {base} has a number in it")
    threshold = rule.get("threshold") if threshold is None else threshold
    known = table.select("id", value=number, values=values if is_list else pl.lit(None, pl.List(pl.Float64)))
    durations = find_giver(base, gives("duration_s"))
    hours = pl.lit(None, pl.Float64)
    if durations is not None and durations.plan.key in table.columns:
        hours = beside(durations, "duration_s", table) / 3600  # type: ignore[assignment]
    known = known.with_columns(hours=hours)
    if threshold is None:
        threshold = float(known["value"].median() or 0.0)  # type: ignore[arg-type]
    return Scores(step, base, asked.column, reduce if is_list else None, keep, float(threshold), known, nan)


def giving(run: Path, column: str, there: list[str]) -> str:
    """The first step of a run that gives a column."""
    for name in there:
        if has(Step(run, name), column):
            return name
    raise InputError(f"column={column}: no step of {run} gives it; there are: {columns(run, there)}")


def has(step: Step, column: str) -> bool:
    table, dot, name = column.partition(".")
    return column in step.plan.gives or (bool(dot) and name in step.plan.tables.get(table, {}))


def columns(run: Path, names: list[str]) -> str:
    """The columns of numbers of these steps, in words."""
    found = []
    for name in names:
        plan = Step(run, name).plan
        numbers = [column for column, kind in plan.gives.items() if "Float" in kind or "Int" in kind]
        sides = [f"{table}.{c}" for table, of in plan.tables.items() for c, kind in of.items() if "Float" in kind]
        if numbers or sides:
            found.append(f"{name} ({', '.join([*numbers, *sides])})")
    return "; ".join(found) or "none"


def find_column(asked: Asked, step: Step, base: Step) -> Step:
    """The nearest step that gives the column for the rows of a base: one before the step, else any of the run."""
    before = find_giver(step, lambda plan: has_column(plan.gives, plan.tables, asked.column))
    if before is not None:
        return before
    for name in steps(asked.run):
        other = Step(asked.run, name)
        if has(other, asked.column) and (other.plan.key in base.plan.keys or base.plan.key in other.plan.keys):
            return other
    raise InputError(
        f"column={asked.column}: no step gives it for the rows of {base}; there are: "
        f"{columns(asked.run, [n for n in steps(asked.run) if '@' not in n])}"
    )


def has_column(main: dict[str, str], tables: dict[str, dict[str, str]], column: str) -> bool:
    table, dot, name = column.partition(".")
    return column in main or (bool(dot) and name in tables.get(table, {}))


def read_values(giver: Step, base: Step, column: str) -> tuple[pl.DataFrame, bool]:
    """The keys of each kept row of the base, its `id` and its `values`; and whether these are lists."""
    keys = [key for key in base.plan.keys if key in base.plan.gives]
    items = base.kept().select(*keys, id=base.plan.key).collect()
    side, _, name = column.partition(".")
    plain = column in giver.plan.gives
    rows = (giver.keep(found) if plain and giver.name != base.name else found) if (found := giver.scan(
        "rows" if plain else side)) is not None else None  # fmt: skip
    if rows is None:
        raise InputError(f"step {giver} has no finished chunk with {column} yet")
    source = column if plain else name
    there = rows.collect_schema()
    below = not plain or base.plan.key in giver.plan.keys[1:]
    key = next((key for key in ([base.plan.key] if below else [giver.plan.key]) if key in there), None)
    if key is None:  # of a side table by video, for clips
        key = next((key for key in base.plan.keys if key in there), None)
    if key is None or key not in items.columns:
        raise InputError(f"column={column}: {giver} gives it for each {giver.plan.key}, which {base} does not name")
    values = rows.select(key, values=source).filter(pl.col(key).is_not_null()).collect()
    if below:
        values = values.group_by(key, maintain_order=True).agg("values")
    kind = values.schema["values"]
    inner = kind.inner if isinstance(kind, pl.List) else kind
    if not (inner.is_numeric() or inner == pl.Boolean()):
        raise InputError(f"column={column}: {inner} is no number")
    found_values = items.join(values.unique(key, keep="first"), on=key, how="left", maintain_order="left")
    return found_values, isinstance(kind, pl.List)


def reduced(reduce: str, keep: str) -> pl.Expr:
    """The number of a list that a threshold is compared with; of all and any, the element that decides."""
    element = pl.element().cast(pl.Float64).fill_nan(None)
    if match := QUANTILE.fullmatch(reduce):
        made = element.quantile(float(match[1]), "linear")
    else:
        decides = {("all", "below"): "max", ("any", "below"): "min", ("all", "above"): "min", ("any", "above"): "max"}
        made = getattr(element, decides.get((reduce, keep), reduce))()
    return pl.col("values").list.eval(made).list.first()


def find_rule(step: Step, column: str) -> dict[str, Any]:
    """keep, threshold and reduce of the rule over a column: of the step, else of the presets."""
    presets = [load(file) for file in sorted((CONF / "rules").glob("*.yaml"))]
    for rules in (step.plan.config.get("rules") or {}, *presets):
        for name, rule in rules.items():
            if not isinstance(rule, dict) or (rule.get("column") or name) != column:
                continue
            for side, keys in (("below", ("max", "below")), ("above", ("min", "above"))):
                limit = next((rule[key] for key in keys if rule.get(key) is not None), None)
                if limit is not None:
                    return {"keep": side, "threshold": limit, "reduce": rule.get("reduce")}
    return {}
