"""Measures the optical flow in clips of one video: each part of it is decoded once, and reached by a seek."""

import logging
from collections.abc import Iterator, Sequence
from fractions import Fraction
from math import ceil, inf

from av.video.frame import VideoFrame

from stages.core.video.flow.meter import Meter, Picture
from stages.core.video.flow.one_pass import Flows, Span
from stages.core.video.flow.sampler import EARLY_S
from stages.core.video.flow.settings import Settings
from stages.core.video.read.packets import Video, open_video
from stages.core.video.read.span import UntimedError, check_order, decode_frames

JOIN_S = 2.0  # between clips that are this near, decoding on is cheaper than a seek, which lands at a key frame before

log = logging.getLogger("reelmill")


def measure_clips(path: str, spans: Sequence[Span], settings: Settings, meter: Meter[Picture]) -> Flows[Picture]:
    """The flow in each of these clips of a video, between frames that are 1 / fps apart.

    Raises ItemError for what is wrong with all of it: missing, unreadable, empty, corrupt, no_video, too_large.
    """
    limits = settings.limits
    if all(span.start_s > -inf and span.end_s < inf for span in spans):
        try:
            with open_video(path, limits.max_pixels, limits.max_s) as video:
                check_order(video)
                flows = Flows(video, spans, settings, meter)
                for numbers, part in join(spans):
                    flows.measure(numbers, frames_of(video, part))
                return flows
        except UntimedError as reason:
            log.info("%s: read from its start: %s", path, reason)
    with open_video(path, limits.max_pixels, limits.max_s) as video:
        flows = Flows(video, spans, settings, meter)
        flows.measure(range(len(spans)), video.frames())
        return flows


def join(spans: Sequence[Span]) -> Iterator[tuple[list[int], Span]]:
    """The parts of the video to decode, each after the numbers of the clips in it."""
    numbers: list[int] = []
    part = Span()
    for number in sorted(range(len(spans)), key=lambda number: spans[number]):
        span = spans[number]
        if numbers and span.start_s > part.end_s + JOIN_S:
            yield numbers, part
            numbers = []
        part = Span(part.start_s, max(part.end_s, span.end_s)) if numbers else span
        numbers = [*numbers, number]
    yield numbers, part


def frames_of(video: Video, part: Span) -> Iterator[tuple[float, VideoFrame]]:
    """The frames in a part of the video, each after its time. Raises ItemError too_large; UntimedError."""
    tick_s, zero_s = video.tick_s, video.facts.start_s
    first, end = (ceil((Fraction(at_s) + zero_s - Fraction(EARLY_S)) / tick_s) for at_s in part)
    for frame in decode_frames(video, first, end):
        if frame.pts is not None:
            yield float(frame.pts * tick_s - zero_s), frame
