"""Verdicts of random rules over random tables, against a slow reading of the rules, a value at a time."""

from collections.abc import Callable
from math import floor, isnan
from typing import Any

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from stages.core.choose.rule import Rule, quantile
from stages.core.choose.verdicts import judge

INF = float("inf")
NUMBERS = [None, float("nan"), -INF, -1.0, 0.0, 0.25, 0.5, 1.0, 2.0, INF]
LIMITS = [None, None, -1.0, 0.0, 0.25, 0.5, 1.0]
TEXTS = [None, "", "a", "b"]
REDUCTIONS = ["mean", "min", "max", "first", "last", "all", "any", "quantile(0)", "quantile(0.25)", "quantile(0.5)"]
COLUMNS = {
    "x": pl.Float64(),
    "per": pl.Float64(),
    "xs": pl.List(pl.Float64()),
    "t": pl.String(),
    "ts": pl.List(pl.String()),
}
Row = dict[str, Any]


def made(**keys: Any) -> Rule:
    """The rule; one that asks for nothing where these keys contradict each other."""
    try:
        return TypeAdapter(Rule).validate_python(keys)
    except ValueError:
        return Rule(keys["column"])


def rules_of(columns: list[str], reductions: list[str]) -> st.SearchStrategy[Rule]:
    numbers = st.builds(
        made,
        column=st.sampled_from(columns),
        reduce=st.sampled_from(reductions),
        **{name: st.sampled_from(LIMITS) for name in ("min", "max", "above", "below")},
        per=st.sampled_from([None, None, "per"]),
        on_null=st.sampled_from(["drop", "pass"]),
    )
    wanted = st.builds(
        lambda wanted, **keys: made(**{"in": wanted}, **keys),
        column=st.sampled_from(columns),
        reduce=st.sampled_from(reductions),
        wanted=st.lists(st.sampled_from([0.25, 0.5, 1, 0]), min_size=1),
        on_null=st.sampled_from(["drop", "pass"]),
    )
    return numbers | wanted


def texts_of(column: str, reductions: list[str]) -> st.SearchStrategy[Rule]:
    keys = {
        "column": st.just(column),
        "reduce": st.sampled_from(reductions),
        "on_null": st.sampled_from(["drop", "pass"]),
    }
    return st.builds(made, equals=st.sampled_from(["a", "", "c"]), **keys)


RULES = rules_of(["x", "xs"], REDUCTIONS) | texts_of("t", REDUCTIONS) | texts_of("ts", ["first", "last", "all", "any"])


def groups(members: st.SearchStrategy[Rule]) -> st.SearchStrategy[Rule]:
    several = st.dictionaries(st.sampled_from("pqr"), members, min_size=1, max_size=3)
    return st.builds(lambda which, rules: Rule(**{which: rules}), st.sampled_from(["any", "all"]), several)


TREES = st.dictionaries(st.sampled_from("abcd"), st.recursive(RULES, groups, max_leaves=4), min_size=1, max_size=4)
ROWS = st.fixed_dictionaries(
    {
        "x": st.sampled_from(NUMBERS),
        "per": st.sampled_from([None, float("nan"), -1.0, 0.0, 0.5, 2.0, INF]),
        "xs": st.none() | st.lists(st.sampled_from(NUMBERS), max_size=4),
        "t": st.sampled_from(TEXTS),
        "ts": st.none() | st.lists(st.sampled_from(TEXTS), max_size=3),
    }
)


@settings(max_examples=200, deadline=None)
@given(st.lists(ROWS, min_size=1, max_size=8), TREES)
def test_verdicts_are_those_of_a_slow_reading(rows: list[Row], rules: dict[str, Rule]) -> None:
    table = pl.DataFrame(rows, schema=COLUMNS)
    verdicts = judge(table, rules)
    expected = [first(row, rules) for row in rows]
    assert verdicts.reasons().to_list() == expected
    every = verdicts.values(table.select(row=pl.int_range(pl.len()))).filter(pl.col("rule").is_in([*rules]))
    failed = {(row, rule): what for row, rule, what in every.select("row", "rule", "failed").iter_rows()}
    assert failed == {
        (n, name): fails(row, name, name, rule) for n, row in enumerate(rows) for name, rule in rules.items()
    }


def first(row: Row, rules: dict[str, Rule], above: str = "") -> str | None:
    return next((what for name, rule in rules.items() if (what := fails(row, above + name, name, rule))), None)


def fails(row: Row, key: str, name: str, rule: Rule) -> str | None:
    """The drop_reason of a row by one rule or group; None: it passes."""
    if rule.all is not None:
        return first(row, rule.all, f"{key}.all.")
    if rule.any is not None:
        found = [fails(row, f"{key}.any.{member}", member, one) for member, one in rule.any.items()]
        return f"{key}.any" if all(found) else None
    per = row[rule.per] if rule.per else 1.0
    missing = None if per is not None and per > 0 else rule.per
    value = row[rule.column or name]
    values = value if isinstance(value, list) else [value]
    if missing is None and rule.reduce in ("all", "any"):
        elements = [divided(cleaned(one), per) for one in values]
        if elements and value is not None and (isinstance(value, list) or elements[0] is not None):
            passing = [rule.on_null == "pass" if one is None else not missed(one, rule) for one in elements]
            good = all(passing) if rule.reduce == "all" else any(passing)
            return None if good else f"{key}.{rule.reduce}"
    elif missing is None and value is not None:
        number = divided(reduced(values, rule) if isinstance(value, list) else cleaned(value), per)
        if number is not None:
            what = missed(number, rule)
            return what and f"{key}.{what}"
    return None if rule.on_null == "pass" else f"{key}.{missing or 'null'}"


def missed(value: Any, rule: Rule) -> str | None:
    """Which limit or wanted value a value does not meet."""
    tests: dict[str, Callable[[Any], bool]] = {
        "min": lambda limit: value >= limit,
        "max": lambda limit: value <= limit,
        "above": lambda limit: value > limit,
        "below": lambda limit: value < limit,
        "equals": lambda wanted: value == wanted,
    }
    found = next(
        (n for n, meets in tests.items() if getattr(rule, n) is not None and not meets(getattr(rule, n))), None
    )
    return found or ("in" if rule.one_of is not None and value not in rule.one_of else None)


def reduced(values: list[Any], rule: Rule) -> Any:
    if rule.reduce in ("first", "last"):
        return cleaned(values[0 if rule.reduce == "first" else -1]) if values else None
    there = sorted(one for each in values if (one := cleaned(each)) is not None)
    if not there:
        return None
    if (q := quantile(rule.reduce)) is not None:
        place = (len(there) - 1) * q
        low, high = there[floor(place)], there[min(floor(place) + 1, len(there) - 1)]
        return low if low == high or place == floor(place) else cleaned(low + (high - low) * (place - floor(place)))
    return cleaned(
        sum(there) / len(there) if rule.reduce == "mean" else min(there) if rule.reduce == "min" else max(there)
    )


def cleaned(value: Any) -> Any:
    return None if isinstance(value, float) and isnan(value) else value


def divided(value: Any, per: float) -> Any:
    return value if value is None or isinstance(value, str) else cleaned(value / per)
