"""The last acts of an attempt: whether what it computed again is a new edition that steps behind it have to follow."""

from pathlib import Path

import polars as pl
import pytest
from support.steps import cluster, made_step

from slurm.record.done import Done
from slurm.record.manifest import Step
from slurm.task.attempt import Attempt, Output
from slurm.task.commit import commit

TEXT = pl.String()
SCHEMAS: dict[str, dict[str, pl.DataType]] = {
    "rows": {"video_id": TEXT, "value": TEXT, "error": TEXT, "error_detail": TEXT},
    "letters": {"video_id": TEXT, "letter": TEXT},
}


def done_by(step: Step, name: str, letters: str, source: str = "") -> Done:
    """The record of an attempt that gave item a these letters, and for which item b failed."""
    attempt = Attempt(step, 0, name, SCHEMAS)
    good: list[dict[str, object]] = [{"video_id": "a", "value": "v"}]
    failed: list[dict[str, object]] = [{"video_id": "b", "error": "corrupt", "error_detail": "torn"}]
    side: list[dict[str, object]] = [{"video_id": "a", "letter": letter} for letter in letters]
    attempt.add(Output(["a"], {"rows": good, "letters": side}), flush_s=60)
    attempt.add(Output(["b"], {"rows": failed, "letters": []}, failed=1), flush_s=60)
    return commit(attempt, pl.Series(["a", "b"]), cluster(), source)


@pytest.mark.parametrize(("letters", "source", "same"), [("ab", "", True), ("az", "", False), ("ab", "new", False)])
def test_a_chunk_that_was_computed_again_to_the_same_from_the_same_is_no_new_edition(
    tmp_path: Path, letters: str, source: str, same: bool
) -> None:
    step = made_step(tmp_path, tables={"letters": {}})
    first = done_by(step, "1_0_0", "ab")
    step.paths.part(first.part, "letters").unlink()
    again = done_by(step, "2_0_0", letters, source)
    assert again.part != first.part
    assert (again.edition == first.edition) is same
