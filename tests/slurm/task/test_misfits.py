"""An item with a value that no column can hold fails alone."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from support.steps import cluster, made_step

from slurm.task.attempt import Attempt, Output
from slurm.task.commit import commit

TEXT = pl.String()
SCHEMAS: dict[str, dict[str, pl.DataType]] = {
    "rows": {"video_id": TEXT, "value": TEXT, "error": TEXT, "error_detail": TEXT},
    "letters": {"video_id": TEXT, "letter": TEXT, "place": pl.Int64()},
}


@pytest.mark.parametrize(
    "odd",
    [
        {"rows": [{"video_id": "b", "value": "v"}], "letters": [{"video_id": "b", "place": "third"}]},
        {"rows": [{"video_id": "b", "value": "v"}], "letters": [{"video_id": "b", "place": 10**30}]},
        {"rows": [{"video_id": "b", "value": "half \ud83d"}]},
        {"letters": [{"video_id": "b", "place": 1e30}]},
    ],
)
def test_an_item_with_a_value_that_fits_no_column_fails_alone(
    tmp_path: Path, odd: dict[str, list[dict[str, Any]]]
) -> None:
    step = made_step(tmp_path, tables={"letters": {}})
    first = Attempt(step, 0, "1_0_0", SCHEMAS)
    first.event("start", job="7_0", restart=0, host="far", pid=1, node="far", log="", fingerprint=step.plan.fingerprint)
    good: dict[str, list[dict[str, Any]]] = {
        "rows": [{"video_id": "a", "value": "v"}],
        "letters": [{"video_id": "a", "letter": x} for x in "ab"],
    }
    bad: dict[str, list[dict[str, Any]]] = {"rows": [{"video_id": "c", "error": "corrupt", "error_detail": "torn"}]}
    for output in (Output(["a"], good), Output(["b"], odd), Output(["c"], bad, failed=1)):
        first.add(output, flush_s=60)
    done = commit(first, pl.Series(["a", "b", "c"]), cluster())
    assert first.failed == 2
    assert (done.rows_out, done.rows_failed) == (3, 2)
    rows, letters = step.scan(), step.scan("letters")
    assert rows is not None
    assert rows.collect()["error"].to_list() == [None, "misfit", "corrupt"]
    assert letters is not None
    assert letters.collect()["video_id"].to_list() == ["a", "a"]
