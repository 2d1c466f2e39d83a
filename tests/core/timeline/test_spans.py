"""Spans of a catalogue on the frames of their video: to the frame, inside the file, trimmed at borders of shots."""

import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_allclose

from stages.core.schema.catalogue import SPANS
from stages.core.timeline.clips import Clock, Shots, even_clock, stored_clock
from stages.core.timeline.spans import Laid, lay_spans, place_spans

FPS = 30000 / 1001


def shots(*spans: tuple[int, int], fps: float = 25.0) -> Shots:
    starts, ends = (np.array(side) for side in zip(*spans, strict=True))
    return Shots(starts, ends, starts / fps, ends / fps)


def lay(
    spans: list[tuple[float, float]], of: Shots, clock: Clock, *, trim: bool = False, cut: int = 0, gradual: int = 0
) -> Laid:
    start_s, end_s = (np.array(side) for side in zip(*spans, strict=True))
    return lay_spans(start_s, end_s, of, clock, trim=trim, at_cut=cut, at_gradual=gradual)


def frames(laid: Laid) -> list[tuple[int, int]]:
    return list(zip(laid.start_frame.tolist(), laid.end_frame.tolist(), strict=True))


def test_times_that_were_rounded_to_milliseconds_are_the_frames_that_they_came_from() -> None:
    of = shots((0, 9000), fps=FPS)
    starts = np.arange(0, 8000, 7)
    wanted = [(int(n), int(n) + 331) for n in starts]
    spans = [(round(a / FPS, 3), round(b / FPS, 3)) for a, b in wanted]
    laid = lay(spans, of, even_clock(of, FPS))
    assert frames(laid) == wanted
    assert_allclose(laid.start_s, starts / FPS, atol=1e-6)
    assert not laid.border_inside.any()


def test_uneven_frames_are_found_by_their_own_times() -> None:
    steps = np.array([40_000, 120_000, 40_000, 40_000, 200_000, 40_000])
    of = Shots(np.array([0]), np.array([7]), np.array([0.5]), np.array([1.02]))
    laid = lay([(0.54, 0.74), (0.65, 0.95)], of, stored_clock(of, 500_000, steps))
    assert frames(laid) == [(1, 4), (2, 5)]
    assert_allclose(laid.start_s, [0.54, 0.66])


def test_what_is_outside_of_the_video_is_left_off() -> None:
    of = shots((0, 100))
    laid = lay([(-1, 1), (3, 99), (7, 9)], of, even_clock(of, 25))
    assert frames(laid) == [(0, 25), (75, 100), (100, 100)]
    assert laid.outside_s.tolist() == [1, 95, 5]


@pytest.mark.parametrize(
    ("span", "cut", "gradual", "kept"),
    [
        ((0.0, 4.0), 0, 0, (0, 100)),  # no border inside, though it touches one
        ((2.0, 6.0), 0, 0, (50, 100)),  # equal on both sides: the first
        ((3.0, 6.0), 0, 0, (100, 150)),
        ((3.0, 6.0), 2, 9, (102, 150)),
        ((6.0, 10.8), 0, 5, (150, 195)),  # the frames of a gradual transition, 200 to 220, belong to no shot
        ((7.9, 10.8), 0, 5, (225, 270)),
        ((8.08, 8.72), 0, 0, (202, 218)),  # all of it within the transition: nothing is better
    ],
)
def test_a_span_is_trimmed_to_its_longest_part(
    span: tuple[float, float], cut: int, gradual: int, kept: tuple[int, int]
) -> None:
    of = shots((0, 100), (100, 200), (220, 300))
    assert frames(lay([span], of, even_clock(of, 25), trim=True, cut=cut, gradual=gradual)) == [kept]
    whole = lay([span], of, even_clock(of, 25))
    assert frames(whole) == [(round(span[0] * 25), round(span[1] * 25))]
    assert whole.border_inside.tolist() == [span != (0.0, 4.0)]


def test_each_span_has_an_id_of_its_own() -> None:
    videos = pl.DataFrame({"video": [0, 1], "video_id": ["abc", "x"]})
    ids = [("abc", "abc.2_0"), ("abc", "7"), ("abc", None), ("x", "7"), ("x", "x"), ("x", "xy")]
    rows = [{"video_id": video, "span_id": span, "start_s": 0.0, "end_s": 1.0} for video, span in ids]
    placed = place_spans(pl.DataFrame(rows, schema=SPANS), videos)
    assert placed["clip_id"].to_list() == ["abc.2_0", "abc.7", "abc.span2", "x.7", "x", "x.xy"]
