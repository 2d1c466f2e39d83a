"""A folder of videos: every file is a row, and ids stay what they are."""

import re
import shutil
from pathlib import Path

import polars as pl
import pytest

from slurm.errors import InputError
from stages.core.schema.catalogue import CATALOGUE
from stages.core.sources.folder import Options, check, read

NAMES = ("a.mp4", "a.mkv", "B.MOV", "deep/er/c.WebM", "d.avi", "e.M4v", "ü ñ.mp4")


def rows(path: Path) -> pl.DataFrame:
    return read(str(path), Options("folder")).rows.collect()


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
    table = rows(folder)
    assert dict(table.schema) == CATALOGUE
    assert sorted(table["path"].to_list()) == sorted(str(folder / name) for name in NAMES)
    assert table["path"].to_list() == sorted(table["path"].to_list())
    sizes = dict(zip(table["path"], table["bytes"], strict=True))
    assert [sizes[str(folder / name)] for name in NAMES] == list(range(len(NAMES)))
    assert table["source"].unique().to_list() == ["videos"]
    assert "ü ñ" in table["title"].to_list()


def test_files_that_differ_in_their_suffix_or_folder_are_two_videos(folder: Path) -> None:
    (folder / "deep" / "a.mp4").touch()
    table = rows(folder)
    assert table["video_id"].n_unique() == len(NAMES) + 1
    ids = table.filter(pl.col("title") == "a")["video_id"].to_list()
    assert len(ids) == 3
    assert all(key.startswith("a-") for key in ids)


def test_ids_are_plain_file_names(folder: Path) -> None:
    (folder / f"{'long ' * 40}.mp4").touch()
    (folder / "###.mp4").touch()
    assert all(re.fullmatch(r"[A-Za-z0-9-]{1,60}", key) for key in rows(folder)["video_id"])


def test_moving_the_folder_keeps_the_ids(folder: Path, tmp_path: Path) -> None:
    before = rows(folder)["video_id"].to_list()
    shutil.move(folder, tmp_path / "elsewhere")
    assert rows(tmp_path / "elsewhere")["video_id"].to_list() == before


def test_a_folder_whose_name_looks_like_a_video_is_none(folder: Path) -> None:
    (folder / "season1.mp4").mkdir()
    (folder / "season1.mp4" / "one.mp4").touch()
    table = rows(folder)
    assert len(table) == len(NAMES) + 1
    assert str(folder / "season1.mp4") not in table["path"].to_list()


def test_a_folder_without_videos_says_what_was_looked_for(tmp_path: Path) -> None:
    (tmp_path / "a.txt").touch()
    with pytest.raises(InputError, match=r"no video in it \(\.avi, .*any case\)"):
        rows(tmp_path)


@pytest.mark.parametrize("name", ["gone", "a.mp4"])
def test_what_is_no_folder_is_reported_before_submission(folder: Path, name: str) -> None:
    with pytest.raises(InputError, match=f"{name}: no such folder"):
        check(str(folder / name), Options("folder"))
