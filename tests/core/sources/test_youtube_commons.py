"""YouTube-Commons-shaped Parquet files: what passes, what is left out and why, and that little of them is in memory."""

import datetime
from pathlib import Path

import polars as pl
import pytest
from support.hub import Hub

from slurm.errors import InputError
from stages.core.schema.catalogue import CATALOGUE
from stages.core.sources.catalogue import Catalogue
from stages.core.sources.youtube_commons import Options, check, read

ENGLISH = Options("youtube_commons", "en", "en", None, words_above=50)
ANY = Options("youtube_commons", None, None, None, None)


def name(n: int) -> str:
    return f"video{n:06d}"


def row(n: int, **changes: object) -> dict[str, object]:
    made = {
        "video_id": name(n),
        "video_link": f"https://www.youtube.com/watch?v={name(n)}",
        "title": f"Title {n}",
        "text": f"words of {n}",
        "channel": "Channel",
        "channel_id": "UCx",
        "date": "2021-03-04",
        "license": "Creative Commons Attribution license (reuse allowed)",
        "original_language": "en",
        "source_language": "metadata",
        "transcription_language": "en",
        "word_count": 100,
        "character_count": 500,
    }
    return made | changes


def shard(folder: Path, number: int, *rows: dict[str, object]) -> Path:
    pl.DataFrame(list(rows)).write_parquet(path := folder / f"cctube_{number}.parquet")
    return path


def ids(found: Catalogue) -> list[str]:
    return found.rows.select("video_id").collect()["video_id"].to_list()


def test_what_is_known_of_a_video_has_the_names_of_the_catalogue(tmp_path: Path) -> None:
    shard(tmp_path, 0, row(1))
    found = read(str(tmp_path), ENGLISH).rows.collect()
    assert found.to_dicts() == [
        {
            **dict.fromkeys(found.columns),
            "video_id": name(1),
            "source": "youtube_commons",
            "url": f"https://www.youtube.com/watch?v={name(1)}",
            "title": "Title 1",
            "channel": "Channel",
            "channel_id": "UCx",
            "language": "en",
            "upload_date": datetime.date(2021, 3, 4),
            "licence": "Creative Commons Attribution license (reuse allowed)",
            "transcript": "words of 1",
            "words": 100,
        }
    ]
    assert {k: v for k, v in found.schema.items() if k in CATALOGUE}.items() <= CATALOGUE.items()


def test_only_english_of_more_than_fifty_words_passes_and_the_others_are_counted(tmp_path: Path) -> None:
    shard(tmp_path, 0, row(1), row(2, word_count=50), row(3, word_count=51), row(4, transcription_language="fr"))
    shard(
        tmp_path,
        1,
        row(5, original_language="fr"),
        row(6, original_language=None, word_count=3),
        row(7, word_count=None),
        row(8, transcription_language="en-US"),
    )
    found = read(str(tmp_path), ENGLISH)
    assert ids(found) == [name(1), name(3)]
    assert found.left_out == {"language": 4, "too_few_words": 1, "words_unknown": 1}


def test_null_lets_everything_pass(tmp_path: Path) -> None:
    shard(tmp_path, 0, row(1, original_language=None), row(2, word_count=None), row(3, transcription_language="fr"))
    found = read(str(tmp_path), ANY)
    assert ids(found) == [name(1), name(2), name(3)]
    assert found.left_out == {}


def test_how_the_language_is_known_stands_in_either_column(tmp_path: Path) -> None:
    older = {**row(1), "language_id_method": "detection", "__index_level_0__": 7}
    del older["source_language"]
    shard(tmp_path, 0, older, {**older, "video_id": name(2), "language_id_method": "metadata"})
    shard(tmp_path, 1, row(3), row(4, source_language="detection"), row(5, source_language=None))
    both = {**row(6, source_language=None), "language_id_method": "metadata"}
    shard(tmp_path, 2, both)
    found = read(str(tmp_path), Options("youtube_commons", "en", "en", "metadata", 50))
    assert ids(found) == [name(2), name(3), name(6)]
    assert found.left_out == {"language": 3}


def test_of_a_video_that_stands_several_times_the_first_that_passes_is_taken(tmp_path: Path) -> None:
    shard(tmp_path, 0, row(1, word_count=3), row(2, text="first"), row(2, text="second"), row(3))
    shard(tmp_path, 1, row(1, text="long enough"), row(3, text="again"), row(4), row(2))
    found = read(str(tmp_path), ENGLISH)
    taken = found.rows.select("video_id", "transcript").collect().rows()
    assert taken == [(name(2), "first"), (name(3), "words of 3"), (name(1), "long enough"), (name(4), "words of 4")]
    assert found.left_out == {"too_few_words": 1, "duplicate": 3}


