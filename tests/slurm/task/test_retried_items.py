"""Attempts at a chunk that is tried again: which of its rows stay, and what was counted."""

from pathlib import Path

import pytest
from support.attempts import SCHEMAS, TEXT, add, attempt, commit, failed, good, table
from support.steps import made_step

from slurm.record import merge
from slurm.record.manifest import Step
from slurm.task.attempt import Attempt, Output, flush_file, main_files


@pytest.fixture(params=[merge.BATCH_BYTES, 1], ids=["at once", "row by row"])
def step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Step:
    """A step whose parts are put together in one batch, or in as many as there are rows."""
    monkeypatch.setattr(merge, "BATCH_BYTES", request.param)
    return made_step(tmp_path, tables={"letters": {}})


def test_retrying_failed_items_drops_their_rows_only(step: Step) -> None:
    first = attempt(step, "1_0_0")
    add(first, good("a", "first", "x"), failed("b"))
    add(first, good("c", "first", "x"))
    second = attempt(step, "1_0_1")
    assert second.load(retry_failed=True) == {"a", "c"}
    add(second, good("b", "second", "y"))
    assert commit(second, "abc").rows_failed == 0
    assert table(step)["value"].to_list() == ["first", "second", "first"]
    assert table(step, "letters")["letter"].to_list() == ["x", "y", "x"]


def test_retrying_failed_items_takes_once_what_two_attempts_finished(step: Step) -> None:
    add(attempt(step, "1_0_0"), good("a", letters="x"), failed("b"))
    add(attempt(step, "2_0_0"), good("a", letters="x"), failed("c"))
    third = attempt(step, "3_0_0")
    assert third.load(retry_failed=True) == {"a"}
    add(third, good("b", letters="y"), good("c", letters="y"))
    done = commit(third, "abc")
    assert (done.rows_in, done.rows_out, done.rows_kept) == (3, 3, 3)
    assert table(step)["video_id"].to_list() == ["a", "b", "c"]
    assert table(step, "letters")["letter"].to_list() == ["x", "y", "y"]


def test_failed_items_are_kept_where_they_are_not_to_be_retried(step: Step) -> None:
    add(attempt(step, "1_0_0"), good("a"), failed("b"))
    assert (second := attempt(step, "1_0_1")).load(retry_failed=False) == {"a", "b"}
    assert commit(second, "ab").rows_failed == 1


def test_partial_rows_of_another_config_are_not_taken(step: Step) -> None:
    first = attempt(step, "1_0_0")
    add(first, good("a"))
    other = Attempt(made_step(step.run, "made2", identity={"config.level": 2}), 0, "1_0_0", SCHEMAS)
    assert main_files(first.partial, other.prefix) == []


def test_counters_are_summed_over_the_attempts_at_a_chunk_and_kept_when_rows_are_tried_again(step: Step) -> None:
    first, second = attempt(step, "1_0_0"), attempt(step, "1_0_1")
    first.counters |= {"tokens": 3, "most_queued": 9}
    add(first, good("a"))  # and is killed
    second.counters |= {"tokens": 4, "most_queued": 2}
    second.load(retry_failed=False)
    add(second, failed("b", "network"))
    old = commit(second, "ab")
    assert old.counters == {"tokens": 7, "most_queued": 9}
    third = attempt(step, "2_0_0")
    third.adopt(old, ["network"])
    third.counters |= {"tokens": 1}
    add(third, good("b"))
    assert commit(third, "ab").counters == {"tokens": 8, "most_queued": 9}


def test_rows_that_were_damaged_under_an_attempt_are_found(step: Step) -> None:
    one = attempt(step, "1_0_0")
    add(one, good("a"))
    assert one.lost_file() is None
    torn = flush_file(one.files[0], "letters")
    torn.write_bytes(torn.read_bytes()[:40])
    assert one.lost_file() == torn


def test_items_of_a_part_that_another_version_wrote_are_retried_though_it_has_other_columns(step: Step) -> None:
    first = attempt(step, "1_0_0")
    add(first, good("a", "first", "x"), failed("b", "network"))
    old = commit(first, "ab")
    more = {**SCHEMAS, "rows": {**SCHEMAS["rows"], "loss": TEXT}}
    second = Attempt(step, 0, "2_0_0", more)
    assert second.adopt(old, ["network"]) == {"a"}
    add(
        second,
        Output(["b"], {"rows": [{"video_id": "b", "value": "second", "loss": "subtitles_failed"}], "letters": []}),
    )
    done = commit(second, "ab")
    found = table(step).select("video_id", "value", "loss").rows()
    assert found == [("a", "first", None), ("b", "second", "subtitles_failed")]
    third = Attempt(step, 0, "3_0_0", more)
    assert third.adopt(done, ["subtitles_failed"]) == {"a"}
