"""Times as catalogues write them."""

import pytest

from stages.core.sources.times import parse_seconds


@pytest.mark.parametrize(
    ("text", "value_s"),
    [
        ("0:01:20", 80.0),
        ("0:01:20.880", 80.88),
        ("00:00:23.279", 23.279),
        ("0:01:20.880000", 80.88),
        ("1:02:03", 3723.0),
        ("01:20", 80.0),
        ("1:20.25", 80.25),
        ("00:00.5", 0.5),
        ("0:00:07", 7.0),
        ("2:01:00:00", 2 * 86400 + 3600.0),
        ("0", 0.0),
        ("208", 208.0),
        ("24.625", 24.625),
        (" 1:20 ", 80.0),
    ],
)
def test_a_time_is_read_as_catalogues_write_it(text: str, value_s: float) -> None:
    assert parse_seconds(text) == pytest.approx(value_s, abs=1e-9)


@pytest.mark.parametrize("text", [".5", "0.5", "0.500", "0:00.5", "0:00:00.50"])
def test_the_point_is_a_decimal_one(text: str) -> None:
    assert parse_seconds(text) == 0.5


@pytest.mark.parametrize(
    ("text", "value_s"), [("90:00", 5400.0), ("3600", 3600.0), ("61:00", 3660.0), ("30:00:00", 108e3)]
)
def test_the_first_field_may_be_as_large_as_it_likes(text: str, value_s: float) -> None:
    assert parse_seconds(text) == value_s


@pytest.mark.parametrize("text", ["1:60", "1:60:00", "0:00:60.0", "1:24:00:00", "0:75"])
def test_a_field_behind_a_larger_one_stays_below_it(text: str) -> None:
    with pytest.raises(ValueError, match=rf"^'{text}' is not a time: .* after a larger field"):
        parse_seconds(text)


NO_TIMES = ": 5: :5 -1 -0:01:20 1:-5 nan inf 1e3 1_0 0x5 1.5:20 5. . 1::2 00:00:23,279 1:2:3:4:5 None PT15S 1m20s １"


@pytest.mark.parametrize("text", ["", " ", "1 day, 0:01:20", "9" * 400, *NO_TIMES.split()])
def test_anything_else_is_refused_and_named(text: str) -> None:
    with pytest.raises(ValueError, match="is not a time") as caught:
        parse_seconds(text)
    assert repr(text) in str(caught.value)
