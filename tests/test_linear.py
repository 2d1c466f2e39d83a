"""Foreign text (addresses, messages of sites, subtitles, lines of lists) costs time in proportion to its length.

Every function of ours with a regular expression over such text is called with texts that make a bad expression try
again from every character, of one length and of twice that.
"""

import re
import time
from collections.abc import Callable
from contextlib import suppress
from io import StringIO

import pytest

from slurm.credentials import redact
from slurm.errors import ItemError
from slurm.screen import CONTROL
from slurm.task.breaker import signature
from stages.core.fetch.access import Identity
from stages.core.fetch.sites.failures import classify_failure
from stages.core.fetch.sites.subtitles import count_words, parse_segments
from stages.core.fetch.web import cells, zips
from stages.core.sources.folder import video_id
from stages.core.sources.lines import CsvRows, json_objects
from stages.core.sources.times import parse_seconds
from stages.core.storage.addresses import find_fault
from stages.core.storage.errors import hide_passwords
from stages.core.storage.store import file_name

READERS: list[Callable[[str], object]] = [
    redact,
    Identity(proxy="http://user:password@host").redact,
    classify_failure,
    count_words,
    parse_segments,
    lambda text: parse_segments(f"WEBVTT\n\n00:00.000 --> 00:01.000\n{text}"),
    zips.parse,
    cells.parse,
    video_id,
    lambda text: list(CsvRows(StringIO(f"a,b\n{text}"), ",")),
    lambda text: list(json_objects(StringIO(text))),
    parse_seconds,
    find_fault,
    hide_passwords,
    file_name,
    signature.__wrapped__,
    lambda text: CONTROL.sub("", text),
]
BEGINS = (
    "",
    "://",
    "http://",
    "zip://a::",
    "zip://a::b#offset=1&packed=1&size=1&crc=1&parts=1,",
    "parquet://a@1",
    "?token",
)
UNITS = (
    *(
        ":",
        "://",
        "@",
        "/",
        "::",
        "=",
        "?",
        "&",
        ",",
        ".",
        " ",
        "-",
        "'",
        '"',
        "[",
        "<",
        "{",
        "(",
        "\n",
        "a",
        "1",
        "1,",
    ),
    *(
        "token",
        "secret",
        "env.",
        "socks",
        "Bearer ",
        "?token",
        "<rt>",
        "<c>",
        "no format ",
        "[x",
        "{\\",
        "&lt;",
        "x=",
        ',"',
    ),
    *("zip://", "#offset=1", "a@1", "00:00.000 --> ", "ERROR: ", "http error ", "https://", "::a", "1:", "\r", '"a,'),
)
CHARS = 6_000


@pytest.mark.parametrize("unit", UNITS)
def test_twice_the_text_takes_about_twice_the_time(unit: str) -> None:
    for read in READERS:
        for begin in BEGINS:
            once_s, twice_s = (least_s(read, begin + unit * (n * CHARS // len(unit))) for n in (1, 2))
            assert twice_s < 0.03 or twice_s < 3 * once_s, f"{read}: {begin + unit!r}: {once_s:.3f} s, {twice_s:.3f} s"


def least_s(read: Callable[[str], object], text: str) -> float:
    """CPU time in seconds; the least of several, if it is long enough to be looked at."""
    times = []
    for _ in range(4):
        begun = time.process_time()
        with suppress(ItemError, ValueError):
            read(text)
        times.append(time.process_time() - begun)
        if times[-1] < 0.01:
            break
    return min(times)


def test_the_text_is_what_an_expression_that_is_not_linear_stumbles_over() -> None:
    def quadratic(text: str) -> str:
        return re.sub(r"(?<=://)[^/@\s]*:[^/@\s]*@", "", text)

    once_s, twice_s = (least_s(quadratic, "://" + ":" * (n * 2_000)) for n in (1, 2))
    assert twice_s > 3 * once_s
