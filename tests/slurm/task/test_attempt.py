"""Attempts: what one flushed is never computed again, by whichever attempt comes next or runs beside it."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from support.attempts import add, attempt, commit, failed, good, table
from support.steps import made_step

from slurm.record import merge
from slurm.record.manifest import Step
from slurm.record.merge import LostRowsError
from slurm.task.attempt import Output, flush_file


@pytest.fixture(params=[merge.BATCH_BYTES, 1], ids=["at once", "row by row"])
def step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Step:
    """A step whose parts are put together in one batch, or in as many as there are rows."""
    monkeypatch.setattr(merge, "BATCH_BYTES", request.param)
    return made_step(tmp_path, tables={"letters": {}})


def test_the_next_attempt_goes_on_after_the_flushed_rows(step: Step) -> None:
    add(attempt(step, "1_0_0"), good("a", "first"), good("b", "first"))
    second = attempt(step, "1_0_1")
    assert second.load(retry_failed=False) == {"a", "b"}
    add(second, good("c", "second"))
    done = commit(second, "abc")
    assert table(step)["value"].to_list() == ["first", "first", "second"]
    assert (done.rows_in, done.rows_out, done.rows_kept, done.rows_failed) == (3, 3, 3, 0)
    assert not second.partial.exists()


@pytest.mark.parametrize("name", ["a[1]", "a*", "q?", "a%20b"])
def test_a_run_may_have_a_name_that_looks_like_a_pattern(tmp_path: Path, name: str) -> None:
    step = made_step(tmp_path / name, tables={"letters": {}})
    add(attempt(step, "1_0_0"), good("a"), failed("b"))
    second = attempt(step, "1_0_1")
    assert second.load(retry_failed=False) == {"a", "b"}
    old, third = commit(second, "ab"), attempt(step, "2_0_0")
    assert third.adopt(old, ["corrupt"]) == {"a"}
    add(third, good("b"))
    assert commit(third, "ab").rows_kept == 2
    assert table(step, "letters")["letter"].to_list() == list("abab")


def test_rows_are_flushed_when_the_last_flush_is_long_ago(step: Step) -> None:
    first = attempt(step, "1_0_0")
    first.add(good("a"), flush_s=60)
    assert attempt(step, "1_0_1").load(retry_failed=False) == set()
    first.add(good("b"), flush_s=-1)
    assert attempt(step, "1_0_2").load(retry_failed=False) == {"a", "b"}


def test_items_that_two_attempts_finished_at_once_are_taken_once_with_their_side_rows(step: Step) -> None:
    zombie, second = attempt(step, "1_0_0"), attempt(step, "1_0_1")
    add(zombie, good("a", "zombie", "z"))
    assert second.load(retry_failed=False) == {"a"}
    add(zombie, good("b", "zombie", "z"))
    add(second, good("b", "second", "yy"), good("c", "second", "y"))
    commit(second, "abc")
    assert table(step)["video_id"].to_list() == ["a", "b", "c"]
    assert table(step)["value"].to_list() == ["zombie", "second", "second"]
    assert table(step, "letters")["letter"].to_list() == ["z", "y", "y", "y"]
    late = attempt(step, "1_0_0b")
    add(late, good("a", "late"), good("b", "late"), good("c", "late"))
    commit(late, "abc")
    assert table(step)["value"].to_list() == ["late"] * 3


def test_an_item_in_two_partial_files_is_taken_from_one(step: Step) -> None:
    add(attempt(step, "1_0_0"), good("a", "one", "x"), good("b", "one", "x"))
    add(attempt(step, "2_0_0"), good("b", "two", "yy"), good("c", "two", "yy"))
    third = attempt(step, "3_0_0")
    assert third.load(retry_failed=False) == {"a", "b", "c"}
    assert commit(third, "abc").rows_out == 3
    rows, letters = table(step), table(step, "letters")
    assert rows["video_id"].to_list() == ["a", "b", "c"]
    expected = {"one": ["x"], "two": ["y", "y"]}
    for key, value in rows.select("video_id", "value").iter_rows():
        assert letters.filter(pl.col("video_id") == key)["letter"].to_list() == expected[value]


@pytest.mark.parametrize("first", [good, failed])
def test_of_a_good_row_and_a_failed_one_of_the_same_item_the_good_one_is_taken(step: Step, first: Any) -> None:
    add(attempt(step, "1_0_0"), first("a"))
    add(attempt(step, "2_0_0"), failed("a") if first is good else good("a"))
    third = attempt(step, "3_0_0")
    third.load(retry_failed=False)
    assert commit(third, "a").rows_kept == 1
    assert table(step, "letters")["letter"].to_list() == ["a", "b"]


def test_what_a_zombie_failed_at_after_the_chunk_was_done_replaces_no_good_row(step: Step) -> None:
    first, zombie = attempt(step, "1_0_0"), attempt(step, "1_0_1")
    add(first, good("a"), failed("b", "network"))
    old = commit(first, "ab")
    add(zombie, failed("a", "network"))
    third = attempt(step, "2_0_0")
    assert third.load(retry_failed=False) | third.adopt(old, ["network"]) == {"a"}
    add(third, good("b"))
    assert commit(third, "ab").rows_kept == 2


def test_rows_stand_in_the_order_of_the_input_however_they_were_finished(step: Step) -> None:
    add(attempt(step, "1_0_0"), good("d", letters="dD"))
    second = attempt(step, "1_0_1")
    second.load(retry_failed=False)
    add(second, good("a"), failed("c"))
    add(second, good("b", letters=""))
    commit(second, "abcd")
    assert table(step)["video_id"].to_list() == list("abcd")
    assert table(step, "letters")["video_id"].to_list() == ["a", "a", "d", "d"]
    assert table(step, "letters")["letter"].to_list() == ["a", "b", "d", "D"]


def test_several_rows_and_whole_tables_follow_their_items(step: Step) -> None:
    rows = pl.DataFrame({"video_id": ["b", "a", "b"], "value": ["1", "2", "3"]})
    letters = pl.DataFrame({"video_id": ["b"], "letter": ["x"], "place": [0]})
    first = attempt(step, "1_0_0")
    add(first, Output(["a", "b"], {"rows": rows, "letters": letters}))
    done = commit(first, "ab")
    assert table(step)["value"].to_list() == ["2", "1", "3"]
    assert table(step)["error"].null_count() == 3
    assert (done.rows_in, done.rows_out) == (2, 3)


def test_what_a_lazy_table_reads_need_not_stay(step: Step, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.parquet"
    pl.DataFrame({"letter": ["x", "y"]}).write_parquet(elsewhere)
    letters = pl.scan_parquet(elsewhere).with_columns(video_id=pl.lit("b"), place=pl.lit(7))
    first = attempt(step, "1_0_0")
    first.add(good("a"), flush_s=60)
    first.add(Output(["b"], {"rows": [{"video_id": "b"}], "letters": letters}), flush_s=60)
    elsewhere.unlink()
    first.add(good("c"), flush_s=60)
    commit(first, "abc")
    assert table(step, "letters")["letter"].to_list() == ["a", "b", "x", "y", "a", "b"]
    assert table(step, "letters")["place"].to_list() == [None, None, 7, 7, None, None]


def test_failed_items_are_counted_by_code_and_not_kept(step: Step) -> None:
    first = attempt(step, "1_0_0")
    add(first, good("a"), failed("b"), failed("c"))
    done = commit(first, "abc")
    assert (done.rows_in, done.rows_out, done.rows_kept, done.rows_failed) == (3, 3, 1, 2)
    assert done.errors == {"corrupt": 2}
    assert step.kept().collect()["video_id"].to_list() == ["a"]


@pytest.mark.parametrize("lost", ["rows", "letters"])
def test_a_torn_partial_file_costs_only_its_items(step: Step, lost: str) -> None:
    first = attempt(step, "1_0_0")
    add(first, good("a"))
    add(first, good("b"))
    torn = first.files[0] if lost == "rows" else flush_file(first.files[0], "letters")
    torn.write_bytes(torn.read_bytes()[:-20])
    second = attempt(step, "1_0_1")
    assert second.load(retry_failed=False) == {"b"}
    add(second, good("a"))
    assert commit(second, "ab").rows_out == 2


def test_a_lost_row_is_an_error_that_names_it(step: Step) -> None:
    first = attempt(step, "1_0_0")
    add(first, good("a"))
    with pytest.raises(LostRowsError, match=r"chunk 0: 1 items without a row \(e\.g\. b\)"):
        commit(first, "ab")
    assert step.done(0) is None


def test_a_row_of_no_item_is_an_error_that_names_it(step: Step) -> None:
    first = attempt(step, "1_0_0")
    add(first, good("a"), good("x"))
    with pytest.raises(LostRowsError, match=r"1 rows of no item \(e\.g\. x\)"):
        commit(first, "a")


def test_a_whole_table_that_does_not_fit_is_refused(step: Step) -> None:
    first = attempt(step, "1_0_0")
    first.add(Output(["a", "b"], {"letters": [{"video_id": "a", "place": "third"}]}), flush_s=60)
    with pytest.raises((TypeError, pl.exceptions.PolarsError)):
        first.flush()


def test_flushed_rows_of_a_chunk_that_had_other_items_are_not_taken(step: Step) -> None:
    add(attempt(step, "1_0_0"), good("a", "before"), good("b", "before"))
    add(attempt(step, "1_0_1"), good("c", "before"))
    second = attempt(step, "2_0_0")
    assert second.load(retry_failed=False, items="bcd") == {"c"}
    add(second, good("b"), good("d"))
    assert commit(second, "bcd").rows_out == 3
    assert table(step)["value"].to_list() == ["v", "before", "v"]
