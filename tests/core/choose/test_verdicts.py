"""Verdicts: what each rule sees of a row, what it fails, and by which rule it is dropped first."""

import math
from datetime import date
from typing import Any

import polars as pl
import pytest
from pydantic import TypeAdapter

from stages.core.choose.rule import Rule
from stages.core.choose.verdicts import judge

LISTS = [[1.0, 3.0], [2.0], [], None, [5.0, 0.0, None]]
RULES = TypeAdapter(dict[str, Rule])


def judged(values: list[Any], kind: pl.DataType | None = None, /, **rules: dict[str, Any]) -> list[str | None]:
    """The drop_reason of each row of one column `x`."""
    table = pl.DataFrame({"x": values}, {"x": kind} if kind else None, strict=False)
    return judge(table, RULES.validate_python(rules)).reasons().to_list()


def seen(values: list[Any], **rule: Any) -> list[float | None]:
    table = pl.DataFrame({"x": values}, strict=False)
    return judge(table, RULES.validate_python({"x": rule})).seen["x"].to_list()


def test_a_number_may_be_divided_by_another_column() -> None:
    table = pl.DataFrame(
        {
            "words": [60, 61, None, 500, 500, 0, 500],
            "duration_s": [120.0, 120.0, 120.0, None, 0.0, 10.0, math.nan],
        }
    )
    speech = Rule("words", above=0.5, per="duration_s")
    verdicts = judge(table, {"speech": speech})
    assert verdicts.reasons().to_list() == [
        "speech.above", None, "speech.null", "speech.duration_s", "speech.duration_s", "speech.above",
        "speech.duration_s",
    ]  # fmt: skip
    assert verdicts.seen["speech"].to_list() == [0.5, 61 / 120, None, None, None, 0.0, None]


def test_each_element_is_divided_where_all_or_any_is_asked() -> None:
    table = pl.DataFrame({"x": [[1.0, 3.0], [1.0, 3.0], [8.0]], "per": [1.0, 4.0, None]})
    reasons = judge(table, {"x": Rule(reduce="all", below=1.0, per="per")}).reasons()
    assert reasons.to_list() == ["x.all", None, "x.per"]


@pytest.mark.parametrize("reduce", ["mean", "min", "max", "first", "last", "quantile(0.5)"])
def test_above_and_below_do_not_pass_themselves(reduce: str) -> None:
    values = [1.0, 2.0, 2.5, 3.0, 4.0]
    assert judged(values, x={"reduce": reduce, "above": 2, "below": 3}) == [
        "x.above",
        "x.above",
        None,
        *["x.below"] * 2,
    ]
    assert judged([[v] for v in values], x={"reduce": reduce, "above": 2, "below": 3})[1:4] == [
        "x.above",
        None,
        "x.below",
    ]
    assert judged([[2.0, 2.5], [2.1, 2.5]], x={"reduce": "all", "above": 2}) == ["x.all", None]


@pytest.mark.parametrize(
    ("reduce", "values"),
    [
        ("mean", [2.0, 2.0, None, None, 2.5]),
        ("min", [1.0, 2.0, None, None, 0.0]),
        ("max", [3.0, 2.0, None, None, 5.0]),
        ("first", [1.0, 2.0, None, None, 5.0]),
        ("last", [3.0, 2.0, None, None, None]),
        ("quantile(0.25)", [1.5, 2.0, None, None, 1.25]),
    ],
)
def test_a_list_is_reduced_to_a_number(reduce: str, values: list[float | None]) -> None:
    assert seen(LISTS, reduce=reduce, min=0) == values
    assert judged(LISTS, x={"reduce": reduce, "min": 0}) == [None if v is not None else "x.null" for v in values]


@pytest.mark.parametrize(
    ("reduce", "reasons"),
    [("all", ["x.all", None, "x.null", "x.null", "x.all"]), ("any", [None, None, "x.null", "x.null", "x.any"])],
)
def test_all_or_any_elements_must_be_within_the_limits(reduce: str, reasons: list[str | None]) -> None:
    assert judged(LISTS, x={"reduce": reduce, "min": 2, "max": 3}) == reasons
    assert seen(LISTS, reduce=reduce, min=2, max=3) == [0.5, 1.0, None, None, 0.0]


@pytest.mark.parametrize("reduce", ["mean", "min", "max", "first", "last", "all", "any"])
def test_a_number_is_its_own_reduction(reduce: str) -> None:
    low, high = ("x.min", "x.max") if reduce not in ("all", "any") else (f"x.{reduce}",) * 2
    assert judged([1, 2, 3, None], x={"reduce": reduce, "min": 2, "max": 2}) == [low, None, high, "x.null"]


