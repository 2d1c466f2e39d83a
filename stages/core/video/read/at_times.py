"""Frames of a video at given times: what lies between is decoded once at most, or skipped by a seek.

PyAV reads them, by time. decord 0.6 and decord2 3.4 do not: asked for a frame after a sync frame whose pictures lean
on those before it (x265's default), they give another one and say nothing, and in broadcasts they always do.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from fractions import Fraction
from typing import NamedTuple

from av.video.frame import VideoFrame

from stages.core.video.read.packets import Video, open_video
from stages.core.video.read.parts import Timed, decode_part, join_parts
from stages.core.video.read.span import EARLY_S, UntimedError, open_in_order

FAR_S = 2  # a video that is declared to go on for so long behind its last frame does not
LONGEST_S = 1  # a frame that is shown longer is looked for once more, from the span's start


class Span(NamedTuple):
    """A place in a video: at `share`, 0 to 1, of the way from `start_s` to `end_s`; None: the video's start, its end.

    Times are seconds from the container's start.
    """

    start_s: float | None
    end_s: float | None
    share: float


class Wanted(NamedTuple):
    """The frame of a span, by its number: shown at `at_s`, begun in [low_s, end_s)."""

    at_s: Fraction
    low_s: Fraction
    end_s: Fraction
    number: int


def read_at_times(
    path: str, spans: Sequence[Span], max_pixels: int, max_s: float
) -> Iterator[tuple[int, float, VideoFrame]]:
    """The number of each span, and its frame: that which is shown there, after when it begins; in order of time.

    It is one that begins within the span, the first one where none has begun by then; none: the span is left out.
    Raises ItemError: those of `open_video` and of `Video.frames`.
    """
    given: set[int] = set()
    with suppress(UntimedError), open_in_order(path, max_pixels, max_s) as video:
        wanted = _wanted(spans, 0.0 if _all_end(spans) else find_end_s(video))
        # a frame is looked for until a later one is seen
        for sync_s, joined in join_parts(video, [(one.at_s, one.at_s) for one in wanted]):
            for number, found in _choose(_decode(video, sync_s, wanted[joined]), wanted[joined]):
                given.add(number)
                yield number, float(found.at_s), found.frame
        return
    with open_video(path, max_pixels, max_s) as video:
        end_s = 0.0 if _all_end(spans) else find_end_s(video) or _last_s(path, max_pixels, max_s)
        left = [one for one in _wanted(spans, end_s) if one.number not in given]
        decoded = (Timed(Fraction(time_s), frame) for time_s, frame in video.frames())
        for number, found in _choose(decoded, left):
            yield number, float(found.at_s), found.frame


def find_end_s(video: Video) -> float:
    """The declared end, or the packets' where none is declared or it lies far behind that; 0: they have no times."""
    declared_s, packets_s = video.facts.declared_s, video.packets_end_s()
    if declared_s is None or (packets_s is not None and declared_s > packets_s + FAR_S):
        return packets_s or declared_s or 0.0
    return declared_s


def _last_s(path: str, max_pixels: int, max_s: float) -> float:
    """When the last frame is shown, by decoding all of them."""
    with open_video(path, max_pixels, max_s) as video:
        return max(time_s for time_s, _ in video.frames())


def _all_end(spans: Sequence[Span]) -> bool:
    return all(span.end_s is not None for span in spans)


def _wanted(spans: Sequence[Span], end_s: float) -> list[Wanted]:
    """What is wanted, by time, in seconds."""
    found = []
    for number, span in enumerate(spans):
        low_s = Fraction(0 if span.start_s is None else span.start_s)
        last_s = Fraction(end_s if span.end_s is None else span.end_s)
        at_s = low_s + Fraction(span.share) * (last_s - low_s)
        over_s = last_s - EARLY_S if span.end_s is not None else last_s + 1
        found.append(Wanted(min(at_s + EARLY_S, over_s), low_s - EARLY_S, over_s, number))
    return sorted(found)


def _decode(video: Video, sync_s: Fraction, group: Sequence[Wanted]) -> Iterator[Timed]:
    """The frames of a group, from the one that is shown at its first time on."""
    begin, end_s = group[0], max(one.end_s for one in group)
    lowest_s = max(begin.low_s, sync_s)
    for low_s in (max(lowest_s, begin.at_s - LONGEST_S), lowest_s):
        decoded = decode_part(video, low_s, end_s)
        first = next(decoded, None)
        if low_s == lowest_s or (first is not None and first.at_s <= begin.at_s):
            break
    if first is not None:
        yield first
        yield from decoded


def _choose(decoded: Iterator[Timed], wanted: Sequence[Wanted]) -> Iterator[tuple[int, Timed]]:
    """Of each that is wanted, the frame among these, which come in order of time; no more of them than needed."""
    shown = ahead = next(decoded, None)
    for one in wanted:
        while ahead is not None and ahead.at_s <= one.at_s:
            shown, ahead = ahead, next(decoded, None)
        chosen = shown if shown is not None and shown.at_s >= one.low_s else ahead
        if chosen is not None and one.low_s <= chosen.at_s < one.end_s:
            yield one.number, chosen
