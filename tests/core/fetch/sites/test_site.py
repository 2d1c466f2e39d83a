"""Videos of a real (small) site by yt-dlp itself: formats, containers, subtitles, metadata."""

import json
import threading
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from support.session import direct
from support.site import FPS, SECONDS, VideoSite, fetch, numbers, streams

from stages.core.fetch.result import FetchedVideo
from stages.core.fetch.settings import Formats, Subtitles
from stages.core.fetch.sites.metadata import about_row

ALL = ("opus.webm", "aac.m4a", "h264+aac_72.mp4", "h264_72.mp4", "h264_144.mp4", "vp9_144.webm", "h264_216.mp4")
VTT = "WEBVTT\n\n00:01.000 --> 00:02.000\nhello there\n\n00:02.000 --> 00:03.000\nall of you\n"


def formats(height_px: int = 216, codecs: str = "h264 vp9", container: str = "mp4") -> Formats:
    return Formats(height_px=height_px, codecs=codecs.split(), container=container)  # type: ignore[arg-type]


def told(fetched: FetchedVideo) -> dict[str, Any]:
    assert fetched.info is not None
    info: dict[str, Any] = json.loads(
        pyarrow.CompressedInputStream(pyarrow.BufferReader(fetched.info["info"]), "zstd").read()
    )
    return info


@pytest.mark.parametrize(
    ("offered", "wishes", "expected"),
    [
        (ALL, formats(), (".mp4", "h264", "aac", 216)),
        (ALL, formats(200), (".mp4", "h264", "aac", 144)),
        (ALL, formats(200, "vp9 h264"), (".mp4", "vp9", "aac", 144)),
        (ALL, formats(200, "vp9 h264", "mkv"), (".mkv", "vp9", "opus", 144)),
        (("vp9+opus_72.webm",), formats(), (".mp4", "vp9", "opus", 72)),
        (("vp9+opus_72.webm",), formats(container="mkv"), (".mkv", "vp9", "opus", 72)),
        (("h264+aac_72.mp4",), formats(container="mkv"), (".mkv", "h264", "aac", 72)),
        (("vp8+vorbis_72.webm",), formats(codecs="vp8"), (".mkv", "vp8", "vorbis", 72)),  # mp4 cannot hold it
        (("hls.m3u8",), formats(), (".mp4", "h264", "aac", 72)),
        (("hls.m3u8",), formats(container="mkv"), (".mkv", "h264", "aac", 72)),
        (("h264_72.mp4", "opus.webm"), formats(), (".mp4", "h264", "opus", 72)),
    ],
)
def test_format_and_container_are_those_of_the_config(
    site: VideoSite, tmp_path: Path, offered: tuple[str, ...], wishes: Formats, expected: tuple[object, ...]
) -> None:
    fetched = fetch(site.page("one", *offered), tmp_path, formats=wishes)
    found = streams(fetched.file)
    assert (found["suffix"], found["video"], found["audio"], found["height"]) == expected
    assert found["frames"] == SECONDS * FPS
    assert fetched.offset_s == 0
    assert list(fetched.file.parent.iterdir()) == [fetched.file]


def test_an_address_of_no_known_site_may_be_a_video_itself(site: VideoSite, tmp_path: Path, film: Path) -> None:
    site.files["stream"] = (film / "h264+aac_72.mp4").read_bytes()
    fetched = fetch(site.url("stream"), tmp_path)
    assert streams(fetched.file)["frames"] == SECONDS * FPS
    assert (fetched.info or {})["extractor"] == "generic"


def test_only_what_is_wanted_is_asked_for(site: VideoSite, tmp_path: Path) -> None:
    fetch(site.page("one", *ALL), tmp_path)
    assert sorted(request.path for request in site.requests) == ["aac.m4a", "h264_216.mp4", "watch/one"]


def test_what_the_site_tells_is_kept(site: VideoSite, tmp_path: Path) -> None:
    url = site.page(
        "one",
        *ALL,
        description="Two\nlines",
        uploader="Ann",
        channel_id="UC1",
        tags=["a", "b"],
        categories=["Music"],
        language="en",
        view_count=7,
        like_count=0,
        channel_follower_count=12,
        age_limit=18,
        upload_date="20240229",
        license="CC BY",
        chapters=[{"start_time": 0, "end_time": 5, "title": "First"}],
        http_headers={"X-Token": "t0ken"},
        thumbnails=[{"url": "https://host/t.jpg"}],
    )
    fetched = fetch(url, tmp_path)
    assert fetched.about == {
        "title": "The film one",
        "description": "Two\nlines",
        "channel": "Ann",
        "channel_id": "UC1",
        "tags": ["a", "b"],
        "site_categories": ["Music"],
        "language": "en",
        "duration_s": 10.0,
        "views": 7,
        "likes": 0,
        "comments": None,
        "followers": 12,
        "age_limit": 18,
        "upload_date": date(2024, 2, 29),
        "licence": "CC BY",
        "transcript": None,
        "words": None,
    }
    assert fetched.info is not None
    assert (fetched.info["extractor"], fetched.info["format"]) == ("Support", "h264_216.mp4+aac.m4a")
    info = told(fetched)
    assert (info["uploader"], info["chapters"][0]["title"], len(info["formats"])) == ("Ann", "First", len(ALL))
    for gone in ("t0ken", f"{site.host}/h264", "cookies", "User-Agent"):
        assert gone not in json.dumps(info)


