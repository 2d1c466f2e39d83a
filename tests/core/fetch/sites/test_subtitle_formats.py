"""Subtitles in other formats than WebVTT, and what of their texts is no word."""

import pytest

from stages.core.fetch.sites.subtitle_formats import decode
from stages.core.fetch.sites.subtitles import Segment, count_words, parse_segments

SRT = "\r\n".join(
    [
        "1",
        "00:00:01,000 --> 00:00:02,500 X1:1 X2:2",
        "<i>hello</i>",
        "there",
        "",
        "2",
        "0:00:03,000 --> 0:00:04,000",
        "bye",
    ]
)
TTML = """<?xml version="1.0" encoding="utf-8"?>
<tt xmlns="http://www.w3.org/ns/ttml"
 xmlns:ttp="http://www.w3.org/ns/ttml#parameter" ttp:tickRate="10" ttp:frameRate="25">
<!-- made by hand --><head><styling/></head><body><div>
  <p begin="00:00:01.000" end="2.5s"><span>hello</span><br/>there</p>
  <p begin="30t" dur="00:00:01:00">b<span>y</span>e</p>
  <p>never shown</p>
</div></body></tt>"""
JSON3 = """{"wireMagic": "pb3", "events": [{"tStartMs": 0, "id": 1}, {"tStartMs": 1000, "dDurationMs": 1500,
"segs": [{"utf8": "hello"}, {"utf8": " there", "tOffsetMs": 90}]},
{"tStartMs": 2500, "aAppend": 1, "segs": [{"utf8": "\\n"}]},
{"tStartMs": 3000, "dDurationMs": 1000, "segs": [{"utf8": "bye"}]}]}"""


@pytest.mark.parametrize("text", [SRT, TTML, JSON3], ids=["srt", "ttml", "json3"])
def test_other_formats_are_read_as_webvtt_is(text: str) -> None:
    assert parse_segments(text) == [Segment(1, 2.5, "hello there"), Segment(3, 4, "bye")]


@pytest.mark.parametrize("coding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_file_is_read_in_the_coding_that_it_names(coding: str) -> None:
    assert parse_segments(decode(SRT.replace("bye", "ü").encode(coding)))[1].text == "ü"


@pytest.mark.parametrize(
    "text",
    [
        '{"events": [{"tStartMs": "x", "segs": [{"utf8": "a"}]}]}',
        '{"events": 5}',
        "[" * 100_000,
        '{"events": [{"segs": ' + "[" * 100_000,
        "<tt><p begin='1s'>",
        '<!DOCTYPE tt [<!ENTITY a "b">]><tt><p begin="1s" end="2s">&a;</p></tt>',
        f'<tt><p begin="{"9" * 5000}s" end="2s">a</p></tt>',
        f"1\n{'9' * 5000}:00:01,000 --> 00:00:02,000\na\n",
    ],
)
def test_a_bad_file_of_another_format_has_no_text(text: str) -> None:
    assert parse_segments(text) == []


def test_override_tags_position_marks_and_entities_are_no_words() -> None:
    said = (
        r"{\an8}{\i1}Hello{\i0} {\pos(10,20)}there,\N<font color='red'>Ann</font> &amp;amp; {i}Bob{/i}&nbsp;&amp;#39;s"
    )
    (found,) = parse_segments(f"1\n00:00:01,000 --> 00:00:02,000\n{said}\n")
    assert found.text == "Hello there, Ann & Bob 's"
    assert count_words("{curly} braces") == 2


def test_a_song_that_says_the_same_six_times_says_it_six_times() -> None:
    for line in ("la la", "<00:00:00.500>la la"):
        cues = "".join(f"00:0{n}.000 --> 00:0{n}.900\n{line}\n\n" for n in range(6))
        assert [segment.text for segment in parse_segments(f"WEBVTT\n\n{cues}")] == ["la la"] * 6
