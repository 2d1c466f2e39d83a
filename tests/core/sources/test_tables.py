"""Several parts of a table are computed ahead, in order; what unpacks to far too much is not read."""

from pathlib import Path
from threading import Event, get_ident

import polars as pl
import pytest

from slurm.errors import InputError
from stages.core.sources import unpacked
from stages.core.sources.tables import compute_ahead
from stages.core.sources.urls import Options, read

PARTS = [pl.LazyFrame({"n": [n]}) for n in range(20)]


def test_parts_come_in_order_and_are_computed_in_other_threads() -> None:
    threads: set[int] = set()

    def compute(part: pl.LazyFrame) -> pl.DataFrame:
        threads.add(get_ident())
        return part.collect()

    assert [table.item() for table in compute_ahead(compute, PARTS, at_once=3)] == list(range(20))
    assert get_ident() not in threads


def test_who_stops_early_does_not_wait_even_in_a_thread_that_computes() -> None:
    """Python may collect an abandoned reader as garbage in any thread."""
    begun, read, closed = [], Event(), Event()

    def compute(part: pl.LazyFrame) -> pl.DataFrame:
        table = part.collect()
        begun.append(table.item())
        if table.item() == 2:
            assert read.wait(20)
            ahead.close()
            closed.set()
        return table

    ahead = compute_ahead(compute, PARTS, at_once=2)
    assert next(ahead).item() == 0
    read.set()
    assert closed.wait(20)
    assert max(begun) <= 3, "nothing is computed any more that nobody asks for"


def test_a_column_that_unpacks_to_far_too_much_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacked, "MOST_BYTES", 1 << 20)
    file = tmp_path / "l.parquet"
    table = {
        "url": ["https://e.org/1", "https://e.org/2"],
        "title": ["a", "b" * 3_000_000],
        "note": ["c" * 3_000_000] * 2,
    }
    pl.DataFrame(table).write_parquet(file, compression="zstd")
    with pytest.raises(InputError, match=r"column 'title' unpacks to 3,000,\d+ bytes"):
        read(str(file), Options("urls", None, None, {}))
    pl.DataFrame(table).drop("title").write_parquet(file, compression="zstd")  # a column that nobody asks for
    assert len(read(str(file), Options("urls", None, None, {})).rows.collect()) == 2