def test_what_the_site_does_not_tell_is_null(site: VideoSite, tmp_path: Path) -> None:
    site.files["watch/bare"] = json.dumps(
        {"formats": [{"format_id": "0", "url": "/h264+aac_72.mp4", "ext": "mp4"}]}
    ).encode()
    assert set(fetch(site.url("watch/bare"), tmp_path).about.values()) == {None}


def with_subtitles(site: VideoSite, manual: dict[str, str], automatic: dict[str, str]) -> str:
    def entries(kind: str, told: dict[str, str]) -> dict[str, Any]:
        site.files.update({f"{kind}.{language}.vtt": text.encode() for language, text in told.items()})
        return {language: [{"ext": "vtt", "url": f"/{kind}.{language}.vtt"}] for language in told}

    tracks = {"subtitles": entries("manual", manual), "automatic_captions": entries("automatic", automatic)}
    return site.page("one", "h264+aac_72.mp4", **tracks)


def test_subtitles_become_rows_and_a_transcript(site: VideoSite, tmp_path: Path) -> None:
    url = with_subtitles(site, {"de": "WEBVTT", "en-US": VTT}, {"en": "WEBVTT"})
    fetched = fetch(url, tmp_path)
    assert fetched.subtitles == [
        {"language": "en-US", "kind": "manual", "start_s": 1.0, "end_s": 2.0, "text": "hello there"},
        {"language": "en-US", "kind": "manual", "start_s": 2.0, "end_s": 3.0, "text": "all of you"},
    ]
    assert (fetched.about["transcript"], fetched.about["words"]) == ("hello there all of you", 5)
    assert [request.path for request in site.requests if request.path.endswith("vtt")] == ["manual.en-US.vtt"]


def test_automatic_ones_are_taken_where_people_wrote_none_that_can_be_read(site: VideoSite, tmp_path: Path) -> None:
    url = with_subtitles(site, {"en": "<html>gone</html>"}, {"en": VTT})
    assert [row["kind"] for row in fetch(url, tmp_path / "a").subtitles] == ["automatic"] * 2
    by_people = fetch(url, tmp_path / "b", subtitles=Subtitles(["en"], automatic=False))
    assert (by_people.subtitles, by_people.about["transcript"], by_people.about["words"]) == ([], None, None)
    assert told(by_people)["subtitles_failed"] == "en: no readable text"


@pytest.mark.parametrize("fault", [404, 429, "truncated"])
def test_subtitles_that_cannot_be_had_do_not_fail_the_video(site: VideoSite, tmp_path: Path, fault: int | str) -> None:
    url = with_subtitles(site, {"en": VTT}, {})
    site.fault("manual.en.vtt", fault)
    fetched = fetch(url, tmp_path)
    assert (fetched.subtitles, fetched.about["transcript"]) == ([], None)
    assert streams(fetched.file)["frames"] == SECONDS * FPS
    assert str(told(fetched)["subtitles_failed"]).startswith("en: ")
    assert fetched.loss == (None if fault == 404 else "subtitles_failed")
    assert fetched.notes == [f"subtitles: {told(fetched)['subtitles_failed']}"]


def test_a_refusal_of_subtitles_slows_the_task_down_and_only_they_are_fetched_again(
    site: VideoSite, tmp_path: Path
) -> None:
    url, session = with_subtitles(site, {"en": VTT, "en-US": VTT}, {}), direct(tmp_path / "line")
    site.fault("manual.en.vtt", 429, times=1)
    first = fetch(url, tmp_path / "a", session)
    assert first.loss == "subtitles_failed"
    assert not session.backoff.is_open("127.0.0.1", at_most_s=0.0)
    assert not [request for request in site.requests if "en-US" in request.path]
    before = len(site.requests)
    again = fetch(url, tmp_path / "b", only_subtitles=True)
    assert (again.about["transcript"], again.loss) == ("hello there all of you", None)
    assert [request.path for request in site.requests[before:]] == ["watch/one", "manual.en.vtt"]


