"""Which steps get new chunks in an extension, and whose chunks are laid out again."""

from pathlib import Path

import polars as pl
import pytest
from support.steps import finish, made_step

from slurm.control.extend import Growth, grow
from slurm.record.inputs import borders_of
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
    grow(step, NOTHING_NEW)
    assert step.paths.borders_of(0).exists()
    assert step.plan.n == 2


def test_chunks_over_a_step_that_will_be_made_again_are_laid_out_again(tmp_path: Path) -> None:
    step = chain(tmp_path, "reduce")
    grow(step, Growth("source", 1, 3, 0))
    assert not step.paths.borders_of(0).exists()
    assert step.plan.n == 2


def test_chunks_over_a_step_whose_rows_have_changed_meanwhile_are_laid_out_again(tmp_path: Path) -> None:
    step = chain(tmp_path, "map")
    finish(step.other("middle"), 0, rows("ab"), attempt="2_0_0")
    grow(Step(tmp_path, "step"), NOTHING_NEW)
    assert not step.paths.borders_of(0).exists()


@pytest.mark.parametrize("new", [1, 5])
def test_new_rows_of_a_source_are_one_chunk_of_it_whatever_their_number(tmp_path: Path, new: int) -> None:
    chain(tmp_path, "map")
    source = Step(tmp_path, "source")
    grow(source, Growth("source", new, 3, 0))
    assert source.plan.n == 2
