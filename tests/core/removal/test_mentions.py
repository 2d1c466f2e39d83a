"""Which bytes mention a name, and which only look like it."""

import random

import pytest

from stages.core.removal.mentions import MASK, Mentions

LONG, SHORT = "birchforest", "v3"
SEEN = [
    (LONG, b"/videos/birchforest.mp4"),
    (LONG, b"birchforest_0_40"),
    (LONG, b"\x00\xffbirchforest\x01"),
    (LONG, b"watch?v=birchforest&t=1"),
    ("vid\u00e9o n\u00b02", b'{"id": "vid\\u00e9o n\\u00b02"}'),
    ("a b/c&d.mp4", b"https://host/a%20b/c%26d.mp4"),
    ("a b/c&d.mp4", b"<td>a b/c&amp;d.mp4</td>"),
    (SHORT, b"/videos/v3.mp4"),
    (SHORT, b'{"video_id": "v3"}'),
    (SHORT, b"v3\nv4\n"),
    (SHORT, b"v3_0_10"),
]
NOT_SEEN = [
    (LONG, b"birchforests"),
    (LONG, b"Abirchforest"),
    (LONG, b"birchfores t"),
    (SHORT, b"\x01\x02v3\x03\x04"),
    (SHORT, b"a film called v3 is"),
    (SHORT, b"libv3.so"),
]


@pytest.mark.parametrize(("name", "content"), SEEN)
def test_a_name_is_seen_as_files_and_formats_write_it(name: str, content: bytes) -> None:
    assert Mentions([name, "other"]).in_bytes(content) == name


@pytest.mark.parametrize(("name", "content"), NOT_SEEN)
def test_what_only_looks_like_it_is_none(name: str, content: bytes) -> None:
    assert Mentions([name]).in_bytes(content) is None


def test_a_name_that_begins_another_one_that_stays_is_told_from_it() -> None:
    mentions = Mentions(["film"], ["film-2", "/runs/film/"])
    assert mentions.in_bytes(b"/a/film-2.mp4 and /runs/film/x") is None
    assert mentions.in_bytes(b"/a/film-2.mp4 and /a/film.mp4") == "film"


def test_lines_are_masked_where_a_name_stands_and_nowhere_else() -> None:
    mentions = Mentions([SHORT, LONG])
    line = b"v3: birchforest_0_40 failed, libv3.so and birchforests stay\n"
    assert mentions.masked(line) == MASK + b": " + MASK + b"_0_40 failed, libv3.so and birchforests stay\n"


def test_a_name_among_thousands_is_found_and_random_bytes_have_none() -> None:
    mentions = Mentions([f"video-{number:05d}" for number in range(5000)] + [SHORT])
    noise = random.Random(1).randbytes(1 << 22)
    assert mentions.in_bytes(noise) is None
    assert mentions.in_bytes(noise + b"/video-04711.mp4" + noise) == "video-04711"
