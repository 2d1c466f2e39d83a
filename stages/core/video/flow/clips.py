"""Measures the optical flow in clips of one video: each part of it is decoded once, and reached by a seek."""

from collections.abc import Sequence
from contextlib import suppress
from fractions import Fraction
from math import inf

from stages.core.video.flow.meter import Meter, Picture
from stages.core.video.flow.one_pass import Flows, Span
from stages.core.video.flow.settings import Settings
from stages.core.video.read.packets import open_video
from stages.core.video.read.parts import decode_part, join_parts
from stages.core.video.read.span import EARLY_S, UntimedError, open_in_order


def measure_clips(path: str, spans: Sequence[Span], settings: Settings, meter: Meter[Picture]) -> Flows[Picture]:
    """The flow in each of these clips of a video, between frames that are 1 / fps apart.

    Raises ItemError for what is wrong with all of it: missing, unreadable, empty, corrupt, no_video, too_large.
    """
    limits = settings.limits
    if all(span.start_s > -inf and span.end_s < inf for span in spans):
        with suppress(UntimedError), open_in_order(path, limits.max_pixels, limits.max_s) as video:
            flows = Flows(video, spans, settings, meter)
            order = sorted(range(len(spans)), key=lambda number: spans[number])
            parts = [(Fraction(start_s) - EARLY_S, Fraction(end_s) - EARLY_S) for start_s, end_s in sorted(spans)]
            for _, joined in join_parts(video, parts):
                end_s = max(end_s for _, end_s in parts[joined])
                decoded = decode_part(video, parts[joined][0][0], end_s)
                flows.measure(order[joined], ((float(at_s), frame) for at_s, frame in decoded))
            return flows
    with open_video(path, limits.max_pixels, limits.max_s) as video:
        flows = Flows(video, spans, settings, meter)
        flows.measure(range(len(spans)), video.frames())
        return flows
