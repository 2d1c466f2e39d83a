"""The catalogue: every video of a folder or a table is a row, and ids stay what they are."""

import re
import shutil
from pathlib import Path

import polars as pl
import pytest

from slurm.errors import InputError
from stages.core.schema import CATALOGUE
from stages.ingest import Input, catalogue

NAMES = ("a.mp4", "a.mkv", "B.MOV", "deep/er/c.WebM", "d.avi", "e.M4v", "ü ñ.mp4")


def ingest(path: Path, column: str | None = None, ids: str | None = None) -> pl.DataFrame:
    return catalogue(Input(str(path), column, ids))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "videos"
    for n, name in enumerate(NAMES):
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).write_bytes(b"x" * n)
    for name in ("notes.txt", "mp4", "poster.jpg", ".hidden.mp4", ".cache/x.mp4", "deep/._c.WebM"):
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).touch()
    return made


def test_videos_are_found_below_the_folder_by_any_suffix_in_any_case(folder: Path) -> None:
    table = ingest(folder)
    assert dict(table.schema) == CATALOGUE
    assert sorted(table["path"].to_list()) == sorted(str(folder / name) for name in NAMES)
    assert table["path"].to_list() == sorted(table["path"].to_list())
    sizes = dict(zip(table["path"], table["bytes"], strict=True))
    assert [sizes[str(folder / name)] for name in NAMES] == list(range(len(NAMES)))
    assert table["source"].unique().to_list() == ["videos"]
    assert "ü ñ" in table["title"].to_list()


def test_files_that_differ_in_their_suffix_or_folder_are_two_videos(folder: Path) -> None:
    (folder / "deep" / "a.mp4").touch()
    table = ingest(folder)
    assert table["video_id"].n_unique() == len(NAMES) + 1
    ids = table.filter(pl.col("title") == "a")["video_id"].to_list()
    assert len(ids) == 3
    assert all(key.startswith("a-") for key in ids)


def test_ids_are_plain_file_names(folder: Path) -> None:
    (folder / f"{'long ' * 40}.mp4").touch()
    (folder / "###.mp4").touch()
    assert all(re.fullmatch(r"[A-Za-z0-9-]{1,60}", key) for key in ingest(folder)["video_id"])


def test_moving_the_folder_keeps_the_ids(folder: Path, tmp_path: Path) -> None:
    before = ingest(folder)["video_id"].to_list()
    shutil.move(folder, tmp_path / "elsewhere")
    assert ingest(tmp_path / "elsewhere")["video_id"].to_list() == before


def test_a_folder_whose_name_looks_like_a_video_is_none(folder: Path) -> None:
    (folder / "season1.mp4").mkdir()
    (folder / "season1.mp4" / "one.mp4").touch()
    table = ingest(folder)
    assert len(table) == len(NAMES) + 1
    assert str(folder / "season1.mp4") not in table["path"].to_list()


@pytest.mark.parametrize("suffix", ["csv", "parquet", "CSV"])
def test_a_table_of_paths_and_urls(tmp_path: Path, suffix: str) -> None:
    (tmp_path / "a.mp4").write_bytes(b"1234")
    places = ["a.mp4", str(tmp_path / "gone.mp4"), "https://example.org/v?id=1"]
    table = pl.DataFrame({"path": places, "title": ["A", None, "C"], "duration_s": [1.5, None, 3.0]})
    file = tmp_path / f"list.{suffix}"
    table.write_parquet(file) if suffix == "parquet" else table.write_csv(file)
    found = ingest(file)
    assert found["path"].to_list() == [str(tmp_path / "a.mp4"), str(tmp_path / "gone.mp4"), None]
    assert found["url"].to_list() == [None, None, places[2]]
    assert found["bytes"].to_list() == [4, None, None]
    assert found["title"].to_list() == ["A", "gone", "C"]
    assert found["duration_s"].to_list() == [1.5, None, 3.0]
    assert found["video_id"].n_unique() == 3


def test_columns_and_ids_may_have_other_names(tmp_path: Path) -> None:
    pl.DataFrame({"link": ["https://e.org/1", "https://e.org/2"], "key": [7, 8]}).write_csv(tmp_path / "l.csv")
    found = ingest(tmp_path / "l.csv", column="link", ids="key")
    assert found["video_id"].to_list() == ["7", "8"]
    assert found["url"].to_list() == ["https://e.org/1", "https://e.org/2"]


@pytest.mark.parametrize(
    ("column", "ids", "missing"), [(None, None, "path"), ("film", None, "film"), ("link", "key", "key")]
)
def test_a_missing_column_is_named_with_those_that_are_there(
    tmp_path: Path, column: str | None, ids: str | None, missing: str
) -> None:
    pl.DataFrame({"link": ["a.mp4"], "size": [1]}).write_csv(tmp_path / "l.csv")
    with pytest.raises(InputError, match=rf"l\.csv has no column '{missing}'; it has: link, size\. Say input\.column="):
        ingest(tmp_path / "l.csv", column, ids)


def test_ids_that_stand_twice_are_refused_and_named(tmp_path: Path) -> None:
    pl.DataFrame({"path": ["a.mp4", "b.mp4", "a.mp4"]}).write_csv(tmp_path / "l.csv")
    with pytest.raises(InputError, match=r"2 rows share a video id, e\.g\. 'a-.*say input\.id="):
        ingest(tmp_path / "l.csv")


def test_a_line_without_a_path_is_refused_and_named(tmp_path: Path) -> None:
    (tmp_path / "l.csv").write_text("path,title\na.mp4,A\n,B\n")
    with pytest.raises(InputError, match="path"):
        ingest(tmp_path / "l.csv")


def test_a_line_without_an_id_is_refused_and_named(tmp_path: Path) -> None:
    (tmp_path / "l.csv").write_text("path,video_id\na.mp4,\nb.mp4,b\n")
    with pytest.raises(InputError, match="video_id"):
        ingest(tmp_path / "l.csv")


def test_a_duration_that_is_no_number_is_refused_and_named(tmp_path: Path) -> None:
    (tmp_path / "l.csv").write_text("path,duration_s\na.mp4,1:30\n")
    with pytest.raises(InputError, match="duration_s"):
        ingest(tmp_path / "l.csv")


def test_nothing_to_ingest_is_an_error_that_says_what_was_looked_for(tmp_path: Path) -> None:
    (tmp_path / "a.txt").touch()
    with pytest.raises(InputError, match=r"no video in it \(\.avi, .*any case\)"):
        ingest(tmp_path)
    with pytest.raises(InputError, match=r"neither a folder nor one of \.csv, \.parquet"):
        ingest(tmp_path / "a.txt")
    with pytest.raises(InputError, match=r"gone: no such file or folder"):
        ingest(tmp_path / "gone")


def test_a_table_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "torn.parquet").write_bytes(b"PAR1 torn")
    (tmp_path / "empty.csv").touch()
    for name in ("torn.parquet", "empty.csv"):
        with pytest.raises(InputError, match=name):
            ingest(tmp_path / name)
