"""Lists of videos in every form that people keep them in."""

import datetime
import json
from pathlib import Path

import polars as pl
import pytest
from support.hub import Hub

from slurm.errors import InputError
from stages.core.sources.urls import Options, check, read

WATCH = "https://www.youtube.com/watch?v="
ID = "dQw4w9WgXcQ"


def rows(path: Path | str, column: str | None = None, ids: str | None = None, **columns: str | None) -> pl.DataFrame:
    return read(str(path), Options("urls", column, ids, columns)).rows.collect(engine="streaming")


@pytest.mark.parametrize("suffix", ["csv", "parquet", "CSV", "tsv", "jsonl", "ndjson"])
def test_a_table_of_paths_and_urls(tmp_path: Path, suffix: str) -> None:
    (tmp_path / "a.mp4").write_bytes(b"1234")
    places = ["a.mp4", str(tmp_path / "gone.mp4"), "https://example.org/v?id=1"]
    table = pl.DataFrame({"path": places, "title": ["A", None, "C"], "duration_s": [1.5, None, 3.0]})
    (tmp_path / "list 1?.csv").touch()  # what would fit the name if it were a pattern
    file = tmp_path / f"list [1]?*{{x}} 50%.{suffix}"
    if suffix == "parquet":
        table.write_parquet(file)
    elif "json" in suffix:
        table.write_ndjson(file)
    else:
        table.write_csv(file, separator="\t" if suffix == "tsv" else ",")
    found = rows(file)
    assert found["path"].to_list() == [str(tmp_path / "a.mp4"), str(tmp_path / "gone.mp4"), None]
    assert found["url"].to_list() == [None, None, places[2]]
    assert found["bytes"].to_list() == [4, None, None]
    assert found["title"].to_list() == ["A", "gone", "C"]
    assert found["duration_s"].to_list() == [1.5, None, 3.0]
    assert found["source"].to_list() == [file.name] * 3
    assert found["video_id"].n_unique() == 3
    assert found["error"].null_count() == 3


def test_a_text_has_one_video_a_line_and_comments(tmp_path: Path) -> None:
    lines = f"\ufeff# my videos\r\n{ID}\r\n\r\n  https://e.org/a.mp4  \n#done\nsub/b.mp4\n"
    (tmp_path / "l.txt").write_text(lines)
    found = rows(tmp_path / "l.txt")
    assert found["url"].to_list() == [WATCH + ID, "https://e.org/a.mp4", None]
    assert found["path"].to_list() == [None, None, str(tmp_path / "sub" / "b.mp4")]
    assert found["video_id"][0] == ID


def test_a_path_of_eleven_letters_is_no_youtube_id(tmp_path: Path) -> None:
    pl.DataFrame({"path": ["my-video-01"]}).write_csv(tmp_path / "l.csv")
    assert rows(tmp_path / "l.csv")["path"].to_list() == [str(tmp_path / "my-video-01")]


def test_a_table_of_ids_alone_will_do(tmp_path: Path) -> None:
    pl.DataFrame({"video_id": [ID, "abcdefghijk"], "title": ["A", "B"]}).write_csv(tmp_path / "l.csv")
    found = rows(tmp_path / "l.csv")
    assert found["video_id"].to_list() == [ID, "abcdefghijk"]
    assert found["url"].to_list() == [WATCH + ID, f"{WATCH}abcdefghijk"]


def test_a_local_file_may_have_a_page_as_well(tmp_path: Path) -> None:
    pl.DataFrame({"path": ["a.mp4", None], "url": ["https://e.org/a", "https://e.org/b"]}).write_csv(tmp_path / "l.csv")
    found = rows(tmp_path / "l.csv")
    assert found["path"].to_list() == [str(tmp_path / "a.mp4"), None]
    assert found["url"].to_list() == ["https://e.org/a", "https://e.org/b"]


