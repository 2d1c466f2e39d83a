"""Verdicts: every row, with the rule that drops it, or none. Scores are read, never computed, so a sweep costs seconds.

Reads the columns that the rules name; writes `drop_reason` for every row, and the table `values` with the number that
each rule saw. `motion.min` says that rule motion's minimum dropped the row, `motion.null` that it had no value.

    python -m stages.filter -m run=NAME 'rules.motion.min=0.1,0.5,1.0'
    python -m stages.filter run=NAME rules=speech step=speech after=download
"""

from collections.abc import Iterator
from typing import Annotated, Literal

import polars as pl
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from slurm.task.attempt import Output
from stages.core.command_line.start import main
from stages.core.runner.stage import Stage
from stages.core.runner.work import Rows
from stages.core.schema.types import REAL, TEXT

Reduction = Literal["mean", "min", "max", "first", "last", "all", "any"]
QUANTILE = r"^quantile\((0|1|0?\.\d+)\)$"  # quantile(0.9)


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Rule:
    """Limits, null is none. `reduce` makes a list one number, or asks all or any of its elements.

    A list is a column that holds one, or a column of a step with several rows an item (frames of a clip).

    `min` and `max` let their own value pass, `above` does not. `per` is a column that the number is divided by.
    """

    column: str | None
    reduce: Reduction | Annotated[str, Field(pattern=QUANTILE)]
    min: float | None
    max: float | None
    above: float | None = None
    per: str | None = None


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Config:
    rules: dict[str, Rule]


def columns(config: Config) -> list[str]:
    """The columns that the rules look at."""
    named = ((rule.column or name, rule.per) for name, rule in config.rules.items())
    return list(dict.fromkeys(column for pair in named for column in pair if column))


def value(rule: Rule, column: str, is_list: bool) -> pl.Expr:
    """The number that a rule looks at; null for an empty list.

    For `all`/`any` it is the share of elements within the limits.
    """
    if rule.reduce in ("all", "any"):
        number = (pl.element() if is_list else pl.col(column)).cast(pl.Float64).fill_nan(None)
        inside = number.is_not_null()
        inside = inside if rule.min is None else inside & (number >= rule.min).fill_null(False)
        inside = inside if rule.max is None else inside & (number <= rule.max).fill_null(False)
        inside = inside if rule.above is None else inside & (number > rule.above).fill_null(False)
        if is_list:
            return pl.col(column).list.eval(inside).list.mean()
        return pl.when(number.is_not_null()).then(inside.cast(pl.Float64))
    if is_list:
        element = pl.element().cast(pl.Float64).fill_nan(None)
        name, _, q = rule.reduce.rstrip(")").partition("(")
        reduced = element.quantile(float(q), "linear") if name == "quantile" else getattr(element, name)()
        number = pl.col(column).list.eval(reduced).list.first()
    else:
        number = pl.col(column)
    number = number.cast(pl.Float64).fill_nan(None)
    return number if rule.per is None else pl.when(pl.col(rule.per) > 0).then(number / pl.col(rule.per))


def verdict(name: str, rule: Rule, number: pl.Expr) -> pl.Expr:
    """Null if the number passes, else what it fails: `name.null`, `.min`, `.max`, `.above`, `.all` or `.any`.

    A row without what its number is divided by fails `name.<that column>`.
    """
    failures = {rule.per: (pl.col(rule.per) > 0).fill_null(False).not_()} if rule.per else {}
    failures["null"] = number.is_null()
    if rule.reduce in ("all", "any"):
        failures[rule.reduce] = number < 1.0 if rule.reduce == "all" else number <= 0.0
    else:
        failures |= {"min": number < rule.min} if rule.min is not None else {}
        failures |= {"max": number > rule.max} if rule.max is not None else {}
        failures |= {"above": number <= rule.above} if rule.above is not None else {}
    return pl.coalesce(pl.when(fails).then(pl.lit(f"{name}.{what}")) for what, fails in failures.items())


def judge(table: pl.DataFrame, keys: list[str], rules: dict[str, Rule]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The keys with `drop_reason` (the first rule that a row fails), and a row with the value of each row and rule."""
    numbers, verdicts = [], []
    for name, rule in rules.items():
        column = rule.column or name
        numbers.append(value(rule, column, isinstance(table.schema[column], pl.List)).alias(f"value:{name}"))
        verdicts.append(verdict(name, rule, pl.col(f"value:{name}")))
    judged = table.with_columns(numbers).with_columns(drop_reason=pl.coalesce(*verdicts, pl.lit(None, pl.String)))
    values = judged.select(*keys, *(pl.col(f"value:{name}").alias(name) for name in rules))
    long = values.unpivot(index=keys, variable_name="rule", value_name="value")
    return judged.select(*keys, "drop_reason"), long.cast({"value": pl.Float64})


def run(rows: Rows, config: Config) -> Iterator[Output]:
    judged, values = judge(rows.table, rows.keys, config.rules)
    yield from rows.whole({"rows": judged, "values": values})


STAGE = Stage(
    name="filter",
    kind="map",
    config=Config,
    run=run,
    gives={"drop_reason": TEXT},
    needs=columns,
    tables={"values": {"rule": TEXT, "value": REAL}},
)

if __name__ == "__main__":
    main(STAGE)
