"""WebVTT as people write it, as YouTube generates it, and malformed."""

import pytest

from stages.core.fetch.sites.subtitles import Segment, count_words, join_text, parse_segments

MANUAL = """WEBVTT - made by hand
Kind: captions
Language: en

STYLE
::cue { background: black }
::cue(v) { color: lime }

REGION
id:bill
width:40%

NOTE the next cue has a name

intro
00:00.500 --> 00:02.000 position:10%,line-left align:left size:35%
<v.loud Roger Bingham>We are in <i>New York</i>
City &amp; it&#39;s <b>cold</b> &lt;here&gt;

NOTE
one more of several
lines

2
00:00:02.000 --> 00:00:03.250 region:bill
<c.yellow.bg_blue>No.</c>

3
00:00:03.250 --> 00:00:04.000
No.

01:00:00.000 --> 01:00:01.500
<lang de>\u200bGuten&nbsp;Tag</lang>
"""

# As YouTube's timedtext gives it: a line comes word by word, stays for 10 ms, is above the next one. An empty row has a
# space, so that it does not end the cue.
AUTOMATIC = """WEBVTT
Kind: captions
Language: en

00:00:00.160 --> 00:00:02.470 align:start position:0%
 
hello<00:00:00.480><c> everyone</c><00:00:01.120><c> and</c><00:00:01.520><c> welcome</c>

00:00:02.470 --> 00:00:02.480 align:start position:0%
hello everyone and welcome
 

00:00:02.480 --> 00:00:04.390 align:start position:0%
hello everyone and welcome
to<00:00:02.639><c> the</c><00:00:02.800><c> show</c>

00:00:04.390 --> 00:00:04.400 align:start position:0%
to the show
 

00:00:04.400 --> 00:00:05.990 align:start position:0%
to the show
yeah

00:00:05.990 --> 00:00:06.000 align:start position:0%
yeah
 

00:00:06.000 --> 00:00:07.190 align:start position:0%
yeah
yeah

00:00:07.190 --> 00:00:07.200 align:start position:0%
yeah
 

00:00:20.000 --> 00:00:21.000 align:start position:0%
 
yeah

00:00:21.000 --> 00:00:21.010 align:start position:0%
yeah
 

00:00:21.010 --> 00:00:23.000 align:start position:0%
yeah
[Music]
"""


def test_manual_subtitles_are_read_with_all_that_webvtt_allows() -> None:
    assert parse_segments(MANUAL) == [
        Segment(0.5, 2.0, "We are in New York City & it's cold <here>"),
        Segment(2.0, 3.25, "No."),
        Segment(3.25, 4.0, "No."),
        Segment(3600.0, 3601.5, "Guten Tag"),
    ]


def test_rolling_captions_have_every_word_once_in_order_at_its_time() -> None:
    assert parse_segments(AUTOMATIC) == [
        Segment(0.16, 2.47, "hello everyone and welcome"),
        Segment(2.48, 4.39, "to the show"),
        Segment(4.4, 5.99, "yeah"),
        Segment(6.0, 7.19, "yeah"),
        Segment(20.0, 21.0, "yeah"),
        Segment(21.01, 23.0, "[Music]"),
    ]
    assert join_text(parse_segments(AUTOMATIC)) == "hello everyone and welcome to the show yeah yeah yeah [Music]"


def test_rolling_captions_whose_empty_rows_lost_their_space_are_read_alike() -> None:
    assert parse_segments(AUTOMATIC.replace("\n \n", "\n\n")) == parse_segments(AUTOMATIC)


def test_captions_of_television_roll_without_times_of_words() -> None:
    lines = ["GOOD EVENING.", "HERE IS THE NEWS", "OF TODAY.", "IT RAINED.", "IT WILL RAIN."]
    shown = [lines[max(0, n - 2) : n + 1] for n in range(5)]
    vtt = "WEBVTT\n\n" + "".join(
        f"00:00:{2 * n:02}.000 --> 00:00:{2 * n + 3:02}.000\n" + "\n".join(rows) + "\n\n"
        for n, rows in enumerate(shown)
    )
    found = parse_segments(vtt)
    assert [segment.text for segment in found] == lines
    assert [(segment.start_s, segment.end_s) for segment in found] == [(0, 2), (2, 4), (4, 6), (6, 8), (8, 11)]


def test_people_who_say_the_same_twice_are_believed() -> None:
    said = ["- Is it there?\nNo.", "No.\nIt is not.", "I see.", "I see.", "Good."]
    vtt = "WEBVTT\n\n" + "".join(f"00:{n:02}.000 --> 00:{n:02}.900\n{text}\n\n" for n, text in enumerate(said))
    assert [segment.text for segment in parse_segments(vtt)] == [text.replace("\n", " ") for text in said]


def test_a_cue_that_stands_there_twice_is_read_once() -> None:
    cue = "00:01.000 --> 00:02.000 line:{}\nhello\n\n"
    assert parse_segments("WEBVTT\n\n" + cue.format(0) + cue.format(90)) == [Segment(1, 2, "hello")]


@pytest.mark.parametrize("end", ["\r\n", "\r", "\n"])
def test_line_ends_and_a_byte_order_mark_make_no_difference(end: str) -> None:
    assert parse_segments("\ufeff" + MANUAL.replace("\n", end)) == parse_segments(MANUAL)


def test_ruby_is_read_once() -> None:
    vtt = "WEBVTT\n\n00:01.000 --> 00:02.000\n<ruby>漢<rt>kan</rt>字<rt>ji</rt></ruby>です\n"
    assert parse_segments(vtt) == [Segment(1, 2, "漢字です")]


def test_what_can_be_read_of_a_bad_file_is_read() -> None:
    bad = """WEBVTT
00:00:01.000 --> 00:00:02.000
no empty line before
00:00:02.000 --> 00:00:03,500
nor here, and a comma
00:00:xx.000 --> 00:00:04.000
this one has no time

words of nobody

00:00:09.000 --> 00:00:08.000
ends before it <unclosed begins

00:00:05.000 --> 00:00:06.000
out of order

00:00:10.000 -->"""
    assert parse_segments(bad) == [
        Segment(1, 2, "no empty line before"),
        Segment(2, 3.5, "nor here, and a comma 00:00:xx.000 --> 00:00:04.000 this one has no time"),
        Segment(5, 6, "out of order"),
        Segment(9, 9, "ends before it <unclosed begins"),
    ]


@pytest.mark.parametrize(
    "nothing",
    ["", "WEBVTT", "<!DOCTYPE html><html>404</html>", "\0\ufffd\ufffd", "WEBVTT\n\n00:01.000 --> 00:02.000\n\n"],
)
def test_where_nothing_can_be_read_there_is_no_text(nothing: str) -> None:
    assert parse_segments(nothing) == []
    assert join_text(parse_segments(nothing)) is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("hello everyone, and welcome", 4),
        ("[Music] >> it's 5 o'clock - right? [Applause]", 4),
        ("今日は良い天気です", 5),  # 9 characters
        ("Python を 学ぶ", 3),
        ("สวัสดีครับ", 3),  # 10 characters with their marks
        ("안녕하세요 여러분", 2),
        ("", 0),
    ],
)
def test_words_are_counted_in_every_script(text: str, words: int) -> None:
    assert count_words(text) == words
