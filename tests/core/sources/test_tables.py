"""Several parts of a table are computed ahead, in order."""

from threading import Event, get_ident

import polars as pl

from stages.core.sources.tables import compute_ahead

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
