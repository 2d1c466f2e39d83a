"""DIS on pictures of known motion: right up to far beyond 40 px, and 0 where nothing moves."""

from math import hypot

import cv2
import numpy as np
import pytest
from av.video.frame import VideoFrame
from support.sliding import Picture, look

from stages.core.video.flow.dis import DisMeter
from stages.core.video.flow.meter import View
from stages.core.video.read.frames import AS_STORED, BLACK

LANDSCAPE, PORTRAIT = (960, 520), (520, 960)
Shift = tuple[float, float]


def mean_px(first: Picture, second: Picture, meter: DisMeter | None = None) -> float:
    """The mean flow between two pictures, which are prepared as frames of a video are."""
    meter, frames = meter or DisMeter(), []
    for luma in (first, second):
        grey = np.full((luma.shape[0] // 2, luma.shape[1]), 128, np.uint8)
        frames.append(VideoFrame.from_ndarray(np.vstack([luma, grey]), "yuv420p"))
    view = View(*(LANDSCAPE if first.shape[1] >= first.shape[0] else PORTRAIT), AS_STORED)
    (found,) = meter.measure([(meter.prepare(frames[0], view), meter.prepare(frames[1], view))])
    return found


def pair(shift: Shift, kind: str = "shapes", view: tuple[int, int] = LANDSCAPE) -> tuple[Picture, Picture]:
    return look(0, 0, view, kind), look(*shift, view, kind)


@pytest.mark.parametrize("view", [LANDSCAPE, PORTRAIT])
@pytest.mark.parametrize("shift", [(3, 0), (0, 5), (-7, 7), (20, -20), (-40, 0), (0, 40), (28, 28), (110, 20)])
def test_a_pan_is_measured_to_within_5_percent(shift: Shift, view: tuple[int, int]) -> None:
    assert mean_px(*pair(shift, view=view)) == pytest.approx(hypot(*shift), rel=0.05)


@pytest.mark.parametrize("shift", [(8, 0), (28, 28), (0, -40)])
def test_a_clear_sky_moves_with_what_is_below_it(shift: Shift) -> None:
    assert mean_px(*pair(shift, "hills")) == pytest.approx(hypot(*shift), rel=0.05)


@pytest.mark.parametrize("shift", [(0.6, 0), (1, -1), (0, 2)])
def test_small_motion_is_measured_to_within_a_tenth_of_a_pixel(shift: Shift) -> None:
    assert mean_px(*pair(shift)) == pytest.approx(hypot(*shift), abs=0.1)


@pytest.mark.parametrize("kind", ["shapes", "hills", "fog"])
def test_grain_is_no_motion(kind: str) -> None:
    first, second = (look(0, y_px, LANDSCAPE, kind, grain=2.0) for y_px in (0, 1e-3))  # other grain
    assert (first != second).mean() > 0.5
    assert mean_px(first, second) < 0.05


def test_light_that_changes_is_no_motion() -> None:
    luma = look(0, 0, LANDSCAPE)
    assert mean_px(luma, (0.85 * luma).astype(np.uint8)) < 0.05


def test_black_bars_stand_still_whatever_moves_between_them() -> None:
    pictures = pair((20, 0))
    for luma in pictures:
        luma[:78] = luma[-78:] = BLACK
    assert mean_px(*pictures) == pytest.approx(20 * (1 - 156 / 520), rel=0.05)


@pytest.mark.parametrize("shift_px", [10, 38])
def test_a_thing_counts_by_its_share_of_the_picture(shift_px: int) -> None:
    first, second = pair((0, 0))
    thing = cv2.resize(look(300, 200, LANDSCAPE), (320, 200), interpolation=cv2.INTER_AREA)
    for luma, left in ((first, 200), (second, 200 + shift_px)):
        luma[150:350, left : left + 320] = thing
    assert mean_px(first, second) == pytest.approx(shift_px * 320 * 200 / 960 / 520, rel=0.1)


def test_what_moves_further_than_is_looked_for_is_not_called_still() -> None:
    assert mean_px(*pair((400, 0))) > 40


def test_a_pair_gives_the_same_whatever_was_measured_before() -> None:
    pairs, meter = [pair((5, 0)), pair((90, 0))], DisMeter()
    there, back = ([mean_px(*one, meter) for one in order] for order in (pairs, pairs[::-1]))
    assert there == back[::-1]
