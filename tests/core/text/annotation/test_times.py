"""Times as models write them."""

import time

import pytest

from stages.core.text.annotation.times import read_time, write_time

FIRST_S, LAST_S = 10.0, 99.0  # of the scene


def sides(value: object, fps: float = 24.0, limit_s: float = 10_000.0) -> tuple[float | None, float | None]:
    """What it says as a start, and as an end."""
    start, end = (
        read_time(value, is_end=is_end, first_s=FIRST_S, last_s=LAST_S, fps=fps, limit_s=limit_s)
        for is_end in (False, True)
    )
    return start, end


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        *dict.fromkeys(["01:20", "1:20", "80s", "80 s", "80 seconds", "1m20s", "1 min 20 sec", "80", 80], 80.0).items(),
        *dict.fromkeys(
            ["~1:20", "≈ 1:20", "approx. 1:20", "approximately 1:20", "around 1:20", "About 1:20"], 80.0
        ).items(),
        *dict.fromkeys(["ca. 1:20", "at 1:20", "@1:20", "[01:20]", "(1:20)", "**01:20**", "1:20 mark"], 80.0).items(),
        *dict.fromkeys(
            ["01:20 (approx)", "1:20ish", "1'20\"", " 01:20 ", "1 minute and 20 seconds", "t=80"], 80.0
        ).items(),
        *dict.fromkeys(["1:20s", "1:20 min", "1:20 minutes", "1′20″", "1：20", "00:01:20Z"], 80.0).items(),
        *dict.fromkeys(
            ["80.5s", "00;01;20;12", "80,5 s", "00:01:20.500", "0:01:20,5", "00:01:20:12", "00:01:20;12", 80.5], 80.5
        ).items(),
        *dict.fromkeys(["1:02:03", "62:03", "1h 2m 3s", "1 hour, 2 minutes and 3 seconds", "3723s"], 3723.0).items(),
        ("0:00:05,300", 5.3),
        ("500 ms", 0.5),
        ("1.5 minutes", 90.0),
        ("0", 0.0),
    ],
)
def test_a_time_is_read_in_every_form(value: object, seconds: float) -> None:
    assert list(sides(value)) == pytest.approx([seconds, seconds])


@pytest.mark.parametrize(
    "value", ["1:20-1:45", "1:20 – 1:45", "1:20 to 1:45", "from 1:20 until 1:45", "between 1:20 and 1:45", "80s-105s"]
)
def test_of_a_range_each_side_is_read_from_its_own(value: str) -> None:
    assert sides(value) == (80.0, 105.0)


def test_words_mean_the_borders_of_the_scene() -> None:
    for word in ("start", "beginning", "The very beginning", "at the beginning of the scene", "intro"):
        assert sides(word) == (FIRST_S, FIRST_S)
    for word in ("end", "the end", "end of the video"):
        assert sides(word) == (LAST_S, LAST_S)
    for word in ("throughout", "Throughout the video", "ongoing", "continuous", "the entire scene"):
        assert sides(word) == (FIRST_S, LAST_S)
    assert sides("1:20 - end") == (80.0, LAST_S)
    assert sides("start - 0:20") == (FIRST_S, 20.0)


NO_TIMES: list[object] = ["1:75", "00:61:00", "-3", "-1:20", "unknown", "n/a", "", None, "soon", "00:01:20:24", "nan"]
NO_TIMES += ["–1:20", "−1:20", "~-5s", "at -1:20", "(-3)", "to -5", "1:75s", "00;61;00;00"]
NO_TIMES += [
    "inf",
    True,
    [],
    -1.0,
    float("nan"),
    float("inf"),
    "1:20 and 1:30",
    "9" * 400,
    "0:9999999999",
    "after 1:20",
]


@pytest.mark.parametrize("value", NO_TIMES)
def test_what_is_no_time_is_none(value: object) -> None:
    assert sides(value) == (None, None)


def test_an_open_range_has_no_end() -> None:
    assert sides("1:20-") == (80.0, None)


def test_what_lies_beyond_the_video_as_hours_is_minutes_seconds_and_frames() -> None:
    assert sides("01:20:12", limit_s=120.0) == (80.5, 80.5)
    assert sides("01:20:12") == (4812.0, 4812.0)
    assert sides("01:20:12", fps=10.0, limit_s=120.0) == (4812.0, 4812.0), "there is no frame 12 of 10"


def test_the_time_of_a_frame_is_written_so_that_it_names_that_frame() -> None:
    for frame in range(3000):
        at_s = frame * 1001 / 30000
        written_s = read_time(write_time(at_s), is_end=False, first_s=0, last_s=0, fps=30)
        assert written_s is not None
        assert at_s - 1e-6 <= written_s < at_s + 0.001
    assert write_time(0.0) == "00:00:00.000"
    assert write_time(3661.25) == "01:01:01.250"
    assert write_time(80.08) == "00:01:20.080", "no millisecond more by rounding"


@pytest.mark.parametrize("piece", ["(a) ", "- ", "~", "about ", "1:20 ", "to ", "9", " "])
def test_long_texts_cost_no_more_than_their_length(piece: str) -> None:
    def cost_s(times: int) -> float:
        begun_s = time.process_time()
        for n in range(50):
            sides(piece * times + str(n))
        return time.process_time() - begun_s

    assert cost_s(100_000) < 0.5 + 100 * cost_s(10_000)
