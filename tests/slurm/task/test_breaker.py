"""The circuit breaker: a submission whose chunks mostly fail alike is not gone on with."""

from pathlib import Path

import polars as pl
import pytest
from support.steps import cluster, finish, made_step, plan

from slurm.control.submit import freeze
from slurm.record.manifest import Step
from slurm.task.breaker import report_failure, signature, tripped

ROWS = pl.DataFrame({"video_id": ["a"], "value": ["v"], "error": [None], "error_detail": [None]})


def submitted(step: Step, seen: int = 0) -> str:
    return freeze(step, [[chunk] for chunk in range(step.plan.n)], cluster(), seen=seen, size=100, why={})


@pytest.fixture
def step(tmp_path: Path) -> Step:
    return made_step(tmp_path, n=20, breaker=3)


def fail(step: Step, name: str, chunks: range, detail: str = "OSError: no model in {}") -> None:
    for chunk in chunks:
        report_failure(step, name, chunk, detail.format(chunk))


def test_messages_that_differ_in_numbers_paths_and_names_are_alike() -> None:
    alike = ("row 17 of '/a/b c' at /x/y: \"z\"", "row 4 of '/d' at /e/f/g: \"h i\"")
    assert signature(alike[0]) == signature(alike[1])
    assert signature("ValueError: x") != signature("KeyError: x")


def test_it_trips_when_enough_chunks_failed_alike_and_says_the_cause(step: Step) -> None:
    name = submitted(step)
    fail(step, name, range(2))
    assert tripped(step, name) is None
    fail(step, name, range(2, 3))
    assert tripped(step, name) == "OSError: no model in 0"


def test_failures_that_differ_do_not_trip_it(step: Step) -> None:
    name = submitted(step)
    for chunk, kind in enumerate(("OSError", "KeyError", "ValueError", "TypeError")):
        fail(step, name, range(chunk, chunk + 1), f"{kind}: bad")
    assert tripped(step, name) is None


def test_one_chunk_that_fails_again_and_again_counts_once(step: Step) -> None:
    name = submitted(step)
    for _ in range(9):
        fail(step, name, range(1))
    assert tripped(step, name) is None


def test_it_does_not_trip_while_more_chunks_get_done(step: Step) -> None:
    name = submitted(step)
    for chunk in range(10, 13):
        finish(step, chunk, ROWS)
    fail(step, name, range(3))
    assert tripped(step, name) is None
    fail(step, name, range(3, 4))
    assert tripped(step, name) is not None


def test_chunks_done_before_the_submission_do_not_count(step: Step) -> None:
    for chunk in range(10, 20):
        finish(step, chunk, ROWS)
    name = submitted(step)
    fail(step, name, range(3))
    assert tripped(step, name) is not None


def test_stale_chunks_that_are_computed_again_count(step: Step) -> None:
    for chunk in range(10, 20):
        finish(step, chunk, ROWS)
    step.supersede()
    step.create(plan(n=20, breaker=3, identity={"config.level": 2}))
    name = submitted(step)
    for chunk in range(10, 20):
        finish(step, chunk, ROWS, attempt="2_0_0")
    fail(step, name, range(3))
    assert tripped(step, name) is None


def test_a_new_submission_begins_anew(step: Step) -> None:
    name = submitted(step)
    fail(step, name, range(3))
    assert tripped(step, submitted(step, seen=1)) is None


def test_a_full_disk_costs_the_report_only(step: Step) -> None:
    name = submitted(step)
    step.paths.failures(name).write_text("a file in the place of the folder")
    fail(step, name, range(3))
