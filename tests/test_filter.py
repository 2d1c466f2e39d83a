"""Verdicts: every row has one, by the first rule that it fails, with the number that each rule saw."""

import math
from typing import Any, Literal

import polars as pl
import pytest
from pydantic import ValidationError

from stages.filter import Config, Rule, columns, judge

Reduce = Literal["mean", "min", "max", "first", "all", "any"]
LISTS = [[1.0, 3.0], [2.0], [], None, [5.0, 0.0, None]]


def rule(
    reduce: Reduce = "mean", low: float | None = None, high: float | None = None, column: str | None = None
) -> Rule:
    return Rule(column, reduce, low, high)


def judged(values: list[Any], **rules: Rule) -> tuple[list[str | None], list[float | None]]:
    """Reasons and values of the rows of one column `x` under its rules."""
    table = pl.DataFrame({"clip_id": [str(n) for n in range(len(values))], "x": values}, strict=False)
    rows, seen = judge(table, ["clip_id"], rules)
    assert rows["clip_id"].to_list() == table["clip_id"].to_list()
    assert len(seen) == len(values) * len(rules)
    return rows["drop_reason"].to_list(), seen["value"].to_list()


def test_a_number_may_be_divided_by_another_column() -> None:
    table = pl.DataFrame(
        {
            "video_id": list("abcdef"),
            "words": [60, 61, None, 500, 500, 0],
            "duration_s": [120.0, 120.0, 120.0, None, 0.0, 10.0],
        }
    )
    speech = Rule("words", "mean", None, None, above=0.5, per="duration_s")
    assert columns(Config({"speech": speech})) == ["words", "duration_s"]
    rows, seen = judge(table, ["video_id"], {"speech": speech})
    assert rows["drop_reason"].to_list() == [
        "speech.above", None, "speech.null", "speech.duration_s", "speech.duration_s", "speech.above",
    ]  # fmt: skip
    assert seen["value"].to_list() == [0.5, 61 / 120, None, None, None, 0.0]


def test_above_is_a_limit_that_does_not_pass_itself() -> None:
    for reduce in ("mean", "min", "max", "first"):
        reasons, _ = judged([1.0, 2.0, 2.1], x=Rule(None, reduce, None, None, above=2.0))
        assert reasons == ["x.above", "x.above", None]
    reasons, _ = judged([[2.0, 2.5], [2.1, 2.5]], x=Rule(None, "all", None, None, above=2.0))
    assert reasons == ["x.all", None]


@pytest.mark.parametrize(
    ("reduce", "values"),
    [
        ("mean", [2.0, 2.0, None, None, 2.5]),
        ("min", [1.0, 2.0, None, None, 0.0]),
        ("max", [3.0, 2.0, None, None, 5.0]),
        ("first", [1.0, 2.0, None, None, 5.0]),
    ],
)
def test_a_list_is_reduced_to_a_number(reduce: Reduce, values: list[float | None]) -> None:
    reasons, seen = judged(LISTS, x=rule(reduce, low=0))
    assert seen == values
    assert reasons == [None if value is not None else "x.null" for value in values]


@pytest.mark.parametrize(
    ("reduce", "reasons"),
    [("all", ["x.all", None, "x.null", "x.null", "x.all"]), ("any", [None, None, "x.null", "x.null", "x.any"])],
)
def test_all_or_any_elements_must_be_within_the_limits(reduce: Reduce, reasons: list[str | None]) -> None:
    found, seen = judged(LISTS, x=rule(reduce, low=2, high=3))
    assert found == reasons
    assert seen[:2] == [0.5, 1.0]
    assert seen[4] == 0.0


@pytest.mark.parametrize("reduce", ["mean", "min", "max", "first", "all", "any"])
def test_a_number_is_its_own_reduction(reduce: Reduce) -> None:
    reasons, _ = judged([1, 2, 3, None], x=rule(reduce, low=2, high=2))
    low, high = ("x.min", "x.max") if reduce not in ("all", "any") else (f"x.{reduce}",) * 2
    assert reasons == [low, None, high, "x.null"]


def test_limits_are_inclusive() -> None:
    assert judged([0.1, 0.2, 0.3, 0.4], x=rule(low=0.2, high=0.3))[0] == ["x.min", None, None, "x.max"]


def test_values_that_are_no_number_are_null() -> None:
    reasons, seen = judged([math.nan, None, math.inf, 1.0], x=rule(high=5))
    assert reasons == ["x.null", "x.null", "x.max", None]
    assert seen == [None, None, math.inf, 1.0]


def test_elements_that_are_no_number_do_not_pass() -> None:
    assert judged([[math.nan, 1.0], [1.0]], x=rule("all", high=5))[0] == ["x.all", None]
    assert judged([[math.nan], [math.nan, 9.0]], x=rule("any", low=5))[0] == ["x.any", None]


def test_a_rule_without_limits_asks_only_for_a_value() -> None:
    assert judged([[1.0], [], None], x=rule())[0] == [None, "x.null", "x.null"]


def test_the_reason_is_the_first_rule_that_fails() -> None:
    rules = {"low": rule(low=2, column="x"), "high": rule(high=3, column="x"), "again": rule(low=9, column="x")}
    assert judged([1.0, 4.0, 2.5], **rules)[0] == ["low.min", "high.max", "again.min"]


def test_every_row_has_the_value_of_every_rule() -> None:
    table = pl.DataFrame({"clip_id": ["c1", "c2"], "video_id": ["v", "v"], "a": [1.0, 2.0], "b": [[3.0], [4.0, 6.0]]})
    rows, seen = judge(table, ["clip_id", "video_id"], {"a": rule(low=9), "b": rule(low=0)})
    assert rows.columns == ["clip_id", "video_id", "drop_reason"]
    assert rows["drop_reason"].to_list() == ["a.min", "a.min"]
    assert sorted(seen.select("clip_id", "rule", "value").rows()) == [
        ("c1", "a", 1.0), ("c1", "b", 3.0), ("c2", "a", 2.0), ("c2", "b", 5.0)
    ]  # fmt: skip


def test_rules_of_the_same_name_as_other_columns_do_not_disturb() -> None:
    table = pl.DataFrame({"video_id": ["v"], "motion": [1.0], "luma": [9.0]})
    rows, seen = judge(
        table, ["video_id"], {"luma": rule(high=5, column="motion"), "motion": rule(high=5, column="luma")}
    )
    assert rows["drop_reason"].to_list() == ["motion.max"]
    assert dict(seen.select("rule", "value").rows()) == {"luma": 1.0, "motion": 9.0}


def test_flags_can_be_asked_for() -> None:
    assert judged([True, False], x=rule(low=1))[0] == [None, "x.min"]


def test_no_rows_have_no_verdicts_and_no_rules_drop_nothing() -> None:
    empty = pl.DataFrame(schema={"clip_id": pl.String, "x": pl.List(pl.Float32)})
    assert judge(empty, ["clip_id"], {"x": rule(low=1)})[0].is_empty()
    rows, seen = judge(pl.DataFrame({"clip_id": ["a"], "x": [1.0]}), ["clip_id"], {})
    assert rows["drop_reason"].to_list() == [None]
    assert seen.is_empty()


def test_the_columns_that_rules_look_at() -> None:
    rules = {"x": rule(), "y": rule(column="x"), "z": rule(column="w")}
    assert columns(Config(rules)) == ["x", "w"]


def test_an_unknown_reduction_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValidationError, match="'mean', 'min', 'max', 'first', 'last', 'all' or 'any'"):
        rule("median")  # type: ignore[arg-type]
