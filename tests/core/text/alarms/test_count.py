"""Each text's number of rows, as a column."""

from pathlib import Path

import polars as pl

from stages.core.text.alarms.count import count_texts


def test_each_row_has_the_number_of_rows_with_its_text(tmp_path: Path) -> None:
    raw = ["A dog.", "a cat", None, "a  DOG", "…", "A dog, 1", "a dog 22", "!"]
    data = {"id": [*range(8)], "raw": raw, "fine": ["x"] * 7 + [None]}
    pl.DataFrame(data).write_csv(tmp_path / "t.csv")
    found = count_texts(pl.scan_csv(tmp_path / "t.csv"), ["raw", "fine"]).collect(engine="streaming")
    assert found.columns == ["id", "raw", "fine", "raw_rows", "fine_rows"]
    assert found["id"].to_list() == [*range(8)]
    assert found["raw_rows"].to_list() == [2, 1, None, 2, None, 2, 2, None]
    assert found["fine_rows"].to_list() == [7] * 7 + [None]
    assert found.schema["raw_rows"] == pl.Int64
    empty = pl.LazyFrame(schema={"raw": pl.String})
    assert count_texts(empty, ["raw"]).collect().schema == {"raw": pl.String, "raw_rows": pl.Int64}
