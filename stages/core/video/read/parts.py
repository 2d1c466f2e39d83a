"""Parts of a video, in seconds from the container's start: which are decoded together, and their frames."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from math import ceil
from typing import NamedTuple

from av.video.frame import VideoFrame

from stages.core.video.read.opening import open_container
from stages.core.video.read.packets import Video
from stages.core.video.read.span import decode_frames, read_packets


class Timed(NamedTuple):
    """A decoded frame, and when it begins."""

    at_s: Fraction
    frame: VideoFrame


def decode_part(video: Video, start_s: Fraction, end_s: Fraction) -> Iterator[Timed]:
    """The frames that begin in [start_s, end_s), in order. Raises ItemError too_large; UntimedError."""
    for frame in decode_frames(video, ceil(video.ticks(start_s)), ceil(video.ticks(end_s))):
        if frame.pts is not None:
            yield Timed(video.seconds(frame.pts), frame)


def join_parts(video: Video, parts: Sequence[tuple[Fraction, Fraction]]) -> Iterator[tuple[Fraction, slice]]:
    """Which of these parts, sorted, are reached by decoding on from a sync frame, after its time.

    A part is [start, end). Another sync frame is taken only where that leaves out frames. Raises UntimedError.
    """
    near_s = 2 / video.facts.fps  # a frame is decoded beyond a part, to see that it is later
    first, sync_s, over_s = 0, Fraction(0), Fraction(0)
    with open_container(video.path) as container:
        stream = container.streams[video.facts.index]
        for number, (start_s, end_s) in enumerate(parts):
            packet = next(read_packets(container, stream, int(video.ticks(start_s))), None)
            found_s = video.seconds(0 if packet is None or packet.pts is None else packet.pts)
            if number and found_s > over_s + near_s:
                yield sync_s, slice(first, number)
                first = number
            if number == first:
                sync_s, over_s = found_s, end_s
            over_s = max(over_s, end_s)
    if parts:
        yield sync_s, slice(first, len(parts))
