"""Which row is better: by each quality in turn, then by its id."""

import polars as pl
import pytest

from stages.core.dedup.order import order_rows
from stages.core.dedup.settings import Quality

ROWS = pl.DataFrame(
    {
        "id": ["d", "c", "b", "a"],
        "width_px": [640, 1280, 640, None],
        "height_px": [360, 720, 360, None],
        "bytes": [2_000_000, 1_000_000, 3_000_000, None],
        "fps": [25.0, 25.0, 25.0, None],
        "frames": [250, 250, 500, None],
        "duration_s": [10.0, 10.0, 20.0, 30.0],
        "upload_date": pl.Series(["2020-01-01", "2022-01-01", None, "2021-01-01"]).str.to_date(),
    }
)


@pytest.mark.parametrize(
    ("prefer", "best_first"),
    [
        (["resolution", "bit_rate", "age"], "cdba"),
        (["bit_rate"], "dbca"),
        (["length"], "abcd"),
        (["age"], "dacb"),
        ([], "abcd"),
    ],
)
def test_rows_are_ordered_by_each_quality_in_turn(prefer: list[Quality], best_first: str) -> None:
    assert "".join(order_rows(ROWS, prefer)["id"]) == best_first
    assert "".join(order_rows(ROWS.reverse(), prefer)["id"]) == best_first


def test_the_bit_rate_of_skim_is_taken_where_it_is_known() -> None:
    rows = ROWS.with_columns(bits_per_s=pl.Series([1.0, 5.0, None, 2e6]))
    assert "".join(order_rows(rows, ["bit_rate"])["id"]) == "abcd"


def test_without_any_column_the_id_decides() -> None:
    assert "".join(order_rows(ROWS.select("id"), ["resolution", "bit_rate", "age", "length"])["id"]) == "abcd"
