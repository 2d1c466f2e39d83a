"""Which steps get new chunks in an extension, and whose borders follow an input with other rows."""

from pathlib import Path

import polars as pl
import pytest
from support.steps import finish, made_step

from slurm.control.extend import Growth, follow, grow
from slurm.control.survey import survey
from slurm.record.chunks import borders_of
from slurm.record.manifest import Step

NOTHING_NEW = Growth("source", 0, 3, 0)


def rows(ids: str) -> pl.DataFrame:
    return pl.DataFrame({"video_id": list(ids), "value": list(ids), "error": None, "error_detail": None})


def chain(run: Path, middle: str) -> Step:
    """A step that cut the rows of `middle` into two chunks of its own, behind a source of three rows."""
    finish(made_step(run, "source", n=1), 0, rows("abc"))
    finish(made_step(run, "middle", n=1, inputs=["source"], aligned=middle == "map", kind=middle), 0, rows("abc"))
    step = made_step(run, "step", n=2, inputs=["middle"])
    borders_of(step, 0)
    return step


def test_where_nothing_changes_chunks_stay_as_they_were_laid_out(tmp_path: Path) -> None:
    step = chain(tmp_path, "map")
    before = step.paths.borders_of(0).read_bytes()
    grow(step, NOTHING_NEW)
    assert not follow(survey(step), {"middle": survey(step.other("middle"))})
    assert step.paths.borders_of(0).read_bytes() == before
    assert step.plan.n == 2


@pytest.mark.parametrize("middle", ["map", "reduce"])
def test_borders_follow_a_step_that_was_made_again_with_more_rows(tmp_path: Path, middle: str) -> None:
    step = chain(tmp_path, middle)
    for chunk, ids in enumerate(("a", "bc")):
        finish(step, chunk, rows(ids))
    assert borders_of(step, 0).borders == [0, 1, 3]
    finish(step.other("middle"), 0, rows("axbyc"), attempt="2_0_0")
    found, inputs = survey(step), {"middle": survey(step.other("middle"))}
    assert follow(found, inputs)
    assert borders_of(step, 0).borders == [0, 2, 5], "before the same row"
    assert step.plan.n == 2


def test_borders_wait_until_the_input_is_done_and_no_task_is_at_the_step(tmp_path: Path) -> None:
    step = chain(tmp_path, "map")
    middle = step.other("middle")
    middle.paths.done(0).unlink()
    assert not follow(survey(step), {"middle": survey(middle)})
    finish(middle, 0, rows("abcd"), attempt="2_0_0")
    found = survey(step)
    found.active[1] = "RUNNING"
    assert not follow(found, {"middle": survey(middle)})
    assert borders_of(step, 0).offsets == [0, 3]


@pytest.mark.parametrize("new", [1, 5])
def test_new_rows_of_a_source_are_one_chunk_of_it_whatever_their_number(tmp_path: Path, new: int) -> None:
    chain(tmp_path, "map")
    source = Step(tmp_path, "source")
    grow(source, Growth("source", new, 3, 0))
    assert source.plan.n == 2
