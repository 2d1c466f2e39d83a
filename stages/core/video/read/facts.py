"""What a container declares of its video, before a frame is decoded."""

import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from av.codec.context import CodecContext
from av.container import InputContainer
from av.video.stream import VideoStream

US = Fraction(1, 1_000_000)
# Where the declared duration is the time at which the file ends, not how long it is: late files last too long by it.
# In Matroska it is so where FFmpeg wrote it; mkvmerge 74 declares how long it is.
ENDS = ("asf", "nut")
FFMPEG = re.compile(rb"\x4d\x80[\x80-\xff]Lavf")  # Matroska's MuxingApp
HEAD_BYTES = 1 << 16
MAX_FPS = 1000  # above it the declared rate is a clock (90000), not a frame rate


@dataclass(frozen=True)
class Facts:
    """What a container declares of a video stream.

    `container` is ffmpeg's name of the format. `index` and `audio_index` number the streams; the latter is None without
    sound. Sizes are as stored, before rotation. `start_s` is the container's start time, `declared_s` the video's end
    measured from it, None where no duration is declared.
    """

    container: str
    index: int
    audio_index: int | None
    codec: str
    pix_fmt: str | None
    width_px: int
    height_px: int
    fps: Fraction
    start_s: Fraction
    declared_s: float | None


def read_facts(container: InputContainer, stream: VideoStream) -> Facts:
    """The facts of one of the container's video streams."""
    start_s = _start_s(container)
    sound = container.streams.best("audio", related=stream)
    context = stream.codec_context
    return Facts(
        container=container.format.name,
        index=stream.index,
        audio_index=None if sound is None else sound.index,
        codec=codec_name(context),
        pix_fmt=context.pix_fmt,
        width_px=context.width,
        height_px=context.height,
        fps=_fps(stream),
        start_s=start_s,
        declared_s=_declared_s(container, stream, start_s),
    )


def codec_name(context: CodecContext) -> str:
    """The codec, av1 or mp3, whatever the decoder is called that reads it here: libdav1d, mp3float."""
    return context.codec.canonical_name


def _fps(stream: VideoStream) -> Fraction:
    """Declared frame rate, frames per second; 25 where the file declares none."""
    rates = (stream.average_rate, stream.guessed_rate, stream.base_rate)
    return next((Fraction(rate) for rate in rates if rate and 0 < rate <= MAX_FPS), Fraction(25))


def _declared_s(container: InputContainer, stream: VideoStream, start_s: Fraction) -> float | None:
    """The declared end of the video in seconds from the container's start; None where no duration is declared."""
    ends = _declares_its_end(container)
    if stream.duration and stream.time_base:
        begin = 0 if ends else stream.start_time or 0
        return float((begin + stream.duration) * stream.time_base - start_s)
    if not container.duration:
        return None
    return float(container.duration * US - (start_s if ends else 0))


def _declares_its_end(container: InputContainer) -> bool:
    if not container.format.name.startswith("matroska"):
        return container.format.name in ENDS
    with Path(container.name.removeprefix("file:")).open("rb") as file:
        return FFMPEG.search(file.read(HEAD_BYTES)) is not None


def _start_s(container: InputContainer) -> Fraction:
    """The container's start in seconds: exact, from the stream that starts then, where ffmpeg's is in whole us."""
    rounded = (container.start_time or 0) * US
    exact = (s.start_time * s.time_base for s in container.streams if s.start_time is not None and s.time_base)
    return next((start for start in exact if abs(start - rounded) <= US), rounded)
