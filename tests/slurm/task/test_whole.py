"""A chunk that one output finished as a whole is written without a flush, and is what a flush would have made of it."""

from pathlib import Path

import polars as pl
import pytest
from support.steps import cluster, made_step

from slurm.record.files import names
from slurm.record.manifest import Step
from slurm.record.merge import LostRowsError
from slurm.task.attempt import Attempt, Output
from slurm.task.commit import commit

TEXT = pl.String()
SCHEMAS: dict[str, dict[str, pl.DataType]] = {
    "rows": {"video_id": TEXT, "value": TEXT, "error": TEXT, "error_detail": TEXT},
    "values": {"video_id": TEXT, "rule": TEXT, "value": pl.Float64()},
}
ITEMS = pl.Series(["b", "a", "c"])
ROWS = pl.DataFrame({"video_id": ITEMS, "value": ["x", "y", "z"]})
# a rule after another, as unpivot gives them; and none of item c
VALUES = pl.DataFrame({"video_id": list("baab"), "rule": ["first"] * 2 + ["second"] * 2, "value": [1, 2, 3, 4]})


def attempt(step: Step, name: str) -> Attempt:
    made = Attempt(step, 0, name, SCHEMAS)
    made.event("start", job="7_0", restart=0, host="far", pid=1, node="far", log="", fingerprint=step.plan.fingerprint)
    return made


def written(step: Step, rows: pl.DataFrame, values: pl.DataFrame, *, flushed: bool) -> dict[str, pl.DataFrame]:
    """The tables of the chunk after an attempt that finished it in one output."""
    made = attempt(step, "1_0_0")
    made.add(Output(list(ITEMS), {"rows": rows, "values": values}), flush_s=60)
    if flushed:
        made.flush()
        assert names(made.partial)
    done = commit(made, ITEMS, cluster())
    assert (done.rows_in, done.rows_out) == (3, 3)
    assert not made.partial.exists()
    found = {table: step.scan(table) for table in SCHEMAS}
    return {table: lazy.collect() for table, lazy in found.items() if lazy is not None}


def test_it_is_what_a_flush_would_have_made(tmp_path: Path) -> None:
    tables = {"values": {"rule": "String", "value": "Float64"}}
    steps = [made_step(tmp_path / name, tables=tables) for name in ("whole", "flushed")]
    whole, flushed = (written(step, ROWS, VALUES, flushed=n == 1) for n, step in enumerate(steps))
    assert whole.keys() == flushed.keys() == SCHEMAS.keys()
    for table, schema in SCHEMAS.items():
        assert whole[table].schema == flushed[table].schema == schema
        assert whole[table].equals(flushed[table])
    assert whole["values"]["video_id"].to_list() == ["b", "b", "a", "a"]


@pytest.mark.parametrize("rows", [ROWS[:2], ROWS.with_columns(video_id=pl.Series(["b", "a", "a"]))])
def test_lost_rows_are_found_all_the_same(tmp_path: Path, rows: pl.DataFrame) -> None:
    step = made_step(tmp_path, tables={"values": {}})
    with pytest.raises(LostRowsError, match=r"1 items without a row \(e\.g\. c\)"):
        written(step, rows, VALUES, flushed=False)


def test_rows_in_another_order_come_into_that_of_the_items(tmp_path: Path) -> None:
    step = made_step(tmp_path, tables={"values": {}})
    assert written(step, ROWS[::-1], VALUES, flushed=False)["rows"]["video_id"].to_list() == ["b", "a", "c"]


def test_a_row_of_a_side_table_that_is_of_no_item_is_left_out(tmp_path: Path) -> None:
    step = made_step(tmp_path, tables={"values": {}})
    other = pl.concat([VALUES, VALUES[:1].with_columns(video_id=pl.lit("z"))])
    assert written(step, ROWS, other, flushed=False)["values"]["video_id"].to_list() == ["b", "b", "a", "a"]
