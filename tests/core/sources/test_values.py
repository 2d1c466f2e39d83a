"""Values of lists: what says nothing is null, in every column; what is of another kind costs its row."""

import datetime
import json
from pathlib import Path

import polars as pl
import pytest

from stages.core.sources.urls import Options, read


def rows(path: Path) -> pl.DataFrame:
    return read(str(path), Options("urls", None, None, {})).rows.collect(engine="streaming")


ABOUT_COLUMNS = {
    "source": "l",
    "title": "t",
    "tags": "a, b",
    "duration_s": "1.5",
    "views": "3",
    "upload_date": "20210304",
}


@pytest.mark.parametrize("nothing", ["", " ", "nan", "NaN", "None", "null", "NULL", "<NA>", "NA", "N/A", "#N/A", "\\N"])
def test_nothing_is_null_however_it_is_written(tmp_path: Path, nothing: str) -> None:
    pl.DataFrame([{"url": "https://e.org/1", **dict.fromkeys(ABOUT_COLUMNS, nothing)}]).write_csv(tmp_path / "l.csv")
    found = rows(tmp_path / "l.csv")
    assert found.select("error", *ABOUT_COLUMNS).row(0) == (None, "l.csv", *[None] * (len(ABOUT_COLUMNS) - 1))


def test_nan_is_null_in_every_column_of_every_kind_of_list(tmp_path: Path) -> None:
    nan = float("nan")
    table = {"url": ["https://e.org/1", "https://e.org/2"], **{c: [nan, nan] for c in ABOUT_COLUMNS if c != "tags"}}
    pl.DataFrame({**table, "tags": [["a", None, "nan"], ["NaN"]]}).write_parquet(tmp_path / "l.parquet")
    (tmp_path / "l.jsonl").write_text(
        json.dumps({"url": "https://e.org/1", **dict.fromkeys(ABOUT_COLUMNS, nan), "tags": ["a", nan, None]}) + "\n"
    )
    for name in ("l.parquet", "l.jsonl"):
        found = rows(tmp_path / name)
        assert found["error"].null_count() == len(found)
        assert found.select("title", "duration_s", "views", "upload_date").row(0) == (None,) * 4
        assert found["tags"].to_list() == [["a"], None][: len(found)]
        assert found["source"].to_list() == [name] * len(found)


def test_a_column_of_another_kind_costs_the_rows_that_have_a_value_in_it(tmp_path: Path) -> None:
    table = {"url": ["https://e.org/1", "https://e.org/2"], "title": [{"en": "A"}, None], "tags": [[["a"]], None]}
    pl.DataFrame({**table, "duration_s": [datetime.timedelta(seconds=2.5)] * 2}).write_parquet(tmp_path / "l.parquet")
    found = rows(tmp_path / "l.parquet")
    assert found["duration_s"].to_list() == [2.5, 2.5]
    assert found["error"].to_list() == ["bad_value", None]
    assert "row 1: title=Struct" in found["error_detail"][0]


def test_a_path_that_says_nothing_is_none(tmp_path: Path) -> None:
    (tmp_path / "l.csv").write_text("path,url\nNaN,https://e.org/1\nnan,None\n")
    found = rows(tmp_path / "l.csv")
    assert found["url"].to_list() == ["https://e.org/1", None]
    assert found["path"].to_list() == [None, None]
