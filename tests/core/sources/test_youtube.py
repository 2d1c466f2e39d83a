"""Addresses of YouTube's videos: all of one video are one, and others are left alone."""

from pathlib import Path

import polars as pl
import pytest

from stages.core.sources.urls import Options, read

WATCH = "https://www.youtube.com/watch?v="
ID = "dQw4w9WgXcQ"


def rows(path: Path | str, column: str | None = None, ids: str | None = None, **columns: str | None) -> pl.DataFrame:
    return read(str(path), Options("urls", column, ids, columns)).rows.collect(engine="streaming")


@pytest.mark.parametrize(
    "address",
    [
        f"https://www.youtube.com/watch?v={ID}",
        f"http://youtube.com/watch?list=PL1&v={ID}&t=10s",
        f"https://m.youtube.com/watch?v={ID}#comments",
        f"https://music.youtube.com/watch?v={ID}",
        f"https://youtu.be/{ID}?si=abc",
        f"HTTPS://WWW.YouTube.com/shorts/{ID}",
        f"https://www.youtube-nocookie.com/embed/{ID}?rel=0",
        f"https://www.youtube.com/live/{ID}/",
        f"www.youtube.com/v/{ID}",
        f"youtu.be/{ID}",
        f"https://gaming.youtube.com/watch?v={ID}&t=1",
        f"//www.youtube.com/embed/{ID}?rel=0",
        f"//youtu.be/{ID}",
        f"https://www.youtube.com/attribution_link?a=8g8kPrPIi-ecwIsS&u=/watch%3Fv%3D{ID}%26feature%3Dem-uploademail",
        f"http://www.youtube.com/attribution_link?u=%2fwatch%3flist%3dPL1%26v%3d{ID}&a=x",
        f"https://www.youtube.com/watch/{ID}",
        f"https://www.youtube.com/watch_popup?v={ID}",
        f"https://www.youtubekids.com/watch?v={ID}",
        ID,
    ],
)
def test_all_addresses_of_a_youtube_video_are_one(tmp_path: Path, address: str) -> None:
    pl.DataFrame({"url": [address]}).write_csv(tmp_path / "l.csv")
    found = rows(tmp_path / "l.csv")
    assert found.select("video_id", "url", "path", "error").rows() == [(ID, WATCH + ID, None, None)]


@pytest.mark.parametrize(
    "address",
    [
        "https://www.youtube.com/somechannel",
        "https://www.youtube.com/@somechannel",
        f"https://www.youtube.com/watch?v={ID}X",
        "https://www.youtube.com/embed/videoseries?list=PL1",
        "https://www.youtube.com/embed/live_stream?channel=UC1",
        f"https://www.youtube.com/attribution_link?u=/channel/{ID}",
        f"https://example.org/watch?v={ID}",
        f"https://example.org/?u=https://youtu.be/{ID}",
    ],
)
def test_other_addresses_get_ids_of_their_own(tmp_path: Path, address: str) -> None:
    pl.DataFrame({"url": [address]}).write_csv(tmp_path / "l.csv")
    found = rows(tmp_path / "l.csv")
    assert found["url"].to_list() == [address]
    assert len(found["video_id"][0]) > 11
