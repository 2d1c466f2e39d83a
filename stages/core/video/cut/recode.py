"""Frames encoded into an mp4, every one of them, at their own times or at a constant rate."""

from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from av.video.frame import PictureType, VideoFrame
from av.video.stream import VideoStream

from slurm.errors import ItemError
from stages.core.video.cut.encode import Encoding, open_encoder
from stages.core.video.cut.mp4 import Mp4, new_file
from stages.core.video.cut.sound import Sound
from stages.core.video.cut.upright import Upright

ROUNDED_S = Fraction(1, 2000)  # a frame that is shown by so much too late is shown in time


class Shown(NamedTuple):
    """A frame, when it is shown and when the next one is, in ticks from the clip's start."""

    at: int
    until: int
    frame: VideoFrame


def until_next(frames: Iterator[tuple[int, VideoFrame]], over: Callable[[int], int]) -> Iterator[Shown]:
    """Each frame with its time and the next one's; the last one's end is what `over` makes of its time."""
    held: tuple[int, VideoFrame] | None = None
    for at, frame in frames:
        if held is not None:
            yield Shown(held[0], at, held[1])
        held = at, frame
    if held is not None:
        yield Shown(held[0], over(held[0]), held[1])


def at_rate(shown: Iterator[Shown], tick_s: Fraction, fps: Fraction) -> Iterator[Shown]:
    """What is shown at 0, 1/fps, 2/fps, … to the end; ticks of 1/fps."""
    n = 0
    for at, until, frame in shown:
        while n < (until * tick_s - ROUNDED_S) * fps or n == at == 0:
            yield Shown(n, n + 1, frame)
            n += 1


def write_encoded(
    shown: Iterator[Shown],
    tick_s: Fraction,
    out: Path,
    *,
    encoding: Encoding,
    fps: Fraction,
    aspect: Fraction | None,
    sound: Sound | None,
) -> list[float]:
    """Writes the frames; gives their times, seconds. `fps` is about their rate, `aspect` that of a source's sample.

    Raises ItemError encode_failed; InputError where the encoder does not work at all.
    """
    first = next(shown, None)
    if first is None:
        raise ItemError("encode_failed", "no frame in the span")
    upright = Upright(first.frame)
    times: list[int] = []
    with new_file(out) as container:
        picture = container.add_stream(encoding.codec, rate=fps)
        assert isinstance(picture, VideoStream)
        encoder = picture.codec_context
        upright.describe(upright(first.frame), encoder)
        encoder.time_base = tick_s
        if aspect:
            encoder.sample_aspect_ratio = 1 / aspect if upright.sideways else aspect
        open_encoder(encoder, encoding)
        if encoder.codec.canonical_name == "hevc":
            encoder.codec_tag = "hvc1"  # parameter sets in the index alone, which is what Apple's players want
        file = Mp4(container, picture, sound)
        over = 0
        lasts: dict[int, int] = {}
        for at, until, frame in chain([first], shown):
            ready = upright(frame)
            ready.pts, ready.time_base, ready.pict_type = at, tick_s, PictureType.NONE
            times.append(at)
            lasts[at], over = until - at, until
            for packet in encoder.encode(ready):
                packet.duration = lasts.pop(packet.pts or 0, 0)
                file.put(packet)
        for packet in encoder.encode(None):
            packet.duration = lasts.pop(packet.pts or 0, 0)
            file.put(packet)
        file.finish(over)
    return [float(at * tick_s) for at in times]
