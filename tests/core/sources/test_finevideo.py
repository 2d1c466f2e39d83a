"""A dataset in FineVideo's form: what is known of its videos is read, and not the videos."""

import json
import logging
import random
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.hub import Hub
from support.web import Web

from slurm.errors import InputError
from stages.core.schema.catalogue import CATALOGUE
from stages.core.sources.finevideo import Options, check, read

Known = dict[str, Any]


def known(name: str, fine: str = "Engineering Projects", parent: str = "Education", **other: object) -> Known:
    """A video's `json`, as the dataset's card shows it."""
    scene = {"sceneId": 1, "cast": ["Sara"], "timestamps": {"start_timestamp": "00:00:00.000"}, "dynamismScore": 0.7}
    return {
        "content_fine_category": fine,
        "content_metadata": {"description": "…", "fps": 29.97, "scenes": [scene] * 3},
        "content_parent_category": parent,
        "duration_seconds": 208,
        "original_video_filename": f"{name}.mp4",
        "resolution": "640x360",
        "text_to_speech": "We are in West Bank.",
        "text_to_speech_word_count": 5,
        "timecoded_text_to_speech": [{"start": "00:00:00.000", "end": "00:00:04.546", "text": "We are"}],
        "youtube_age_limit": 0,
        "youtube_categories": ["Education"],
        "youtube_channel": "Heavy Metal",
        "youtube_channel_follower_count": 1000,
        "youtube_comment_count": 12,
        "youtube_description": "How, it is done",
        "youtube_like_count": 34,
        "youtube_tags": ["training", "heavy, equipment"],
        "youtube_title": "Training Heavy Equipment Operators",
        "youtube_upload_date": "20160511",
        "youtube_view_count": 89462,
        **other,
    }


def write(file: Path, *groups: list[Any], as_text: bool = False, video_bytes: int = 100) -> Path:
    """A Parquet file with these row groups of `json`, as structs or as texts."""
    file.parent.mkdir(parents=True, exist_ok=True)
    videos = random.Random(1)
    made = [json.dumps(row) if as_text and isinstance(row, dict) else row for group in groups for row in group]
    table = pa.table({"mp4": [videos.randbytes(video_bytes) for _ in made], "json": pa.array(made)})
    writer, at = pq.ParquetWriter(file, table.schema), 0
    for group in groups:
        writer.write_table(table.slice(at, len(group)))
        at += len(group)
    writer.close()
    return file


def found(path: Path | str, *categories: str, annotations: bool = False) -> tuple[pl.DataFrame, dict[str, int]]:
    options = Options("finevideo", categories=list(categories) or None, annotations=annotations)
    check(str(path), options)
    made = read(str(path), options)
    rows = made.rows.collect()
    assert rows.drop("error", "error_detail").schema.items() <= CATALOGUE.items()
    assert rows["video_id"].is_unique().all()
    assert made.spans is None
    return rows, dict(made.left_out)


@pytest.mark.parametrize("as_text", [False, True])
def test_annotations_are_read_where_they_are_asked_for(tmp_path: Path, as_text: bool) -> None:
    file = write(tmp_path / "0.parquet", [known("a"), known("b")], as_text=as_text)
    assert found(file)[0]["content_metadata"].to_list() == [None, None]
    rows = found(file, annotations=True)[0]
    told = [json.loads(text) for text in rows["content_metadata"]]
    assert told == [known("a")["content_metadata"]] * 2
    others = [json.loads(text) for text in rows["original"]]
    assert others == [{k: v for k, v in known(name).items() if k != "content_metadata"} for name in "ab"]


@pytest.mark.parametrize("as_text", [False, True])
def test_what_is_known_of_a_video_is_in_the_catalogues_columns(tmp_path: Path, as_text: bool) -> None:
    file = write(tmp_path / "0.parquet", [known("a")], [known("b")], as_text=as_text)
    rows, left_out = found(tmp_path)
    assert rows.drop("error", "error_detail").to_dicts()[1] == {
        "video_id": "b",
        "source": "finevideo",
        "content_metadata": None,
        "original": None,
        "url": f"parquet://mp4@1::{file}",
        "title": "Training Heavy Equipment Operators",
        "description": "How, it is done",
        "channel": "Heavy Metal",
        "tags": ["training", "heavy, equipment"],
        "site_categories": ["Education"],
        "duration_s": 208.0,
        "views": 89462,
        "likes": 34,
        "comments": 12,
        "followers": 1000,
        "age_limit": 0,
        "upload_date": date(2016, 5, 11),
        "transcript": "We are in West Bank.",
        "words": 5,
    }
    assert rows["error"].to_list() == [None, None]
    assert left_out == {}


def test_rows_are_counted_in_their_file_over_all_its_row_groups(tmp_path: Path) -> None:
    one = write(tmp_path / "data" / "0.parquet", [known("a"), known("b")], [known("c")])
    two = write(tmp_path / "data" / "1.parquet", [known("d")], [known("e"), known("f")])
    rows, _ = found(tmp_path)
    assert rows["video_id"].to_list() == list("abcdef")
    assert rows["url"].to_list() == [f"parquet://mp4@{n}::{file}" for file in (one, two) for n in range(3)]


@pytest.mark.parametrize("as_text", [False, True])
def test_what_is_not_known_is_null(tmp_path: Path, as_text: bool) -> None:
    nothing = dict.fromkeys(known("a"))
    write(tmp_path / "0.parquet", [known("a"), nothing, None], as_text=as_text)
    rows, _ = found(tmp_path)
    assert len(rows) == 3
    for row in rows[1:].drop("video_id", "url", "source").to_dicts():
        assert set(row.values()) == {None}
    assert rows["video_id"][1] != rows["video_id"][2]


