"""Spans of a video whose frames show their numbers: the start of the file is exact to the frame."""

from pathlib import Path

import pytest
from support.site import FORMATS, FPS, SECONDS, VideoSite, fetch, numbers, streams, tone_hz

from slurm.errors import ItemError
from stages.core.fetch.settings import Formats

FRAME_S = 1 / FPS
MKV = Formats(height_px=216, codecs=["h264", "vp9", "vp8"], container="mkv")
KINDS = {
    "two mp4": ("h264_216.mp4", "aac.m4a"),
    "two webm": ("vp9_144.webm", "opus.webm"),
    "mp4 and webm": ("h264_216.mp4", "opus.webm"),
    "one mp4": ("h264+aac_72.mp4",),
    "one webm": ("vp9+opus_72.webm",),
    "no sound": ("h264_144.mp4",),
}


@pytest.mark.parametrize("formats", [FORMATS, MKV])
@pytest.mark.parametrize("offered", KINDS.values(), ids=KINDS.keys())
def test_a_part_begins_at_the_key_frame_before_and_says_where_that_is(
    site: VideoSite, tmp_path: Path, offered: tuple[str, ...], formats: Formats
) -> None:
    fetched = fetch(site.page("one", *offered), tmp_path, span=(5.3, 7.1), formats=formats)
    shown = numbers(fetched.file)
    assert 0 < fetched.offset_s <= 5.3
    if offered[0].startswith("h264"):
        assert shown[0][1] == 4 * FPS  # a key frame every 2 s
    for time_s, number in shown:
        assert fetched.offset_s + time_s == pytest.approx(number / FPS, abs=FRAME_S / 2)
    there = {number for _, number in shown}
    assert there >= set(range(round(5.3 * FPS), int(7.1 * FPS) + 1))
    assert max(there) < 7.5 * FPS
    assert fetched.file.suffix == f".{formats.container}"
    assert ("audio" in streams(fetched.file)) == (offered != KINDS["no sound"])
    assert list(fetched.file.parent.iterdir()) == [fetched.file]


@pytest.mark.parametrize("offered", [one for name, one in KINDS.items() if name != "no sound"])
@pytest.mark.parametrize("formats", [FORMATS, MKV])
def test_sound_stays_in_sync(site: VideoSite, tmp_path: Path, offered: tuple[str, ...], formats: Formats) -> None:
    for span in (None, (5.3, 7.1)):
        fetched = fetch(site.page("one", *offered), tmp_path, span=span, formats=formats)
        tones = [tone_hz(fetched.file, at_s - fetched.offset_s) for at_s in (5.77, 6.03)]
        assert tones == pytest.approx([800, 900], abs=15)


@pytest.mark.parametrize(("span", "first"), [((0.0, 1.0), 0), ((4.0, 5.0), 4), ((3.99, 5.0), 2), ((9.5, 12.0), 8)])
def test_spans_at_the_ends_and_on_key_frames(
    site: VideoSite, tmp_path: Path, span: tuple[float, float], first: int
) -> None:
    fetched = fetch(site.page("one", *KINDS["two mp4"]), tmp_path, span=span)
    shown = numbers(fetched.file)
    assert shown[0][1] == first * FPS
    assert fetched.offset_s == pytest.approx(shown[0][1] / FPS, abs=FRAME_S / 2)
    assert shown[-1][1] >= min(span[1], SECONDS - FRAME_S) * FPS - 1


def test_only_what_lies_around_the_span_is_asked_for(site: VideoSite, tmp_path: Path, film: Path) -> None:
    fetch(site.page("one", *KINDS["two mp4"]), tmp_path, span=(8.5, 9.0))
    assert {request.status for request in site.requests if request.path != "watch/one"} == {206}
    assert len(site.requests) < 15


def test_an_address_of_a_part_gives_that_part(site: VideoSite, tmp_path: Path) -> None:
    fetched = fetch(site.page("one", *KINDS["two mp4"], section_start=5, section_end=6), tmp_path)
    assert fetched.offset_s == pytest.approx(4.0, abs=FRAME_S / 2)
    assert fetched.about["duration_s"] == 1.0


@pytest.mark.parametrize("name", ["hls.m3u8", "h264+aac_72.mp4", "h264+aac_72.mkv"])
def test_where_no_part_can_be_had_it_is_the_whole(site: VideoSite, tmp_path: Path, name: str) -> None:
    site.fault("h264+aac_72.mp4", "no_ranges")
    fetched = fetch(site.page("one", name), tmp_path, span=(5, 6))  # ffmpeg tells no times of decoding of the mkv
    assert fetched.offset_s == 0
    assert [number for _, number in numbers(fetched.file)] == list(range(SECONDS * FPS))


def test_a_video_too_long_to_be_fetched_whole_may_give_a_part(site: VideoSite, tmp_path: Path) -> None:
    long = 100_000
    assert fetch(site.page("one", *KINDS["two mp4"], duration=long), tmp_path / "a", span=(5, 6)).offset_s > 0
    for refused, span in (("hls.m3u8", (5, 6)), ("h264_72.mp4", (0, 99_000))):
        with pytest.raises(ItemError) as caught:
            fetch(site.page("two", refused, duration=long), tmp_path / "b", span=span)
        assert caught.value.code == "too_long"


@pytest.mark.parametrize(("fault", "times"), [("truncated", 1), ("dropped", 1)])
def test_a_lost_connection_is_resumed(site: VideoSite, tmp_path: Path, fault: str, times: int) -> None:
    site.fault("h264_216.mp4", fault, times=times)
    fetched = fetch(site.page("one", *KINDS["two mp4"]), tmp_path, span=(5, 6))
    assert fetched.offset_s == pytest.approx(4.0, abs=FRAME_S / 2)


@pytest.mark.parametrize(("status", "code"), [(403, "network"), (404, "removed"), (500, "network")])
def test_a_refusal_is_reported_as_for_a_whole_video(site: VideoSite, tmp_path: Path, status: int, code: str) -> None:
    site.fault("aac.m4a", status)
    with pytest.raises(ItemError) as caught:
        fetch(site.page("one", *KINDS["two mp4"]), tmp_path, span=(5, 6))
    assert caught.value.code == code
