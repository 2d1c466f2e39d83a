"""What yt-dlp wrote beside the videos of a folder is in their rows; what cannot be read costs them nothing else."""

import json
import os
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from support.runs import command
from support.site import VideoSite
from support.texts import alarms
from yt_dlp import YoutubeDL

from slurm.record.manifest import Step
from slurm.table import read_table
from stages.core.schema.catalogue import CATALOGUE
from stages.core.sources.folder import Options, read
from stages.core.sources.opt_out import OptOut
from stages.core.sources.sidecars import MOST_BYTES, SUFFIX
from stages.ingest import Config, Input, read_catalogue

ABOUT_YT_DLP: dict[str, Any] = {
    "description": "Two\nlines — “ü”",
    "uploader": "Ann",
    "channel_id": "UC1",
    "tags": ["a", "b, c"],
    "language": "en",
    "view_count": 7,
    "like_count": 0,
    "channel_follower_count": 12,
    "upload_date": "20240229",
    "license": "CC BY",
}


def catalogue(folder: Path) -> tuple[pl.DataFrame, dict[str, int]]:
    made = read(str(folder), Options("folder"))
    rows = made.rows.collect()
    assert dict(rows.drop("error", "error_detail").schema) == CATALOGUE
    return rows, dict(made.left_out)


def video(folder: Path, name: str, content: bytes | str | dict[str, Any] | None = None) -> Path:
    """A video, and beside it the sidecar with this content, which is returned."""
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(b"x")
    sidecar = (folder / name).with_suffix(SUFFIX)
    if content is not None:
        text = json.dumps(content) if isinstance(content, dict) else content
        sidecar.write_bytes(text.encode() if isinstance(text, str) else text)
    return sidecar


def row(folder: Path, name: str) -> dict[str, Any]:
    (found,) = catalogue(folder)[0].filter(path=str(folder / name)).to_dicts()
    return found


def test_what_yt_dlp_itself_wrote_is_in_the_row_whose_id_stays(tmp_path: Path) -> None:
    for name in ("one.mp4", "other.mp4"):
        video(tmp_path / "v", name)
    before = catalogue(tmp_path / "v")[0]
    with VideoSite(tmp_path) as site:
        url = site.page("one", "h264+aac_72.mp4", **ABOUT_YT_DLP)
        wanted = {"writeinfojson": True, "skip_download": True, "quiet": True}
        with YoutubeDL({**wanted, "outtmpl": str(tmp_path / "v" / "one.%(ext)s")}) as downloader:
            downloader.extract_info(url)
    rows, left_out = catalogue(tmp_path / "v")
    assert left_out == {}
    assert rows["video_id"].to_list() == before["video_id"].to_list()
    assert rows.row(1) == before.row(1)
    assert rows.row(0, named=True) == {
        **before.row(0, named=True),
        "url": url,
        "title": "The film one",
        "description": "Two\nlines — “ü”",
        "channel": "Ann",
        "channel_id": "UC1",
        "tags": ["a", "b, c"],
        "language": "en",
        "duration_s": 10.0,
        "views": 7,
        "likes": 0,
        "followers": 12,
        "upload_date": date(2024, 2, 29),
        "licence": "CC BY",
    }


def test_a_sidecar_belongs_to_every_video_of_its_name_and_to_no_other(tmp_path: Path) -> None:
    for name in ("a.mp4", "a.mkv", "b.part.MP4", "deep/a.mp4", "c.mp4"):
        video(tmp_path, name)
    for name in ("a", "b.part", ".c"):
        (tmp_path / f"{name}{SUFFIX}").write_text(json.dumps({"title": f"About {name}"}))
    (tmp_path / "c.json").write_text(json.dumps({"title": "no sidecar"}))
    titles = {Path(path).relative_to(tmp_path).as_posix(): title for path, title in read_titles(tmp_path)}
    assert titles == {
        "a.mp4": "About a",
        "a.mkv": "About a",
        "b.part.MP4": "About b.part",
        "deep/a.mp4": "a",
        "c.mp4": "c",
    }


def read_titles(folder: Path) -> list[tuple[str, str]]:
    return catalogue(folder)[0].select("path", "title").rows()


@pytest.mark.parametrize(
    "content", [b"", b'{"title": "torn', b'["title"]', b"\xff\xfe\xff", b"[" * 100_000, b"9" * 5000]
)
def test_a_sidecar_that_is_none_costs_no_video_anything_and_is_named(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    video(tmp_path, "a.mp4", {"title": "About a"})
    video(tmp_path, "b.mp4")
    before = row(tmp_path, "b.mp4")
    sidecar = video(tmp_path, "b.mp4", content)
    assert catalogue(tmp_path)[1] == {"sidecar_bad_value": 1}
    assert row(tmp_path, "b.mp4") == before
    assert row(tmp_path, "a.mp4")["title"] == "About a"
    assert f"sidecar_bad_value: {sidecar}" in caplog.text


def grown(sidecar: Path) -> None:
    sidecar.write_text('{"title": "with comments", "comments": "')
    os.truncate(sidecar, MOST_BYTES + 1)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (grown, "sidecar_too_large"),
        (Path.mkdir, "sidecar_unreadable"),
        (os.mkfifo, "sidecar_unreadable"),
        (lambda sidecar: sidecar.symlink_to("nowhere"), "sidecar_unreadable"),
    ],
)
def test_what_is_too_large_or_no_file_is_not_read(tmp_path: Path, make: Callable[[Path], None], reason: str) -> None:
    make(video(tmp_path, "a.mp4"))
    assert catalogue(tmp_path)[1] == {reason: 1}
    assert row(tmp_path, "a.mp4")["title"] == "a"


