"""What a chunk is made of lies in a few chunks of the steps before it, and only these are read."""

from pathlib import Path

import polars as pl
import pytest
from support.steps import finish, made_step, plan

from slurm.record.lineage import Reach, reach, scan_reach
from slurm.record.manifest import Step
from slurm.record.plan import Columns
from stages.core.runner.inputs import read_items

GIVES = {**plan().gives, "path": "String"}


def rows(ids: list[str], **columns: list[object]) -> pl.DataFrame:
    empty = pl.lit(None, pl.String)
    table = pl.DataFrame({"video_id": ids, **columns}, schema_overrides={"video_id": pl.String})
    return table.with_columns(error=empty, error_detail=empty)


def numbered(first: int, count: int) -> list[str]:
    return [f"v{n:07d}" for n in range(first, first + count)]


def source(run: Path, per_chunk: list[int], name: str = "source") -> Step:
    """A step whose chunks have so many rows, each with a path."""
    step, first = made_step(run, name, n=len(per_chunk), gives=GIVES), 0
    for chunk, count in enumerate(per_chunk):
        ids = numbered(first, count)
        finish(step, chunk, rows(ids, path=[f"{key}.mp4" for key in ids]))
        first += count
    return step


def copied(run: Path, name: str, of: str, per_chunk: list[list[str]], aligned: bool = False) -> Step:
    """A step behind `of` whose chunks kept these rows."""
    step = made_step(run, name, n=len(per_chunk), inputs=[of], aligned=aligned)
    for chunk, ids in enumerate(per_chunk):
        finish(step, chunk, rows(ids))
    return step


def test_the_rows_behind_a_chunk_are_found_through_steps_that_cut_chunks_of_their_own(tmp_path: Path) -> None:
    source(tmp_path, [10, 10, 10])
    copied(tmp_path, "halves", "source", [numbered(0, 15), numbered(15, 15)])
    copied(tmp_path, "same", "halves", [numbered(0, 15), numbered(15, 15)], aligned=True)
    fifths = made_step(tmp_path, "fifths", n=5, inputs=["same"])
    assert reach(fifths, 0, "same") == Reach(range(1), range(6))
    assert reach(fifths, 2, "same") == Reach(range(2), range(12, 18))
    assert reach(fifths, 4, "halves") == Reach(range(1, 2), None)
    assert reach(fifths, 4, "source") == Reach(range(1, 3), range(5, 20))


def test_the_rows_of_a_step_beside_are_found_over_the_step_that_both_read(tmp_path: Path) -> None:
    source(tmp_path, [12])
    side = copied(tmp_path, "side", "source", [numbered(2 * chunk, 2) for chunk in range(6)])
    quarters = made_step(tmp_path, "quarters", n=4, inputs=["source", "side"])
    for chunk in range(6):
        read_items(side, chunk)  # has the borders of its chunks written
    assert [reach(quarters, chunk, "side") for chunk in range(4)] == [
        Reach(range(2), None), Reach(range(1, 3), None), Reach(range(3, 5), None), Reach(range(4, 6), None)
    ]  # fmt: skip


def test_steps_with_nothing_in_common_tell_nothing_of_each_other(tmp_path: Path) -> None:
    source(tmp_path, [3])
    source(tmp_path, [3], "other")
    assert reach(made_step(tmp_path, "behind", n=1, inputs=["source"]), 0, "other") is None


def test_rows_that_failed_or_were_dropped_shift_nothing(tmp_path: Path) -> None:
    step = made_step(tmp_path, "source", n=1, gives={**GIVES, "drop_reason": "String"})
    table = rows(numbered(0, 8), path=[str(n) for n in range(8)]).with_columns(
        error=pl.Series(["corrupt", None, None, None, None, "empty", None, None]),
        drop_reason=pl.Series([None, None, "x", None, None, None, None, None], dtype=pl.String),
    )
    finish(step, 0, table)
    behind = made_step(tmp_path, "behind", n=2, inputs=["source"], columns=Columns({"path": "source"}, {}))
    assert [read_items(behind, chunk)["path"].to_list() for chunk in range(2)] == [["1", "3"], ["4", "6", "7"]]


@pytest.mark.parametrize("chunks", [1, 100])
def test_a_column_from_a_large_step_is_joined_by_reading_a_hundredth_of_it_at_most(tmp_path: Path, chunks: int) -> None:
    """A chunk of 1,000 of 2,000,000 rows: what this process reads from files is counted."""
    size = 2_000_000 // chunks
    large = made_step(tmp_path, "large", n=chunks, gives=GIVES)
    for chunk in range(chunks):
        keys = pl.int_range(chunk * size, (chunk + 1) * size, eager=True)
        hashed = (keys.hash(7) % 10**9).cast(pl.String)  # so that no packing makes it small
        frame = pl.DataFrame({"video_id": "v" + keys.cast(pl.String).str.zfill(7), "path": hashed})
        nothing = pl.lit(None, pl.String)
        finish(large, chunk, frame.with_columns(error=nothing, error_detail=nothing))
    thin = made_step(tmp_path, "thin", n=2000, inputs=["large"], columns=Columns({}, {}))
    read_items(thin, 0)
    finish(thin, 777, rows(read_items(thin, 777)["video_id"].to_list()))
    behind = made_step(
        tmp_path, "behind", n=2000, inputs=["thin"], aligned=True, columns=Columns({"path": "large"}, {})
    )
    stored = sum(file.stat().st_size for file in large.paths.parts.rglob("*.parquet"))
    before = bytes_read()
    items = read_items(behind, 777)
    assert bytes_read() - before < 0.01 * stored
    assert len(items) == 1000
    assert bytes_read_by(large) > 0.1 * stored  # as a whole column is
    assert items["path"].is_not_null().all()


def bytes_read_by(step: Step) -> int:
    before, rows = bytes_read(), step.scan()
    assert rows is not None
    rows.select("path").collect()
    return bytes_read() - before


def bytes_read() -> int:
    """Bytes that this process has read from files so far, mapped pages left out."""
    return int(Path("/proc/self/io").read_text().split()[1])


def test_a_reach_of_no_row_has_the_columns(tmp_path: Path) -> None:
    step = source(tmp_path, [3])
    table = scan_reach(step, Reach(range(1), range(2, 2)))
    assert table is not None
    assert table.collect().columns == ["video_id", "path", "error", "error_detail"]
