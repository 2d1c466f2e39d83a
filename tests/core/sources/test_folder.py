"""A folder of videos: every file is a row, and ids stay what they are."""

import os
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
    assert dict(table.drop("error", "error_detail").schema) == CATALOGUE
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
    with pytest.raises(InputError, match=r"no video in it \(\.3g2, .*any case\), but 1 \*\.txt"):
        rows(tmp_path)


@pytest.mark.parametrize("name", ["gone", "gone.mp4", "*.gone"])
def test_what_is_not_there_is_reported_before_submission(folder: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"gone(\.mp4)?: no such folder or video"):
        check(str(folder / name), Options("folder"))


def test_every_suffix_of_a_video_is_taken_and_others_are_counted(folder: Path) -> None:
    names = [f"x.{s}" for s in ("ts", "mts", "M2TS", "mpg", "mpeg", "flv", "wmv", "3gp", "ogv", "vob", "mxf")]
    for name in (*names, "two.JPG", "x.srt", "odd.a b", "deep/video.part"):
        (folder / name).touch()
    found = read(str(folder), Options("folder"))
    assert set(names) <= {Path(path).name for path in found.rows.collect()["path"]}
    assert found.left_out == {"*.txt": 1, "*.jpg": 2, "*.srt": 1, "*.part": 1, "no suffix": 2}


def test_what_lies_behind_links_is_found_once_and_circles_end(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "disk" / "more").mkdir(parents=True)
    (tmp_path / "disk" / "more" / "x.mp4").touch()
    (tmp_path / "disk" / "back").symlink_to(folder)
    before = rows(folder)
    for name in ("aaa", "zzz"):
        (folder / name).symlink_to(tmp_path / "disk")
    (folder / "deep" / "up").symlink_to("..")
    (folder / "one.mp4").symlink_to(tmp_path / "disk" / "more" / "x.mp4")
    (folder / "broken.mp4").symlink_to("gone.mp4")
    found = read(str(folder), Options("folder"))
    table = found.rows.collect()
    new = {str(folder / name) for name in ("aaa/more/x.mp4", "one.mp4", "broken.mp4")}
    assert set(table["path"]) == {*before["path"], *new}
    assert set(before["video_id"]) < set(table["video_id"])
    assert found.left_out["linked_again"] == 3  # zzz, up and back
    assert table["error"].null_count() == len(table)


def test_a_name_that_is_not_utf8_costs_its_row(folder: Path) -> None:
    (Path(os.fsdecode(os.fsencode(folder / "caf") + b"\xe9.mp4"))).touch()
    (Path(os.fsdecode(os.fsencode(folder / "x.d") + b"\xe9"))).touch()
    table = rows(folder)
    bad = table.filter(pl.col("error").is_not_null())
    assert len(table) == len(NAMES) + 1
    assert bad["error"].to_list() == ["bad_value"]
    assert "caf?.mp4: a name that is not UTF-8" in bad["error_detail"][0]
    assert bad["path"].to_list() == [None]


def test_a_video_and_a_pattern_have_the_ids_of_their_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = dict(rows(folder).select("path", "video_id").iter_rows())
    one, some, deep = (rows(folder / name) for name in ("a.mp4", "[aB].[mM]*", "**"))
    assert one["video_id"].to_list() == [ids[str(folder / "a.mp4")]]
    assert some["video_id"].to_list() == [ids[str(folder / name)] for name in ("B.MOV", "a.mkv", "a.mp4")]
    assert dict(deep.select("path", "video_id").iter_rows()) == ids
    assert some["source"].to_list() == ["videos"] * 3
    monkeypatch.chdir(folder)
    assert rows(Path("*.avi"))["video_id"].to_list() == [ids[str(folder / "d.avi")]]
    monkeypatch.chdir(folder.parent)
    assert rows(Path("vid*"))["path"].to_list() == sorted(ids)
