"""Who does not want to be in a dataset is not in it, by whatever name."""

from pathlib import Path

import polars as pl
import pytest

from slurm.errors import InputError
from stages.core.sources.opt_out import is_listed, read_opt_out

ID, CHANNEL = "dQw4w9WgXcQ", f"UC{'x' * 22}"
ROWS = pl.DataFrame(
    {
        "video_id": [ID, "my-own-name", "abcdefghijk", "a-1", "other-video", f"{ID}#17", "zzzzzzzzzzz"],
        "channel_id": [None, None, CHANNEL, None, "UCother", None, None],
        "url": [
            f"https://www.youtube.com/watch?v={ID}",
            f"https://youtu.be/{ID}?t=3",
            "https://www.youtube.com/watch?v=abcdefghijk",
            "https://e.org/a.mp4",
            None,
            None,
            "https://www.youtube.com/watch?v=zzzzzzzzzzz",
        ],
    },
)


def hit(tmp_path: Path, *lines: str) -> list[str]:
    (tmp_path / "l.txt").write_text("\n".join(lines))
    return ROWS.filter(is_listed(read_opt_out(str(tmp_path / "l.txt"))))["video_id"].to_list()


@pytest.mark.parametrize(
    "entry",
    [
        ID,
        f"https://www.youtube.com/watch?v={ID}",
        f"https://www.youtube.com/watch?list=x&v={ID}&t=3s",
        f"http://m.youtube.com/watch?v={ID}",
        f"https://youtu.be/{ID}?si=x",
        f"  youtu.be/{ID}\t",
        f"https://www.youtube.com/shorts/{ID}",
        f"youtube.com/embed/{ID}",
    ],
)
def test_a_youtube_video_is_known_by_its_id_and_by_every_address(tmp_path: Path, entry: str) -> None:
    assert hit(tmp_path, entry) == [ID, "my-own-name", f"{ID}#17"]


@pytest.mark.parametrize(
    "entry", [CHANNEL, f"https://www.youtube.com/channel/{CHANNEL}", f"youtube.com/channel/{CHANNEL}/videos"]
)
def test_a_channel_is_known_by_its_id_and_its_address(tmp_path: Path, entry: str) -> None:
    assert hit(tmp_path, entry) == ["abcdefghijk"]


def test_other_addresses_and_ids_count_as_they_stand(tmp_path: Path) -> None:
    assert hit(tmp_path, "# asked on Monday", "", "https://e.org/a.mp4", "other-video") == ["a-1", "other-video"]
    assert hit(tmp_path, "https://e.org/a", "other", "#", "dqw4w9wgxcq") == []


@pytest.mark.parametrize("suffix", ["csv", "tsv", "parquet", "jsonl"])
def test_a_table_has_columns_of_ids_channels_and_urls(tmp_path: Path, suffix: str) -> None:
    columns = {
        "url": [f"https://youtu.be/{ID}", None, None],
        "channel_id": [None, CHANNEL, None],
        "video_id": [None, "", "a-1"],
        "asked": ["May", "June", "July"],
    }
    table, path = pl.DataFrame(columns), tmp_path / f"l.{suffix}"
    if suffix == "parquet":
        table.write_parquet(path)
    elif suffix == "jsonl":
        table.write_ndjson(path)
    else:
        table.write_csv(path, separator="\t" if suffix == "tsv" else ",")
    assert sorted(read_opt_out(str(path))) == sorted([ID, CHANNEL, "a-1"])


def test_a_table_without_such_a_column_is_reported_with_those_it_has(tmp_path: Path) -> None:
    (tmp_path / "l.csv").write_text("link,who\nhttps://e.org,me\n")
    with pytest.raises(
        InputError, match=r"l\.csv has none of the columns video_id, channel_id, url; it has: link, who"
    ):
        read_opt_out(str(tmp_path / "l.csv"))


@pytest.mark.parametrize(
    "entry", ["https://www.youtube.com/@somebody", "youtube.com/c/somebody", "https://youtube.com/user/x"]
)
def test_a_channel_that_is_only_called_is_refused_since_it_would_stay_in(tmp_path: Path, entry: str) -> None:
    (tmp_path / "l.txt").write_text(f"{ID}\n{entry}\n")
    with pytest.raises(InputError, match=rf"opt_out\.path=.*: {entry} is a channel's handle.* write its id"):
        read_opt_out(str(tmp_path / "l.txt"))


@pytest.mark.parametrize("name", ["gone.txt", "folder", "l.pdf"])
def test_what_is_no_list_is_reported(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "l.pdf").touch()
    with pytest.raises(InputError, match=rf"opt_out\.path=.*{name}: not a file with one of the suffixes \.csv, "):
        read_opt_out(str(tmp_path / name))


def test_a_list_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "torn.parquet").write_bytes(b"PAR1 torn")
    (tmp_path / "ragged.csv").write_text("video_id\na\nb,c,d\n")
    for name in ("torn.parquet", "ragged.csv"):
        with pytest.raises(InputError, match=name):
            read_opt_out(str(tmp_path / name))
