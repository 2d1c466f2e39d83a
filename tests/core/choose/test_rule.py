"""A rule as it is read: what says nothing, or contradicts itself, is refused by its key."""

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from stages.core.choose.rule import Rule, leaves, walk

RULES = TypeAdapter(dict[str, Rule])

REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "min above max": ({"min": 3, "max": 2}, "min=3 and max=2"),
    "min that below leaves out": ({"min": 3, "below": 3}, "min=3 and below=3"),
    "max that above leaves out": ({"above": 3, "max": 3}, "above=3 and max=3"),
    "above that is below": ({"above": 3, "below": 3}, "above=3 and below=3"),
    "a day behind another": ({"min": "2024-01-02", "max": "2024-01-01"}, "min=2024-01-02 and max=2024-01-01"),
    "a day and a number": ({"min": "2024-01-02", "max": 7}, "one is a number, another a date"),
    "nothing to be": ({"in": []}, r"in: \[\] is empty"),
    "equals and a limit": ({"equals": 3, "min": 2}, "equals says which values pass: min"),
    "in and a limit": ({"in": [3], "below": 2}, "in says which values pass: below"),
    "equals and in": ({"equals": 3, "in": [3]}, "equals says which values pass: in"),
    "a value that may be missing and may not": ({"not_null": True, "on_null": "pass"}, "contradict"),
    "an empty group": ({"any": {}}, "the group any is empty"),
    "an empty group in a group": ({"any": {"a": {"all": {}}}}, "the group all is empty"),
    "a group with a limit": ({"any": {"a": {}}, "min": 3}, "min and any"),
    "a group of both kinds": ({"any": {"a": {}}, "all": {"a": {}}}, "any and all"),
    "a limit that is no number": ({"min": "much"}, "a number, or a date"),
    "a limit without end": ({"max": float("inf")}, "a finite number"),
    "a limit that is none": ({"min": float("nan")}, "a finite number"),
    "a list for a value": ({"equals": ["a"]}, "a text, true, false"),
    "no list of values": ({"in": "h264"}, "a valid list"),
    "a quantile beyond 1": ({"reduce": "quantile(1.5)"}, "q from 0 to 1"),
    "a quantile below 0": ({"reduce": "quantile(-0.5)"}, "q from 0 to 1"),
    "no quantile": ({"reduce": "quantile"}, "q from 0 to 1"),
    "another reduction": ({"reduce": "median"}, "'mean', 'min', 'max', 'first', 'last', 'all' or 'any', or 'quantile"),
    "a key that is none": ({"mni": 3}, r"unknown key mni \(did you mean min\?\); a rule has column, "),
    "no rule": (None, "null is no rule; .* ~rules.NAME"),  # type: ignore[dict-item]
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_makes_no_sense_is_refused(case: str) -> None:
    said, told = REFUSED[case]
    with pytest.raises(ValidationError, match=told):
        RULES.validate_python({"motion": said})


def test_a_wrong_key_deep_in_groups_is_named_where_it_stands() -> None:
    with pytest.raises(ValidationError) as error:
        RULES.validate_python({"good": {"any": {"a": {"all": {"b": {"min": "much"}}}}}})
    assert error.value.errors()[0]["loc"] == ("good", "any", "a", "all", "b", "min")


@pytest.mark.parametrize("reduce", ["quantile(0)", "quantile(1)", "quantile(.5)", "quantile(0.5)", "quantile(1.0)"])
def test_every_quantile_is_a_reduction(reduce: str) -> None:
    assert Rule(reduce=reduce).reduce == reduce


def test_a_plan_holds_a_rule_as_it_always_did_and_of_newer_keys_those_that_it_says() -> None:
    rules = RULES.validate_python(
        {
            "motion": {"min": 1},
            "codec": {"in": ["h264"], "on_null": "pass"},
            "size": {"any": {"width_px": {"below": 9}}},
        }
    )
    held = RULES.dump_python(rules, mode="json")
    old = {"column": None, "reduce": "mean", "min": None, "max": None, "above": None, "per": None}
    assert held == {
        "motion": {**old, "min": 1.0},
        "codec": {**old, "in": ["h264"], "on_null": "pass"},
        "size": {"any": {"width_px": {**old, "below": 9.0}}},
    }
    assert RULES.validate_python(held) == rules


def test_a_day_is_held_as_text_and_read_again() -> None:
    rules = RULES.validate_python({"upload_date": {"min": "2024-01-31"}})
    assert RULES.dump_python(rules, mode="json")["upload_date"]["min"] == "2024-01-31"
    assert RULES.validate_python(RULES.dump_python(rules, mode="json")) == rules


def test_rules_are_named_by_the_keys_under_which_they_stand() -> None:
    rules = RULES.validate_python({"a": {}, "g": {"any": {"b": {"column": "x"}, "h": {"all": {"c": {}}}}}})
    assert [node.key for node in walk(rules)] == ["a", "g", "g.any.b", "g.any.h", "g.any.h.all.c"]
    assert [(node.key, node.column) for node in leaves(rules)] == [("a", "a"), ("g.any.b", "x"), ("g.any.h.all.c", "c")]
