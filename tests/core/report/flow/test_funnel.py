"""What is said of a step's rows, their length and their cost."""

from collections.abc import Callable
from typing import Any

import polars as pl
import pytest

from slurm.record.manifest import Step
from slurm.task.attempt import Attempt
from stages.core.report.charts.formatting import length
from stages.core.report.flow.costs import read_cost
from stages.core.report.flow.funnel import Amount, read_flow

Make = Callable[..., Step]
Table = Callable[..., pl.DataFrame]


def test_length_comes_from_the_nearest_step_that_knows_it(make: Make, clips: Table, verdicts: Table) -> None:
    first = make("split", clips([3600.0, 1800.0, 900.0]))
    judged = read_flow(make("filter", verdicts(None, "score.min", None), ("split",)))
    cut = read_flow(make("cut", clips([3601.0, None, None]), ("filter",)))
    assert read_flow(first).kept == (3, 6300.0, 0)
    assert judged.kept == (2, 4500.0, 0)
    assert [(loss.reason, loss.amount) for loss in judged.losses] == [("score.min", (1, 1800.0, 0))]
    assert cut.kept == (3, 3601.0 + 1800 + 900, 0)


def test_length_of_a_video_is_not_taken_for_that_of_its_clips(make: Make, verdicts: Table) -> None:
    videos = pl.DataFrame({"video_id": ["v"], "duration_s": [100.0]})
    make("analyze", videos)
    assert read_flow(make("split", verdicts(None, None), ("analyze",))).kept == (2, 0.0, 2)


def test_length_that_is_not_known_is_not_zero(make: Make, clips: Table) -> None:
    assert length(read_flow(make("none", clips([None, None]))).kept) == "–"
    assert length(read_flow(make("some", clips([60.0, None]))).kept) == "≥ 1.0 min"
    assert length(read_flow(make("empty", clips([]))).kept) == "0 s"


def test_row_that_failed_is_not_counted_as_dropped_too(make: Make) -> None:
    schema = dict.fromkeys(("clip_id", "drop_reason", "error", "error_detail"), pl.String)
    rows = [("b", "too_short", "corrupt", "second"), ("a", None, "corrupt", "first"), ("c", "too_short", None, None)]
    made = read_flow(make("split", pl.DataFrame(rows, schema=schema, orient="row")))
    assert (made.kept, made.lost("failed"), made.lost("dropped"), made.rows_out) == (Amount(0, 0.0, 0), 2, 1, 3)
    assert [(loss.kind, loss.examples) for loss in made.losses] == [
        ("failed", [("a", "first"), ("b", "second")]),
        ("dropped", []),
    ]


def test_what_a_source_left_out_is_counted_by_reason(make: Make) -> None:
    counted = pl.DataFrame({"reason": ["language", "opt_out"], "rows": [900, 7]})
    source = make("ingest", pl.DataFrame({"video_id": ["a"]}), kind="reduce", tables={"left_out": counted})
    assert read_flow(source).left_out == {"language": 900, "opt_out": 7}
    assert read_flow(source).rows_out == 1
    assert read_flow(make("other", pl.DataFrame({"video_id": ["a"]}))).left_out == {}


def test_failed_attempts_are_counted_by_cause(make: Make, clips: Table) -> None:
    step = make("split", clips([1.0]))
    about: dict[str, Any] = {"job": "local", "restart": 0, "host": "h", "pid": 1, "node": "n", "log": ""}
    for name, cause in (("a", "done"), ("b", "out_of_memory"), ("c", "stopped"), ("d", "out_of_memory"), ("e", None)):
        attempt = Attempt(step, 0, name, {})
        attempt.event("start", fingerprint=step.plan.fingerprint, **about)
        if cause:
            attempt.event("end", cause=cause)
    spent = read_cost(step)
    assert spent.failed == {"out_of_memory": 2, "ended without a word": 1}
    assert spent.cpu_s == pytest.approx(72)
