"""Encodes all frames of a clip into an mp4, at their own times or at a constant rate."""

from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from av.video.frame import PictureType, VideoFrame
from av.video.stream import VideoStream

from slurm.errors import ItemError
from stages.core.video.cut.convert import FrameConverter, Look
from stages.core.video.cut.encode import Encoding, deep_format, open_encoder
from stages.core.video.cut.mp4 import Mp4Writer, new_file
from stages.core.video.cut.sound import Sound

ROUNDED_S = Fraction(1, 2000)  # times are rounded: a frame that is late by this much is on time


class TimedFrame(NamedTuple):
    """A frame, when it is displayed and when the next one is, in ticks from the clip's start."""

    at: int
    until: int
    frame: VideoFrame


def until_next(frames: Iterator[tuple[int, VideoFrame]], last_end: Callable[[int], int]) -> Iterator[TimedFrame]:
    """Each frame with its time and the next one's, in ticks; `last_end` gives the end of the last one by its time."""
    held: tuple[int, VideoFrame] | None = None
    for at, frame in frames:
        if held is not None:
            yield TimedFrame(held[0], at, held[1])
        held = at, frame
    if held is not None:
        yield TimedFrame(held[0], last_end(held[0]), held[1])


def at_rate(shown: Iterator[TimedFrame], tick_s: Fraction, fps: Fraction) -> Iterator[TimedFrame]:
    """The frames displayed at 0, 1/fps, 2/fps, … to the end, in ticks of 1/fps: repeated or dropped as needed."""
    n = 0
    for at, until, frame in shown:
        while n < (until * tick_s - ROUNDED_S) * fps or n == at == 0:
            yield TimedFrame(n, n + 1, frame)
            n += 1


def write_encoded(
    shown: Iterator[TimedFrame],
    tick_s: Fraction,
    out: Path,
    *,
    encoding: Encoding,
    fps: Fraction,
    sar: Fraction,
    sound: Sound | None,
    look: Look,
) -> list[float]:
    """Encodes the frames and writes them; their times in seconds from the clip's start.

    `fps` is their average rate, `sar` the shape of the source's pixels (sample aspect ratio). Raises ItemError:
    encode_failed, bad_value for a crop that is not within the picture; InputError if the encoder does not work here.
    """
    first = next(shown, None)
    if first is None:
        raise ItemError("encode_failed", "no frame in the span")
    converter = FrameConverter(first.frame, look, sar, deep_format(encoding.codec))
    times: list[int] = []
    with new_file(out) as container:
        picture = container.add_stream(encoding.codec, rate=fps)
        assert isinstance(picture, VideoStream)
        encoder = picture.codec_context
        converter.set_up(encoder, converter.convert(first.frame))
        encoder.time_base = tick_s
        encoder.sample_aspect_ratio = converter.sar
        open_encoder(encoder, encoding)
        if encoder.codec.canonical_name == "hevc":
            encoder.codec_tag = "hvc1"  # Apple's players require it: parameter sets in the index only
        file = Mp4Writer(container, picture, sound)
        end = 0
        duration_of: dict[int, int] = {}
        for at, until, frame in chain([first], shown):
            ready = converter.convert(frame)
            ready.pts, ready.time_base, ready.pict_type = at, tick_s, PictureType.NONE
            times.append(at)
            duration_of[at], end = until - at, until
            for packet in encoder.encode(ready):
                packet.duration = duration_of.pop(packet.pts or 0, 0)
                file.put(packet)
        for packet in encoder.encode(None):
            packet.duration = duration_of.pop(packet.pts or 0, 0)
            file.put(packet)
        file.finish(end)
    return [float(at * tick_s) for at in times]
