"""Rules against the types of their columns, before anything runs: what can never pass is told by its key."""

from typing import Any

import pytest
from pydantic import TypeAdapter

from slurm.errors import InputError
from stages.core.choose.fit import check_fit
from stages.core.choose.rule import Rule

RULES = TypeAdapter(dict[str, Rule])
TYPES = {
    "codec": "String",
    "tags": "List(String)",
    "models": "List(List(String))",
    "motion": "List(Float32)",
    "fps": "Float64",
    "views": "Int64",
    "seconds": "List(Int64)",
    "has_audio": "Boolean",
    "day": "Date",
    "days": "List(Date)",
    "jpeg": "Binary",
    "regions": "List(List(Struct({'label': String, 'box': List(Int64)})))",
    "words": "Int64",
    "vector": "Array(Float32, shape=(512,))",
}


def check(**rules: dict[str, Any]) -> None:
    check_fit(RULES.validate_python(rules), TYPES)


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a limit of text": (
        {"codec": {"min": 3}},
        r"rules.codec.min=3 is a limit of numbers, for column 'codec', which holds t",
    ),
    "a limit of texts": ({"tags": {"reduce": "all", "below": 3}}, "rules.tags.below=3 .* lists of text"),
    "a limit of pictures": ({"jpeg": {"max": 3}}, r"rules.jpeg.max: .* Binary, .* only ask whether it is there"),
    "a wanted region": ({"regions": {"equals": "a"}}, "rules.regions.equals: .* Struct"),
    "a number as a day": ({"day": {"min": 3}}, r"rules.day.min=3 has to be a date \(2024-01-31\)"),
    "a day as a number": ({"fps": {"min": "2024-01-01"}}, "rules.fps.min=2024-01-01 has to be a number"),
    "the mean of texts": ({"tags": {"equals": "a"}}, "rules.tags.reduce=mean makes nothing .* first, last, all or any"),
    "the mean of days": ({"days": {"min": "2024-01-01"}}, "rules.days.reduce=mean makes nothing"),
    "a quantile of days": (
        {"days": {"reduce": "quantile(0.5)", "min": "2024-01-01"}},
        r"rules.days.reduce=quantile\(0.5\)",
    ),
    "a text that is a number": (
        {"codec": {"equals": 264}},
        "rules.codec.equals: .* none of them is 264; as text .*'\"264\"'",
    ),
    "a number that is text": (
        {"fps": {"in": [25, "30"]}},
        "rules.fps.in: column 'fps' holds numbers, and none of them is '30'",
    ),
    "a flag that is text": ({"has_audio": {"equals": "yes"}}, "rules.has_audio.equals: .* true or false, .* 'yes'"),
    "a flag that is a number": ({"has_audio": {"equals": 1}}, "rules.has_audio.equals"),
    "a day that is none": ({"day": {"equals": "2023-02-29"}}, "rules.day.equals: column 'day' holds dates"),
    "half a view": ({"views": {"equals": 2.5}}, "rules.views.equals: .* whole numbers, and none of them is 2.5"),
    "between two whole numbers": (
        {"views": {"above": 2, "below": 3}},
        "rules.views: .* no whole number is within above=2 below=3",
    ),
    "more than true": ({"has_audio": {"min": 2}}, r"rules.has_audio: .* no true \(1\) nor false \(0\) is within min=2"),
    "text by a number": (
        {"codec": {"per": "fps"}},
        "rules.codec.per: column 'codec' holds text, which cannot be divided",
    ),
    "a number by text": (
        {"words": {"per": "codec"}},
        "rules.words.per=codec holds text: a rule divides by one number a row",
    ),
    "a number by a list": ({"words": {"per": "motion"}}, "rules.words.per=motion holds lists of numbers"),
    "two rules": (
        {"a": {"column": "fps", "min": 30}, "b": {"column": "fps", "max": 25}},
        "rules.a and rules.b contradict",
    ),
    "two rules in a group": (
        {"g": {"any": {"h": {"all": {"a": {"column": "fps", "min": 30}, "b": {"column": "fps", "equals": 25}}}}}},
        "rules.g.any.h.all.a and rules.g.any.h.all.b contradict",
    ),
    "two texts": (
        {"a": {"column": "codec", "equals": "h264"}, "b": {"column": "codec", "in": ["hevc", "av1"]}},
        "rules.a and rules.b contradict",
    ),
    "two days": (
        {"a": {"column": "day", "above": "2024-01-01"}, "b": {"column": "day", "below": "2024-01-02"}},
        "contradict",
    ),
    "a rule deep in groups": ({"g": {"any": {"codec": {"min": 3}}}}, "rules.g.any.codec.min=3"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_rule_that_no_row_can_pass_is_refused(case: str) -> None:
    rules, told = REFUSED[case]
    with pytest.raises(InputError, match=told):
        check(**rules)


FITS: dict[str, dict[str, Any]] = {
    "asking for a value": {name: {"not_null": True} for name in TYPES},
    "texts": {"codec": {"in": ["h264", "av1"]}, "tags": {"reduce": "any", "equals": "a"}},
    "texts in lists in lists": {"models": {"reduce": "last", "equals": "a"}},
    "numbers": {
        "fps": {"equals": 25},
        "motion": {"reduce": "quantile(0.9)", "min": 0.1, "below": 3},
    },
    "whole numbers": {"views": {"above": 2, "below": 4}, "seconds": {"reduce": "max", "equals": 3.0}},
    "the mean of whole numbers": {
        "seconds": {"above": 2, "below": 3},
        "words": {"per": "views", "above": 0, "max": 0.5},
    },
    "flags": {"has_audio": {"equals": True}, "a": {"column": "has_audio", "above": 0}},
    "days": {"day": {"min": "2024-01-01"}, "days": {"reduce": "max", "below": "2024-01-01"}},
    "limits that meet": {
        "a": {"column": "fps", "min": 25},
        "b": {"column": "fps", "max": 25},
        "c": {"column": "fps", "equals": 25},
    },
    "one element and another": {
        "a": {"column": "motion", "reduce": "any", "min": 3},
        "b": {"column": "motion", "reduce": "any", "max": 2},
    },
    "another reduction": {
        "a": {"column": "motion", "reduce": "max", "min": 3},
        "b": {"column": "motion", "reduce": "min", "max": 2},
    },
    "one or the other": {"g": {"any": {"a": {"column": "fps", "min": 30}, "b": {"column": "fps", "max": 25}}}},
    "what nulls pass": {
        "a": {"column": "fps", "min": 30, "on_null": "pass"},
        "b": {"column": "fps", "max": 25, "on_null": "pass"},
    },
}


@pytest.mark.parametrize("case", FITS)
def test_a_rule_that_rows_may_pass_is_taken(case: str) -> None:
    check(**FITS[case])