def test_a_field_that_the_dataset_has_not_is_null(tmp_path: Path) -> None:
    write(tmp_path / "0.parquet", [{"youtube_title": "A", "other": 1}])
    rows, _ = found(tmp_path)
    assert rows.select("title", "views", "tags").rows() == [("A", None, None)]


def test_ids_that_are_made_stay_when_the_dataset_moves(tmp_path: Path) -> None:
    for place in ("here", "there"):
        write(tmp_path / place / "x" / "0.parquet", [{"youtube_title": "A"}, {"youtube_title": "B"}])
        write(tmp_path / place / "y" / "0.parquet", [{"youtube_title": "A"}])
    here, there = found(tmp_path / "here")[0], found(tmp_path / "there")[0]
    assert here["video_id"].to_list() == there["video_id"].to_list()
    assert here["video_id"].n_unique() == 3


@pytest.mark.parametrize("as_text", [False, True])
@pytest.mark.parametrize(
    ("categories", "ids"),
    [(["Sports"], ["b", "c"]), (["Surfing"], ["c"]), (["Education", "Surfing"], ["a", "c"]), ([], ["a", "b", "c"])],
)
def test_a_subset_of_categories_fine_or_parent(
    tmp_path: Path, as_text: bool, categories: list[str], ids: list[str]
) -> None:
    sports = [known("b", "Chess", "Sports"), known("c", "Surfing", "Sports")]
    write(tmp_path / "0.parquet", [known("a")], sports, as_text=as_text)
    rows, left_out = found(tmp_path, *categories)
    assert rows["video_id"].to_list() == ids
    assert left_out == ({"category": 3 - len(ids)} if len(ids) < 3 else {})


def test_a_category_that_no_video_has_is_reported_with_those_there_are(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path / "0.parquet", [known("a"), known("b", "Chess", "Sports")])
    with caplog.at_level(logging.WARNING, "reelmill"):
        rows, left_out = found(tmp_path, "Sport", "Chess")
    assert (len(rows), left_out) == (1, {"category": 1})
    assert "no video has Sport; the source has: Chess, Education, Engineering Projects, Sports" in caplog.text


def test_a_video_that_is_there_twice_is_listed_once_and_counted(tmp_path: Path) -> None:
    write(tmp_path / "0.parquet", [known("a"), known("b")])
    write(tmp_path / "1.parquet", [known("b"), known("c")])
    rows, left_out = found(tmp_path)
    assert rows["video_id"].to_list() == ["a", "b", "c"]
    assert rows["url"][1].endswith("0.parquet")
    assert left_out == {"duplicate": 1}


@pytest.mark.parametrize("text", ["{torn", "[1]", "5", "[" * 100_000, ""])
def test_a_json_that_cannot_be_read_fails_its_row_only(tmp_path: Path, text: str) -> None:
    file = write(tmp_path / "0.parquet", [known("a"), text, known("c")], as_text=True)
    rows, left_out = found(tmp_path, "Education")
    assert rows["error"].to_list() == [None, "bad_value", None]
    assert rows["error_detail"][1].startswith(f"parquet://mp4@1::{file}: json: ")
    assert rows["video_id"].to_list()[::2] == ["a", "c"]
    assert left_out == {}


def test_half_of_a_surrogate_pair_costs_no_row(tmp_path: Path) -> None:
    write(tmp_path / "0.parquet", [known("a", youtube_title="half \ud83d"), known("b")], as_text=True)
    assert found(tmp_path)[0]["title"].to_list() == ["half ?", "Training Heavy Equipment Operators"]


def test_of_a_remote_file_the_videos_are_not_read(tmp_path: Path) -> None:
    groups = [[known(f"{group}-{n}") for n in range(4)] for group in range(4)]
    file = write(tmp_path / "0.parquet", *groups, video_bytes=2 << 20)
    with Web(tmp_path) as web:
        rows, _ = found(web.url("0.parquet"), "Education")
        sent = sum(request.sent_bytes for request in web.requests)
    assert len(rows) == 16
    assert rows["url"][5] == f"parquet://mp4@5::{web.url('0.parquet')}"
    assert file.stat().st_size > 32 << 20
    assert sent < 1 << 18


def test_a_dataset_on_the_hub_is_listed_by_its_addresses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [write(tmp_path / f"{n}.parquet", [known(f"{n}"), known(f"x{n}", parent="Sports")]) for n in range(2)]
    with Hub({f"data/{file.name}": file.read_bytes() for file in files}) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        rows, left_out = found("hf://datasets/org/name", "Education")
        assert rows["video_id"].to_list() == ["0", "1"]
        assert rows["url"].to_list() == [f"parquet://mp4@0::hf://datasets/org/name/data/{n}.parquet" for n in range(2)]
        assert left_out == {"category": 2}


@pytest.mark.parametrize("column", ["mp4", "json"])
def test_a_missing_column_is_named_with_those_that_are_there(tmp_path: Path, column: str) -> None:
    table = pa.table({"mp4": [b"x"], "json": ["{}"], "key": ["a"]}).drop_columns([column])
    pq.write_table(table, tmp_path / "0.parquet")
    with pytest.raises(
        InputError, match=rf"0\.parquet has no column '{column}'; it has: {', '.join(table.column_names)}"
    ):
        found(tmp_path)


def test_a_file_that_is_no_parquet_is_named(tmp_path: Path) -> None:
    (tmp_path / "torn.parquet").write_bytes(b"PAR1 torn")
    with pytest.raises(InputError, match=r"torn\.parquet cannot be read as \.parquet"):
        found(tmp_path)
    with pytest.raises(InputError, match=r"gone: no such file or folder"):
        found(tmp_path / "gone")