def test_limits_are_inclusive_in_double_precision() -> None:
    assert judged([0.1, 0.2, 0.3, 0.4], x={"min": 0.2, "max": 0.3}) == ["x.min", None, None, "x.max"]
    assert judged([0.3, 0.1], pl.Float32(), x={"max": 0.3}) == ["x.max", None]  # 0.3 in single precision is more


def test_values_that_are_no_number_are_null() -> None:
    assert judged([math.nan, None, math.inf, 1.0], x={"max": 5}) == ["x.null", "x.null", "x.max", None]
    assert seen([math.nan, None, math.inf, 1.0]) == [None, None, math.inf, 1.0]
    assert judged([[math.inf, -math.inf]], x={"min": 0}) == ["x.null"]  # their mean is none


def test_elements_that_are_no_number_do_not_pass() -> None:
    assert judged([[math.nan, 1.0], [1.0]], x={"reduce": "all", "max": 5}) == ["x.all", None]
    assert judged([[math.nan], [math.nan, 9.0]], x={"reduce": "any", "min": 5}) == ["x.any", None]


def test_a_rule_without_limits_asks_only_for_a_value() -> None:
    for rule in ({}, {"not_null": True}):
        assert judged([[1.0], [], None], x=rule) == [None, "x.null", "x.null"]
        assert judged(["a", None, ""], x=rule) == [None, "x.null", None]
        assert judged([["a"], [None], None, []], x=rule) == [None, *["x.null"] * 3]
        assert judged([b"jpeg", None], x=rule) == [None, "x.null"]
        assert judged([[{"label": "a"}], [], None], x=rule) == [None, "x.null", "x.null"]


def test_a_row_without_a_value_passes_where_a_rule_says_so() -> None:
    assert judged([None, math.nan, 0.0, 18.0], x={"max": 0, "on_null": "pass"}) == [None, None, None, "x.max"]
    assert judged([[], None, [9.0]], x={"max": 0, "on_null": "pass"}) == [None, None, "x.max"]
    speech = Rule("x", above=0.5, per="s", on_null="pass")
    table = pl.DataFrame({"x": [9, 9, None, 1], "s": [None, 0.0, 2.0, 9.0]})
    assert judge(table, {"speech": speech}).reasons().to_list() == [None, None, None, "speech.above"]


def test_elements_without_a_value_pass_where_a_rule_says_so() -> None:
    values = [[None, 1.0], [None, 9.0], [None], [], None]
    assert judged(values, x={"reduce": "all", "max": 5, "on_null": "pass"}) == [None, "x.all", None, None, None]
    assert judged(values, x={"reduce": "any", "max": 5, "on_null": "pass"}) == [None] * 5


@pytest.mark.parametrize(
    ("kind", "values", "wanted"),
    [
        (pl.String(), ["h264", "H264", None, ""], "h264"),
        (pl.Boolean(), [True, False, None, False], True),
        (pl.Int64(), [2**60 + 1, 2**60, None, 0], 2**60 + 1),
        (pl.UInt64(), [2**63 + 5, 2**63 + 4, None, 0], 2**63 + 5),
        (pl.Float64(), [0.1, 0.2, None, math.nan], 0.1),
        (pl.Float32(), [0.1, 0.2, None, 0.0], 0.1),
        (pl.Date(), [date(2024, 2, 29), date(2024, 3, 1), None, date(1999, 1, 1)], "2024-02-29"),
    ],
)
def test_a_value_may_be_asked_for_in_a_column_of_any_type(kind: pl.DataType, values: list[Any], wanted: Any) -> None:
    other = "x.null" if kind == pl.Float64() else "x.equals"
    assert judged(values, kind, x={"equals": wanted}) == [None, "x.equals", "x.null", other]
    assert judged(values, kind, x={"in": [wanted]})[:2] == [None, "x.in"]
    one_of = judged(values, kind, x={"in": [wanted, str(values[1]) if kind == pl.Date() else values[1]]})
    assert one_of[:3] == [None, None, "x.null"]
    listed = [[values[0], values[1]], [values[0]], [values[1]], [], [None, values[0]]]
    assert judged(listed, pl.List(kind), x={"reduce": "any", "equals": wanted}) == [None, None, "x.any", "x.null", None]
    assert judged(listed, pl.List(kind), x={"reduce": "all", "equals": wanted}) == [
        "x.all", None, "x.all", "x.null", "x.all"
    ]  # fmt: skip
    assert judged(listed, pl.List(kind), x={"reduce": "first", "in": [wanted]}) == [
        None, None, "x.in", "x.null", "x.null"
    ]  # fmt: skip


def test_dates_have_limits() -> None:
    days = [date(2023, 12, 31), date(2024, 1, 1), date(2024, 6, 1), None]
    assert judged(days, x={"min": "2024-01-01", "below": "2024-06-01"}) == ["x.min", None, "x.below", "x.null"]
    assert judged([days], x={"reduce": "max", "above": "2024-06-01"}) == ["x.above"]