def test_several_losses_of_a_kind_are_counted_and_the_first_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("a.mp4", "b.mp4", "c.mp4"):
        video(tmp_path, name, "{")
    assert catalogue(tmp_path)[1] == {"sidecar_bad_value": 3}
    assert caplog.text.count("sidecar_bad_value") == 1
    assert "a.info.json" in caplog.text
    assert "and 2 more" in caplog.text


def test_a_value_that_cannot_be_read_is_null_and_the_others_are_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    odd = (
        '{"fulltitle": ["a"], "description": "half a \\ud83d", "view_count": "many", "like_count": -1, '
        '"comment_count": 1e999, "channel_follower_count": 1000000000000000000000000, "duration": NaN, '
        '"tags": ["a", null, 7, "\\ud83d"], "upload_date": "20211345", "uploader": " ", "license": {"name": "CC"}, '
        '"webpage_url": "file:///etc/passwd", "language": false}'
    )
    sidecar = video(tmp_path, "a.mp4", odd)
    found = row(tmp_path, "a.mp4")
    known = {column: value for column, value in found.items() if value is not None}
    assert known.keys() - {"video_id", "source", "path", "bytes"} == {"title", "description", "tags", "language"}
    assert (found["title"], found["description"], found["tags"]) == ("a", "half a ?", ["a", "7", "?"])
    assert catalogue(tmp_path)[1] == {"sidecar_bad_value": 1}
    assert f"{sidecar}: title is a list" in caplog.text


def test_a_value_in_a_spelling_of_other_tools_is_read(tmp_path: Path) -> None:
    told = {"title": " 1984 ", "duration": "12:30", "view_count": "12", "upload_date": "2021-03-04", "tags": "a, b"}
    video(tmp_path, "a.mp4", json.dumps(told).encode("utf-8-sig"))
    video(tmp_path, "b.mp4", json.dumps({**told, "title": 1984}).encode("utf-16"))
    for name in ("a.mp4", "b.mp4"):
        found = row(tmp_path, name)
        assert [found[column] for column in ("title", "duration_s", "views", "upload_date", "tags")] == [
            "1984",
            750.0,
            12,
            date(2021, 3, 4),
            ["a", "b"],
        ]
    assert catalogue(tmp_path)[1] == {}


def test_who_opted_out_is_known_by_the_sidecar(tmp_path: Path) -> None:
    page = "https://www.youtube.com/watch?v="
    video(tmp_path / "v", "a.mp4", {"webpage_url": f"{page}aaaaaaaaaaa", "channel_id": "UC1"})
    video(tmp_path / "v", "b.mp4", {"webpage_url": f"{page}bbbbbbbbbbb", "channel_id": "UC2"})
    video(tmp_path / "v", "c.mp4")
    (tmp_path / "out.txt").write_text("https://youtu.be/aaaaaaaaaaa\nUC2\n")
    config = Config(Input(str(tmp_path / "v")), Options("folder"), OptOut(str(tmp_path / "out.txt")), alarms())
    made = read_catalogue(config)
    assert made.rows.collect()["title"].to_list() == ["c"]
    assert made.left_out == {"opt_out": 2}


def test_an_extension_reads_the_sidecars_of_what_is_new(tmp_path: Path) -> None:
    folder = tmp_path / "v"
    words = ["run=r", f"runs={tmp_path}", f"input.path={folder}", "cluster.executor=debug"]
    video(folder, "b.mp4", {"title": "About b"})
    video(folder, "c.mp4", "torn")
    assert command("stages.ingest", *words).returncode == 0
    first = read_table(tmp_path / "r", "ingest").drop("extension").collect()
    video(folder, "a.mp4", {"title": "About a"})
    video(folder, "d.mp4", "torn")
    done = command("stages.ingest", *words, "extend=true")
    assert done.returncode == 0, done.stderr
    rows = read_table(tmp_path / "r", "ingest").collect()
    assert rows.select("title", "extension").rows() == [("About b", 0), ("c", 0), ("About a", 1), ("d", 1)]
    assert rows.drop("extension").head(2).equals(first)
    left_out = Step(tmp_path / "r", "ingest").scan("left_out")
    assert left_out is not None
    assert left_out.collect().rows() == [("sidecar_bad_value", 1), ("sidecar_bad_value", 1)]
