"""The name of a clip's camera move, by the camera's motion in each of its seconds."""

import polars as pl
import pytest

from stages.core.timeline.camera import name_move

STEADY = (1.0, 1.0, 1.0)


def named(
    pan_x: tuple[float | None, ...] = (0.0,) * 3,
    pan_y: tuple[float, ...] = (0.0,) * 3,
    zoom: tuple[float, ...] = (0.0,) * 3,
    roll: tuple[float, ...] = (0.0,) * 3,
    *,
    speed: tuple[float | None, ...] | None = None,
    whole: tuple[bool, ...] = (True,) * 3,
) -> str | None:
    parts = {"pan_x": pan_x, "pan_y": pan_y, "zoom": zoom, "roll": roll}
    lengths = [sum((value or 0) ** 2 for value in values) ** 0.5 for values in zip(*parts.values(), strict=True)]
    seconds = pl.DataFrame({**parts, "camera": speed or lengths, "whole": whole}, strict=False)
    return seconds.select(name_move(pl.col("whole"))).item()  # type: ignore[no-any-return]


def times(value: float, by: tuple[float, ...] = STEADY) -> tuple[float, ...]:
    return tuple(value * each for each in by)


@pytest.mark.parametrize(
    ("part", "plus", "minus"),
    [
        ("pan_x", "pan_right", "pan_left"),
        ("pan_y", "tilt_down", "tilt_up"),
        ("zoom", "zoom_in", "zoom_out"),
        ("roll", "roll", "roll"),
    ],
)
def test_each_part_has_its_two_names(part: str, plus: str, minus: str) -> None:
    for value, name in ((0.1, plus), (-0.1, minus), (0.01, plus)):
        assert named(**{part: times(value)}) == name  # type: ignore[arg-type]


def test_the_largest_part_names_a_move_of_several() -> None:
    assert named(pan_x=times(0.1), pan_y=times(-0.05), zoom=times(0.02)) == "pan_right"
    assert named(pan_x=times(0.02), pan_y=times(-0.05), zoom=times(0.1)) == "zoom_in"


def test_what_hardly_moves_is_static() -> None:
    assert named(pan_x=times(0.004)) == "static"
    assert named() == "static"


def test_a_pan_with_rests_is_a_pan() -> None:
    assert named(pan_x=(0.0, 0.3, 0.0)) == "pan_right"


def test_a_camera_that_comes_back_within_the_seconds_shakes_and_one_that_takes_longer_is_mixed() -> None:
    assert named(pan_x=(0.01, -0.02, 0.01), speed=(0.1, 0.1, 0.1)) == "shaking"
    assert named(pan_x=(0.1, -0.1, 0.02)) == "mixed"


def test_seconds_that_lie_in_the_clip_with_all_their_length_count_alone() -> None:
    assert named(pan_x=(0.5, 0.0, 0.0), whole=(False, True, True)) == "static"
    assert named(pan_x=(0.5, 0.5, 0.5), whole=(False, False, False)) == "pan_right"
    assert named(pan_x=(0.5, None, None), speed=(0.5, None, None), whole=(False, True, True)) == "pan_right"


def test_without_a_value_there_is_no_name() -> None:
    nothing = pl.DataFrame(schema=dict.fromkeys(("camera", "pan_x", "pan_y", "zoom", "roll"), pl.Float64()))
    for rows in (nothing, nothing.clear(2)):
        assert rows.select(name_move(pl.lit(True, pl.Boolean()))).item() is None
