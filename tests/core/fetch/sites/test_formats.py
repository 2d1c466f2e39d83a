"""Which of a site's formats are selected; `fmt` describes them as yt-dlp does."""

from typing import Any

import pytest

from slurm.errors import ItemError
from stages.core.fetch.settings import Formats
from stages.core.fetch.sites.formats import make_format_selector, select_formats

NAMES = {"h264": "avc1.640028", "hevc": "hev1.1.6", "vp9": "vp09.00.40.08", "av1": "av01.0.08M.08", "vp8": "vp8"}


def fmt(
    name: str, codec: str | None = "h264", height: int | None = None, sound: str | None = "none", **more: Any
) -> Any:
    size = {"height": height, "width": height * 16 // 9} if height else {}
    told = {
        "format_id": name,
        "vcodec": NAMES.get(str(codec), codec),
        "acodec": sound,
        "ext": "mp4",
        "protocol": "https",
    }
    return {**told, **size, **more}


def sound(name: str, codec: str = "mp4a.40.2", **more: Any) -> Any:
    return fmt(name, "none", acodec=codec, **more)


def wanted(height_px: int = 1080, codecs: tuple[str, ...] = ("h264", "vp9", "av1"), container: str = "mp4") -> Formats:
    return Formats(height_px=height_px, codecs=list(codecs), container=container)  # type: ignore[arg-type]


def ids(formats: list[Any], wishes: Formats | None = None) -> list[str]:
    return [one["format_id"] for one in select_formats(formats, wishes or wanted())]


YOUTUBE = [
    fmt("sb0", "none", ext="mhtml", protocol="mhtml"),
    sound("249", "opus"),
    sound("140"),
    sound("251", "opus"),
    fmt("18", height=360, acodec="mp4a.40.2"),
    *(fmt(f"h{h}", height=h) for h in (144, 720, 1080)),
    *(fmt(f"v{h}", "vp9", h) for h in (144, 720, 1080, 2160)),
    *(fmt(f"a{h}", "av1", h) for h in (144, 720, 1080, 2160)),
]


@pytest.mark.parametrize(
    ("wishes", "expected"),
    [
        (wanted(), ["h1080", "140"]),
        (wanted(container="mkv"), ["h1080", "251"]),
        (wanted(900), ["h720", "140"]),
        (wanted(4320), ["v2160", "140"]),  # more lines before the first choice of codec
        (wanted(1080, ("av1", "h264")), ["a1080", "140"]),
        (wanted(4320, ("h264",)), ["h1080", "140"]),
        (wanted(100), ["h144", "140"]),  # the smallest above, where there is nothing below
    ],
)
def test_best_picture_within_the_wishes_with_the_best_sound(wishes: Formats, expected: list[str]) -> None:
    assert ids(YOUTUBE, wishes) == expected


def test_a_film_held_upright_is_measured_by_its_width() -> None:
    upright = [
        fmt("480", width=480, height=854),
        fmt("1080", width=1080, height=1920),
        fmt("2160", width=2160, height=3840),
    ]
    assert ids(upright) == ["1080"]


def test_what_is_in_one_file_is_taken_where_it_is_all_there_is() -> None:
    assert ids([fmt("a", height=360, acodec="mp4a"), fmt("b", height=720, acodec="mp4a")]) == ["b"]
    assert ids([fmt("whole", height=360, acodec="mp4a"), fmt("mute", height=720)]) == ["whole"]
    assert ids([fmt("mute", height=360)]) == ["mute"]
    assert ids([fmt("unknown", None, acodec=None)]) == ["unknown"]


def test_a_better_picture_with_sound_is_not_left_for_a_worse_one_without() -> None:
    assert ids([sound("s"), fmt("small", height=360), fmt("large", height=720, acodec="mp4a")]) == ["large"]
    assert ids([sound("s"), fmt("apart", height=720), fmt("one", height=720, acodec="mp4a")]) == ["apart", "s"]


def test_of_equals_the_one_that_yt_dlp_puts_last_is_taken() -> None:
    assert ids([fmt("slow", height=720), fmt("fast", height=720), sound("low"), sound("high")]) == ["fast", "high"]


def test_the_own_language_of_a_film_comes_before_a_dubbed_one() -> None:
    sounds = [sound("own", language_preference=10), sound("dubbed", language_preference=-1)]
    assert ids([fmt("p", height=720), *sounds]) == ["p", "own"]
    muxed = [fmt("own", height=720, acodec="mp4a", language_preference=10), fmt("dubbed", height=720, acodec="mp4a")]
    assert ids(muxed) == ["own"]


def test_damaged_doubtful_and_high_dynamic_range_ones_are_a_last_resort() -> None:
    for worse in (
        {"preference": -10},
        {"source_preference": -20},
        {"__needs_testing": True},
        {"dynamic_range": "HDR10"},
    ):
        assert ids([fmt("good", "vp9", 720), fmt("worse", "h264", 720, **worse)]) == ["good"]
        assert ids([fmt("worse", "h264", 720, **worse)]) == ["worse"]


def test_what_only_ffmpeg_could_download_is_left_out() -> None:
    assert ids([fmt("mine", height=360), fmt("rtmp", height=720, protocol="rtmp")]) == ["mine"]


@pytest.mark.parametrize(
    ("formats", "there"),
    [
        ([fmt("a", "hevc", 720), fmt("b", "vp8", 720), sound("s")], "hev1.1.6, vp8"),
        ([sound("s")], "no video"),
        ([fmt("sb0", "none", ext="mhtml", protocol="mhtml")], "no video"),
    ],
)
def test_without_a_wanted_format_it_is_said_what_there_is(formats: list[Any], there: str) -> None:
    with pytest.raises(ItemError) as caught:
        ids(formats)
    assert caught.value.code == "no_format"
    assert caught.value.detail == f"formats.codecs=['h264', 'vp9', 'av1'], and the site has: {there}"


def test_the_chooser_gives_yt_dlp_what_it_wants_to_know() -> None:
    (chosen,) = make_format_selector(wanted())({"formats": YOUTUBE})
    assert [one["format_id"] for one in chosen.pop("requested_formats")] == ["h1080", "140"]
    assert chosen == {"format_id": "h1080+140", "ext": "mp4", "protocol": "https+https"}
