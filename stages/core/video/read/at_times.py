"""Frames of a video at given times: what lies between is decoded once at most, or skipped by a seek.

PyAV reads them, by time. decord 0.6 and decord2 3.4 do not: asked for a frame after a sync frame whose pictures lean
on those before it (x265's default), they give another one and say nothing, and in broadcasts they always do.
"""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from math import ceil
from typing import NamedTuple

from av.video.frame import VideoFrame

from stages.core.video.read.opening import open_container
from stages.core.video.read.packets import Video, open_video
from stages.core.video.read.span import UntimedError, check_order, decode_frames, read_packets

EARLY_S = Fraction(1, 2000)  # stored times are rounded: one may lie this much before the border that it stands for
LONGEST_S = 1  # a frame that is shown longer is looked for once more, from the span's start


class Span(NamedTuple):
    """A place in a video: at `share`, 0 to 1, of the way from `start_s` to `end_s`; None: the video's start, its end.

    Times are seconds from the container's start.
    """

    start_s: float | None
    end_s: float | None
    share: float


class Wanted(NamedTuple):
    """The frame of a span, by its number: shown at `at`, begun in [low, end); in ticks of the stream, or seconds."""

    at: Fraction
    low: Fraction
    end: Fraction
    number: int


class Held(NamedTuple):
    """A decoded frame and when it begins, in the unit of Wanted."""

    at: Fraction
    frame: VideoFrame


def read_at_times(
    path: str, spans: Sequence[Span], max_pixels: int, max_s: float
) -> Iterator[tuple[int, float, VideoFrame]]:
    """The number of each span, and its frame: that which is shown there, after when it begins; in order of time.

    It is one that begins within the span, the first one where none has begun by then; none: the span is left out.
    Raises ItemError: those of `open_video` and of `Video.frames`.
    """
    given: set[int] = set()
    try:
        with open_video(path, max_pixels, max_s) as video:
            check_order(video)
            start_s, tick_s = video.facts.start_s, video.tick_s
            wanted = _wanted(spans, video.facts.declared_s or (0.0 if _all_end(spans) else _end_s(video)))
            ticks = [
                Wanted((at_s + start_s) / tick_s, (low_s + start_s) / tick_s, (end_s + start_s) / tick_s, number)
                for at_s, low_s, end_s, number in wanted
            ]
            for sync, group in _group(video, ticks):
                for number, held in _choose(_decode(video, sync, group), group):
                    given.add(number)
                    yield number, float(held.at * tick_s - start_s), held.frame
        return
    except UntimedError:  # read from its start, which also gives the times
        pass
    with open_video(path, max_pixels, max_s) as video:
        end_s = video.facts.declared_s or (0.0 if _all_end(spans) else _last_s(path, max_pixels, max_s))
        left = [one for one in _wanted(spans, end_s) if one.number not in given]
        decoded = (Held(Fraction(time_s), frame) for time_s, frame in video.frames())
        for number, held in _choose(decoded, left):
            yield number, float(held.at), held.frame


def _end_s(video: Video) -> float:
    """When the last packet is shown. Raises UntimedError."""
    start_s, tick_s = video.facts.start_s, video.tick_s
    with open_container(video.path) as container:
        packets = read_packets(container, container.streams[video.facts.index], 0)
        return max((float(packet.pts * tick_s - start_s) for packet in packets if packet.pts is not None), default=0.0)


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
        end = last_s - EARLY_S if span.end_s is not None else last_s + 1
        found.append(Wanted(min(at_s + EARLY_S, end), low_s - EARLY_S, end, number))
    return sorted(found)


def _group(video: Video, wanted: Sequence[Wanted]) -> Iterator[tuple[int, list[Wanted]]]:
    """The pts of a sync frame, and what is reached by decoding on from it: until a seek leaves out a frame."""
    begin, group = 0, list[Wanted]()
    near = 2 / video.facts.fps / video.tick_s  # a frame is decoded beyond what is wanted, to see that it is later
    with open_container(video.path) as container:
        stream = container.streams[video.facts.index]
        for one in wanted:
            packet = next(read_packets(container, stream, int(one.at)), None)
            sync = 0 if packet is None or packet.pts is None else packet.pts
            if group and sync > group[-1].at + near:
                yield begin, group
                group = []
            if not group:
                begin = sync
            group.append(one)
    if group:
        yield begin, group


def _decode(video: Video, sync: int, group: Sequence[Wanted]) -> Iterator[Held]:
    """The frames of a group, from the one that is shown at its first time on."""
    begin, end = group[0], max(one.end for one in group)
    lowest = max(ceil(begin.low), sync)
    for low in (max(lowest, int(begin.at - LONGEST_S / video.tick_s)), lowest):
        decoded = decode_frames(video, low, ceil(end))
        first = next(decoded, None)
        if low == lowest or (first is not None and (first.pts or 0) <= begin.at):
            break
    if first is not None:
        yield Held(Fraction(first.pts or 0), first)
        yield from (Held(Fraction(frame.pts or 0), frame) for frame in decoded)


def _choose(decoded: Iterator[Held], wanted: Sequence[Wanted]) -> Iterator[tuple[int, Held]]:
    """Of each that is wanted, the frame among these, which come in order of time; no more of them than needed."""
    shown = ahead = next(decoded, None)
    for one in wanted:
        while ahead is not None and ahead.at <= one.at:
            shown, ahead = ahead, next(decoded, None)
        chosen = shown if shown is not None and shown.at >= one.low else ahead
        if chosen is not None and one.low <= chosen.at < one.end:
            yield one.number, chosen
