"""Counts beyond a filter's limits, and bins of whatever the values are."""

from collections.abc import Callable
from typing import Any

import polars as pl
import pytest

from slurm.record.manifest import Step
from stages.core.report.charts.histogram import draw_histogram
from stages.core.report.content.histograms import judged_columns, make_histograms, make_unjudged

Make = Callable[..., Step]
Table = Callable[..., pl.DataFrame]
Scored = Callable[..., dict[str, Any]]


@pytest.mark.parametrize(
    ("rule", "beyond"),
    [
        ({"min": 0.25, "max": 0.75}, (2, 1)),
        ({"min": 0.25}, (2, 0)),
        ({"min": 0.9, "max": 0.9, "reduce": "all"}, (5, 0)),  # the value is a share then, and must be 1
        ({"min": 0.9, "reduce": "any"}, (1, 0)),  # … or more than 0
    ],
)
def test_values_beyond_the_limits_are_counted(
    make: Make, verdicts: Table, scored: Scored, rule: dict[str, Any], beyond: tuple[int, int]
) -> None:
    rows = verdicts("score.min", "score.null", "other.min", None, None, None, None)
    step = make("filter", rows, **scored([0.0, 0.2, 0.25, 0.5, 0.75, 1.0, None], **rule))
    (shown,) = make_histograms(step, 10)
    assert (shown.values, shown.missing, shown.dropped) == (6, 1, 2)
    assert (shown.below, shown.above) == beyond
    assert shown.bins["rows"].sum() == 6
    assert shown.bins.filter(~pl.col("passes"))["rows"].sum() == sum(beyond)


@pytest.mark.parametrize(
    "values", [[], [None], [2.0, 2.0], [0.0], [float("inf"), 1.0], [1e300, -1e300], [0.0, 1.0, 1e9]]
)
def test_any_values_are_drawn(make: Make, verdicts: Table, scored: Scored, values: list[float | None]) -> None:
    step = make("filter", verdicts(*[None] * len(values)), **scored(values, min=1.0, max=1e12))
    (shown,) = make_histograms(step, 10)
    assert shown.values == shown.bins["rows"].sum() == len([v for v in values if v is not None])
    assert shown.axis[0] < shown.axis[1]
    assert draw_histogram(shown).startswith("<svg")


def test_far_value_does_not_squeeze_the_others(make: Make, verdicts: Table, scored: Scored) -> None:
    values = [i / 1000 for i in range(1000)] + [1e6]
    (shown,) = make_histograms(make("filter", verdicts(*[None] * len(values)), **scored(values, min=0.5, max=1e9)), 10)
    assert shown.axis[1] < 2
    assert len(shown.bins) > 5
    assert shown.bins["rows"].sum() == len(values)


def test_rules_in_groups_have_histograms_and_rules_over_text_have_none(make: Make, verdicts: Table) -> None:
    wide = {"column": "width_px", "reduce": "mean", "min": None, "max": None, "below": 9.0}
    whole = {"column": None, "reduce": "all", "min": None, "max": None, "above": 2.0}
    text = {"column": "codec", "reduce": "mean", "min": None, "max": None, "equals": "h264"}
    rules = {"size": {"any": {"wide": wide, "parts": {"all": {"areas": whole}}}}, "codec": text}
    seen = [
        *(("size.any.wide", value, None, failed) for value, failed in ((8.0, None), (9.0, "size.any.wide.below"))),
        ("size.any.parts.all.areas", 0.5, None, "size.any.parts.all.areas.all"),
        *(("codec", None, text, None) for text in ("h264", "av1")),
        ("size", None, None, "size.any"),
    ]
    columns = {"rule": pl.String, "value": pl.Float64, "text": pl.String, "failed": pl.String}
    values = pl.DataFrame(seen, schema=columns, orient="row")
    step = make("filter", verdicts(None, "size.any"), tables={"values": values}, config={"rules": rules})
    wide_shown, areas_shown = make_histograms(step, 4)
    assert (wide_shown.name, wide_shown.caption) == ("size.any.wide", "mean of width_px")
    assert (wide_shown.above, wide_shown.bins["passes"].to_list()) == (1, [True, False])
    assert areas_shown.caption == "all of areas: share of elements with above 2.0"
    assert draw_histogram(areas_shown).startswith("<svg")


def test_step_without_rules_has_none(make: Make, verdicts: Table) -> None:
    assert make_histograms(make("split", verdicts(None)), 10) == []


def test_a_limit_that_does_not_pass_itself_counts_what_lies_on_it_as_below(
    make: Make, scored: Scored, verdicts: Table
) -> None:
    (shown,) = make_histograms(make("filter", verdicts("score.above", None), **scored([0.5, 0.6], above=0.5)), 4)
    assert (shown.below, shown.values) == (1, 2)


def test_a_limit_far_off_the_values_is_marked_at_the_edge(make: Make, scored: Scored, verdicts: Table) -> None:
    (shown,) = make_histograms(make("filter", verdicts(None, None), **scored([17.0, 20.0], min=0.5, max=1000)), 4)
    assert [text in draw_histogram(shown) for text in (">← min 0.5</text>", ">→ max 1000</text>")] == [True, True]


def test_scores_that_no_rule_judges_have_histograms_without_limits(make: Make, scored: Scored, verdicts: Table) -> None:
    frames = {"aesthetic": [4.0, 6.0, None], "watermark": [0.1, 0.2, 0.3], "nsfw": [None] * 3}
    rows = pl.DataFrame({"video_id": ["a", "b", "c"], **frames}, schema_overrides={"nsfw": pl.Float64})
    step = make("frames", rows)
    judged = judged_columns([make("filter", verdicts(None), **scored([1.0], column="frames.watermark"))])
    (shown,) = make_unjudged(step, judged, 10)
    assert (shown.name, shown.values, shown.missing, shown.low, shown.high) == ("aesthetic", 2, 1, None, None)
    assert shown.caption == "no rule judges it"
    assert shown.bins["passes"].to_list() == [True, True]