def test_flags_count_as_numbers_too() -> None:
    assert judged([True, False], x={"min": 1}) == [None, "x.min"]
    assert seen([[True, False, True, True]]) == [0.75]


def test_lists_in_lists_are_one_list() -> None:
    nested = [[[1.0, 5.0], []], [[]], None, [None, [2.0]]]
    assert judged(nested, x={"reduce": "max", "max": 4}) == ["x.max", "x.null", "x.null", None]
    assert judged(nested, x={"reduce": "all", "max": 4}) == ["x.all", "x.null", "x.null", None]
    assert judged([[["a"], ["b"]], [["b"]]], x={"reduce": "any", "equals": "a"}) == [None, "x.any"]


def test_the_reason_is_the_first_rule_that_fails_and_all_of_them_are_in_the_values() -> None:
    rules = RULES.validate_python(
        {"low": {"column": "x", "min": 2}, "high": {"column": "x", "max": 3}, "name": {"column": "t", "equals": "b"}}
    )
    table = pl.DataFrame({"clip_id": ["c1", "c2", "c3"], "x": [1.0, 4.0, 2.5], "t": ["a", "b", None]})
    verdicts = judge(table, rules)
    assert verdicts.reasons().to_list() == ["low.min", "high.max", "name.null"]
    values = verdicts.values(table.select("clip_id"))
    assert values.columns == ["clip_id", "rule", "value", "text", "failed"]
    assert values.filter(clip_id="c1").drop("clip_id").rows() == [
        ("low", 1.0, None, "low.min"), ("high", 1.0, None, None), ("name", None, "a", "name.equals")
    ]  # fmt: skip
    assert values.drop_nulls("failed").group_by("clip_id").len().sort("clip_id")["len"].to_list() == [2, 1, 1]


SIZED = {"any": {"wide": {"column": "w", "min": 1280}, "high": {"column": "h", "min": 1280}}}


def test_of_a_group_any_or_all_rules_must_pass() -> None:
    table = pl.DataFrame({"w": [1920, 720, 720, None], "h": [1080, 1280, 480, 1300]})
    rules = RULES.validate_python({"size": SIZED})
    assert judge(table, rules).reasons().to_list() == [None, None, "size.any", None]
    rules = RULES.validate_python({"size": {"all": SIZED["any"]}})
    assert judge(table, rules).reasons().to_list() == [
        "size.all.high.min", "size.all.wide.min", "size.all.wide.min", "size.all.wide.null"
    ]  # fmt: skip


def test_groups_hold_groups_and_each_has_its_row_among_the_values() -> None:
    both = {"all": {"size": SIZED, "long": {"column": "s", "above": 2}}}
    rules = RULES.validate_python({"good": {"any": {"both": both, "loved": {"column": "likes", "min": 9}}}})
    table = pl.DataFrame({"id": list("abc"), "w": [1920, 1920, 1], "h": 1, "s": [3.0, 1.0, 3.0], "likes": [0, 0, 10]})
    verdicts = judge(table, rules)
    assert verdicts.reasons().to_list() == [None, "good.any", None]
    failed = verdicts.values(table.select("id")).filter(id="b").select("rule", "failed").rows()
    assert failed == [
        ("good", "good.any"),
        ("good.any.both", "good.any.both.all.long.above"),
        ("good.any.both.all.size", None),
        ("good.any.both.all.size.any.wide", None),
        ("good.any.both.all.size.any.high", "good.any.both.all.size.any.high.min"),
        ("good.any.both.all.long", "good.any.both.all.long.above"),
        ("good.any.loved", "good.any.loved.min"),
    ]


def test_rules_of_the_same_name_as_other_columns_do_not_disturb() -> None:
    table = pl.DataFrame({"motion": [1.0], "luma": [9.0]})
    verdicts = judge(table, {"luma": Rule("motion", max=5), "motion": Rule("luma", max=5)})
    assert verdicts.reasons().to_list() == ["motion.max"]
    assert verdicts.seen.to_dicts() == [{"luma": 1.0, "motion": 9.0}]


def test_no_rows_have_no_verdicts_and_no_rules_drop_nothing() -> None:
    empty = pl.DataFrame(schema={"clip_id": pl.String, "x": pl.List(pl.Float32)})
    verdicts = judge(empty, {"x": Rule(min=1)})
    assert (len(verdicts.reasons()), len(verdicts.values(empty.select("clip_id")))) == (0, 0)
    table = pl.DataFrame({"clip_id": ["a"], "x": [1.0]})
    assert judge(table, {}).reasons().to_list() == [None]
    assert judge(table, {}).values(table.select("clip_id")).is_empty()