def test_subtitles_in_pieces_are_joined_or_left(site: VideoSite, tmp_path: Path) -> None:
    head = "WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:0,LOCAL:00:00:00.000\n\n"
    site.files["0.vtt"] = (head + "00:01.000 --> 00:02.000\nhello\n\n").encode()
    site.files["1.vtt"] = (head + "00:06.000 --> 00:07.000\nagain\n\n").encode()
    site.files["subs.m3u8"] = b"#EXTM3U\n#EXTINF:5,\n/0.vtt\n#EXTINF:5,\n/1.vtt\n#EXT-X-ENDLIST\n"
    url = site.page("one", "h264+aac_72.mp4", subtitles={"en": [{"ext": "vtt", "url": "/subs.m3u8"}]})
    texts = [(row["start_s"], row["text"]) for row in fetch(url, tmp_path / "a").subtitles]
    assert texts == [(1.0, "hello"), (6.0, "again")]
    site.files["1.vtt"] = b"{}"
    assert fetch(url, tmp_path / "b").about["transcript"] is None


def test_a_video_that_is_whole_is_not_fetched_again(site: VideoSite, tmp_path: Path) -> None:
    url = site.page("one", "h264_72.mp4", "aac.m4a")
    first, second = fetch(url, tmp_path), fetch(url, tmp_path)
    assert (first.file, first.about) == (second.file, second.about)
    assert [request.path for request in site.requests] == ["watch/one", "h264_72.mp4", "aac.m4a", "watch/one"]


def test_several_videos_at_once_do_not_touch_each_other(site: VideoSite, tmp_path: Path) -> None:
    wishes = [(f"v{n}", formats((72, 144, 216)[n % 3], ("h264", "vp9")[n % 2])) for n in range(6)]
    found: dict[str, FetchedVideo] = {}

    def run(name: str, wish: Formats) -> None:
        url = site.page(name, "aac.m4a", "h264_72.mp4", "h264_144.mp4", "vp9_144.webm", "h264_216.mp4")
        found[name] = fetch(url, tmp_path / name, formats=wish)

    threads = [threading.Thread(target=run, args=wish) for wish in wishes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected = {name: ("vp9", 144) if wish.codecs == ["vp9"] else ("h264", wish.height_px) for name, wish in wishes}
    made = {name: streams(fetched.file) for name, fetched in found.items()}
    assert {name: (one["video"], one["height"]) for name, one in made.items()} == expected
    assert {name: fetched.about["title"] for name, fetched in found.items()} == {n: f"The film {n}" for n in found}


def test_names_that_try_to_escape_stay_outside_of_the_file_system(site: VideoSite, tmp_path: Path) -> None:
    bad = "../../escaped/%(id)s\0/etc/passwd"
    formats = [{"format_id": bad, "url": "/h264+aac_72.mp4", "ext": "../sh", "vcodec": "avc1", "acodec": "mp4a"}]
    site.files["watch/evil"] = json.dumps({"title": bad, "id": bad, "display_id": bad, "formats": formats}).encode()
    fetched = fetch(site.url("watch/evil"), tmp_path)
    assert fetched.about["title"] == bad
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["line", "video", fetched.file.name]


def test_pieces_of_a_stream_are_joined_without_a_loss(site: VideoSite, tmp_path: Path) -> None:
    shown = numbers(fetch(site.page("one", "hls.m3u8"), tmp_path).file)
    assert [number for _, number in shown] == list(range(SECONDS * FPS))


@pytest.mark.parametrize(
    ("column", "name", "value", "expected"),
    [
        ("views", "view_count", 1e30, None),
        ("likes", "like_count", float("inf"), None),
        ("comments", "comment_count", float("nan"), None),
        ("followers", "channel_follower_count", 10**400, None),
        ("views", "view_count", {"n": 1}, None),
        ("duration_s", "duration", "1:02", None),
        ("duration_s", "duration", float("inf"), None),
        ("tags", "tags", 5, None),
        ("tags", "tags", ["a", 7, {"b": 1}, None], ["a", "7"]),
        ("upload_date", "upload_date", "20211301", None),
        ("description", "description", {"en": "x"}, None),
        ("language", "language", ["en"], None),
        ("views", "view_count", -1, None),
        ("views", "view_count", None, None),
    ],
)
def test_a_value_that_fits_no_column_is_null_with_a_note(column: str, name: str, value: Any, expected: object) -> None:
    row, notes = about_row({"fulltitle": "T", "title": "T", name: value})
    assert row[column] == expected
    assert row["title"] == "T"
    assert [note.partition("=")[0] for note in notes] == ([] if value in (-1, None) or expected else [column])


def test_a_page_with_odd_values_is_fetched(site: VideoSite, tmp_path: Path) -> None:
    deep: Any = "x"
    for _ in range(600):
        deep = [deep]
    odd = {
        "view_count": 1e30,
        "like_count": float("inf"),
        "duration": "1:02",
        "tags": 5,
        "x": deep,
        "uploader": "\ud83d",
    }
    fetched = fetch(site.page("one", "h264+aac_72.mp4", **odd), tmp_path)
    assert (fetched.about["views"], fetched.about["likes"], fetched.about["tags"]) == (None, None, None)
    assert {note.partition("=")[0] for note in fetched.notes} >= {"views", "likes", "tags"}
    assert told(fetched)