def test_columns_and_ids_may_have_other_names(tmp_path: Path) -> None:
    table = {"link": ["https://e.org/1", "https://e.org/2"], "key": [7, 8], "length": ["1:30", "0:00:00.5"], "by": "me"}
    pl.DataFrame(table).write_csv(tmp_path / "l.csv")
    found = rows(tmp_path / "l.csv", column="link", ids="key", duration_s="length", channel="by", title=None)
    assert found["video_id"].to_list() == ["7", "8"]
    assert found["url"].to_list() == ["https://e.org/1", "https://e.org/2"]
    assert found["duration_s"].to_list() == [90.0, 0.5]
    assert found["channel"].to_list() == ["me", "me"]


def test_columns_of_the_catalogue_are_taken_over_with_their_types(tmp_path: Path) -> None:
    row = {
        "url": "https://e.org/1",
        "views": "12.0",
        "likes": 3,
        "comments": "",
        "tags": '["a", "b"]',
        "upload_date": "20210304",
        "licence": "CC BY",
        "words": " 7 ",
        "bytes": 9,
        "mood": "glad",
    }
    (tmp_path / "l.jsonl").write_text(
        json.dumps(row) + "\n" + json.dumps({"url": "https://e.org/2", "likes": 4}) + "\n"
    )
    first, second = rows(tmp_path / "l.jsonl").to_dicts()
    wanted = {"views": 12, "likes": 3, "comments": None, "tags": ["a", "b"], "licence": "CC BY", "words": 7, "bytes": 9}
    assert {**first, **wanted, "upload_date": datetime.date(2021, 3, 4), "error": None} == first
    assert (second["likes"], second["views"], second["tags"], second["error"]) == (4, None, None, None)


def test_tags_as_a_json_list_may_hold_anything(tmp_path: Path) -> None:
    table = {"url": ["https://e.org/1"], "tags": ['["a", null, 7, "\\ud83d"]']}
    pl.DataFrame(table).write_csv(tmp_path / "l.csv")
    assert rows(tmp_path / "l.csv")["tags"].to_list() == [["a", "7", "?"]]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("duration_s", "1:75"),
        ("duration_s", "-3"),
        ("duration_s", "inf"),
        ("views", "many"),
        ("views", "1.5"),
        ("upload_date", "yesterday"),
        ("upload_date", "2021-13-01"),
        ("tags", "[a"),
        pytest.param("tags", f"[{'9' * 5000}]", id="a number too long"),
        pytest.param("tags", "[" * 100_000, id="too deep"),
    ],
)
def test_a_value_that_cannot_be_read_fails_its_row_and_is_named(tmp_path: Path, column: str, value: str) -> None:
    table = {"url": ["https://e.org/1", "https://e.org/2", "https://e.org/3"], column: [None, value, None]}
    pl.DataFrame(table).write_csv(tmp_path / "l.csv")
    found = rows(tmp_path / "l.csv")
    assert found["error"].to_list() == [None, "bad_value", None]
    assert found["error_detail"][1] == f"{tmp_path}/l.csv: row 2: {column}={value}"
    assert found[column].null_count() == 3
    assert found["url"][1] == "https://e.org/2"


def test_a_path_that_cannot_be_seen_costs_its_row(tmp_path: Path) -> None:
    (tmp_path / "round").symlink_to("round")  # as a folder that may not be entered, but for root as well
    pl.DataFrame({"path": ["round/a.mp4", "gone.mp4"]}).write_csv(tmp_path / "l.csv")
    found = rows(tmp_path / "l.csv")
    assert found["error"].to_list() == ["missing", None]
    assert found["error_detail"][0].endswith("round/a.mp4 cannot be seen from here: Too many levels of symbolic links")


