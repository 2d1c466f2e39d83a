"""Conditions over a row: what they mean, and what is none."""

import pytest

from slurm.errors import InputError
from stages.core.release.where import holds, read_condition

ROW = {"parent": "Sports", "views": 12, "tags": ["a", "b"], "none": None, "more": {"title": "x"}, "empty": []}


@pytest.mark.parametrize(
    "text",
    [
        'parent == "Sports"',
        "parent != 'Education'",
        "views >= 12 and views < 13",
        "0 < views < 100",
        'parent == "Education" or "a" in tags',
        'parent in ["Sports", "Pets"] and not empty',
        'more.title == "x"',
        'not (parent == "Pets")',
        "views > -1",
        "not none",
    ],
)
def test_a_condition_that_holds(text: str) -> None:
    assert holds(read_condition(text, "where", ROW), ROW)


@pytest.mark.parametrize(
    "text",
    ['parent == "sports"', "none == 1", "none != 1", "none > 1", "parent > 1", "none.title == 'x'", "views in none"],
)
def test_a_condition_that_does_not(text: str) -> None:
    assert not holds(read_condition(text, "where", ROW), ROW)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("parent = 'Sports'", "where=.* cannot be read"),
        ("parnet == 'Sports'", "no field 'parnet'; there are: parent, views"),
        ("__import__('os')", "where="),
        ("views.__class__()", "none of fields"),
        ("[x for x in tags]", "where="),
        ("views + 1 > 2", "none of fields"),
        ("", "cannot be read"),
        ("\0", "cannot be read"),
    ],
)
def test_what_is_none_is_refused(text: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        read_condition(text, "where", ROW)