def test_a_row_without_an_id_of_youtube_fails_and_is_named(tmp_path: Path) -> None:
    path = shard(tmp_path, 0, row(1), row(2, video_id=None), row(3, video_id="en"), row(4, video_id="en"))
    found = read(str(tmp_path), ENGLISH).rows.collect()
    assert found["error"].to_list() == [None, "bad_value", "bad_value", "bad_value"]
    assert found["error_detail"].to_list()[1:3] == [f"{path}: row 2: video_id=", f"{path}: row 3: video_id=en"]
    assert found["video_id"].n_unique() == 4
    assert found["url"].null_count() == 3


def test_dates_in_either_form_are_read_and_others_are_unknown(tmp_path: Path) -> None:
    dates = ["2021-03-04", "20210304", "2021-03-04 12:00:00", "2021-03-04T12:00:00Z", "long ago", "", None]
    shard(tmp_path, 0, *(row(n, date=date) for n, date in enumerate(dates)))
    found = read(str(tmp_path), ENGLISH).rows.select("upload_date", "error").collect()
    assert found["upload_date"].to_list() == [datetime.date(2021, 3, 4)] * 4 + [None] * 3
    assert found["error"].null_count() == 7


def test_columns_that_only_some_files_have_are_null_for_the_others(tmp_path: Path) -> None:
    richer = row(
        1, view_count=7, duration_string="1:30", tags=["a"], channel_follower_count=3, word_count=99.0, age_limit=18
    )
    shard(tmp_path, 0, richer)
    poorer = row(2)
    del poorer["license"], poorer["channel"]
    shard(tmp_path, 1, poorer)
    columns = ("views", "duration_s", "tags", "followers", "words", "licence", "channel", "age_limit")
    found = read(str(tmp_path), ENGLISH).rows.select(columns).collect().rows()
    assert found == [(7, 90.0, ["a"], 3, 99, richer["license"], "Channel", 18), (*[None] * 4, 100, *[None] * 3)]


@pytest.mark.parametrize("column", ["video_id", "text", "original_language", "transcription_language", "word_count"])
def test_a_file_that_lacks_a_needed_column_is_named_with_those_it_has(tmp_path: Path, column: str) -> None:
    shard(tmp_path, 0, row(1))
    poorer = row(2)
    del poorer[column]
    shard(tmp_path, 1, poorer)
    with pytest.raises(InputError, match=rf"cctube_1\.parquet has no column '{column}'; it has: .*channel_id, "):
        read(str(tmp_path), ENGLISH)


def test_a_torn_file_is_named(tmp_path: Path) -> None:
    whole = shard(tmp_path, 0, row(1)).read_bytes()
    (tmp_path / "cctube_1.parquet").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"cctube_1\.parquet cannot be read as \.parquet"):
        read(str(tmp_path), ENGLISH)


def test_a_place_without_parquet_files_says_so(tmp_path: Path) -> None:
    (tmp_path / "README.md").touch()
    with pytest.raises(InputError, match=r"no file of these kinds in it: \.parquet"):
        read(str(tmp_path), ENGLISH)
    with pytest.raises(InputError, match="gone: no such file or folder"):
        check(str(tmp_path / "gone"), ENGLISH)


def test_many_files_keep_their_order(tmp_path: Path) -> None:
    for number in range(10):
        shard(tmp_path, number, *(row(100 * number + n) for n in range(20)))
    found = read(str(tmp_path), ENGLISH)
    wanted = [name(100 * number + n) for number in range(10) for n in range(20)]
    assert ids(found) == wanted
    assert found.rows.filter(pl.col("video_id") > name(500)).collect()["transcript"][0] == "words of 501"
    assert found.rows.head(25).select("video_id").collect()["video_id"].to_list() == wanted[:25]
    assert found.rows.slice(30, 5).select("transcript").collect()["transcript"].to_list()[0] == "words of 110"
    found.rows.sink_parquet(tmp_path / "out.parquet")
    assert pl.read_parquet(tmp_path / "out.parquet")["video_id"].to_list() == wanted


def test_the_dataset_on_the_hub_gives_the_same_as_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        shard(tmp_path, number, *(row(n % 50, word_count=n) for n in range(number * 30, number * 30 + 60)))
    here = read(str(tmp_path), ENGLISH)
    with Hub({file.name: file.read_bytes() for file in tmp_path.iterdir()}) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        there = read("hf://datasets/org/name", ENGLISH)
        assert there.rows.collect(engine="streaming").equals(here.rows.collect())
    assert there.left_out == here.left_out