def test_a_number_that_is_no_duration_fails_its_row(tmp_path: Path) -> None:
    pl.DataFrame({"path": ["a", "b", "c"], "duration_s": [1.0, float("inf"), -1.0]}).write_parquet(
        tmp_path / "l.parquet"
    )
    found = rows(tmp_path / "l.parquet")
    assert found["error"].to_list() == [None, "bad_value", "bad_value"]
    assert found["duration_s"].to_list() == [1.0, None, None]


def test_a_line_without_a_path_or_an_id_fails_under_a_name_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "l.csv").write_text("path,video_id,title\na.mp4,a,A\n,b,B\nc.mp4,,C\n,,D\n")
    found = rows(tmp_path / "l.csv")
    assert found["error"].to_list() == [None, "bad_value", "bad_value", "bad_value"]
    told = [f"{tmp_path}/l.csv: row {row}: no {what}" for row, what in ((2, "path"), (3, "video_id"), (4, "path"))]
    assert found["error_detail"].to_list() == [None, *told]
    assert found["video_id"].to_list()[:2] == ["a", "b"]
    assert found["video_id"].n_unique() == 4
    assert found["video_id"].null_count() == 0


def test_a_column_of_line_numbers_is_not_taken_for_addresses(tmp_path: Path) -> None:
    pl.DataFrame({"line": [1], "film": ["a.mp4"]}).write_csv(tmp_path / "l.csv")
    with pytest.raises(InputError, match="no column 'path'; it has: line, film"):
        rows(tmp_path / "l.csv")


@pytest.mark.parametrize(
    ("column", "ids", "missing"), [(None, None, "path"), ("film", None, "film"), ("link", "key", "key")]
)
def test_a_missing_column_is_named_with_those_that_are_there(
    tmp_path: Path, column: str | None, ids: str | None, missing: str
) -> None:
    pl.DataFrame({"link": ["a.mp4"], "size": [1]}).write_csv(tmp_path / "l.csv")
    with pytest.raises(
        InputError, match=rf"l\.csv has no column '{missing}'; it has: link, size\. Say source\.column="
    ):
        rows(tmp_path / "l.csv", column, ids)


def test_a_mapped_column_that_is_missing_is_named(tmp_path: Path) -> None:
    pl.DataFrame({"url": ["https://e.org/1"]}).write_csv(tmp_path / "l.csv")
    with pytest.raises(InputError, match=r"no column 'length'; it has: url\. .*source\.columns\."):
        rows(tmp_path / "l.csv", duration_s="length")


def test_lists_of_a_folder_are_read_together(tmp_path: Path) -> None:
    (tmp_path / "b.txt").write_text("https://e.org/b\n")
    pl.DataFrame({"url": ["https://e.org/a"], "views": [3]}).write_parquet(tmp_path / "a.parquet")
    found = rows(tmp_path)
    assert found["url"].to_list() == ["https://e.org/a", "https://e.org/b"]
    assert found["source"].to_list() == ["a.parquet", "b.txt"]
    assert found["views"].to_list() == [3, None]


def test_a_list_on_the_hub_has_its_videos_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with Hub({"data/l.csv": b"path,views\na.mp4,3\nhttps://e.org/1,\n"}) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        found = rows("hf://datasets/org/name/data")
    assert found["url"].to_list() == ["hf://datasets/org/name/data/a.mp4", "https://e.org/1"]
    assert found["path"].null_count() == 2
    assert found["bytes"].null_count() == 2


def test_a_file_that_is_no_list_is_reported_before_submission(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    with pytest.raises(
        InputError, match=r"neither a folder nor one of \.csv, \.jsonl, \.ndjson, \.parquet, \.tsv, \.txt"
    ):
        check(str(tmp_path / "a.jpg"), Options("urls", None, None, {}))


@pytest.mark.parametrize("name", ["torn.parquet", "empty.csv", "torn.jsonl", "empty.jsonl"])
def test_a_list_that_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"PAR1 torn" if "torn" in name else b"")
    with pytest.raises(InputError, match=name):
        rows(tmp_path / name)
