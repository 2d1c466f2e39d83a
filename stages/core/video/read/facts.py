"""What a container declares of its video, before a frame is decoded."""

import re
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
from av.codec.context import CodecContext
from av.container import InputContainer
from av.video.stream import VideoStream

from stages.core.video.read.opening import AS_STORED, SAFE_INPUT

US = Fraction(1, 1_000_000)
# Where the declared duration is the time at which the file ends, not how long it is: late files last too long by it.
# In Matroska it is so where FFmpeg wrote it; mkvmerge 74 declares how long it is.
ENDS = ("asf", "nut")
FFMPEG = re.compile(rb"\x4d\x80[\x80-\xff]Lavf")  # Matroska's MuxingApp
HEAD_BYTES = 1 << 16
# Containers whose times are whole milliseconds. FFmpeg guesses the rate of their files from the first frames.
MILLISECONDS = ("matroska", "flv", "live_flv")
FEW = 4  # frames from which it guesses none, and tells the rate of the clock: 1000
USUAL = (1, 1001)
USUAL_FPS = [Fraction(n, 1001) for n in (24000, 30000, 60000)] + [Fraction(n) for n in (10, 12, 15, 24, 25, 30, 50, 60)]
NEAR = Fraction(1, 50)
MOST_SQUEEZED = 10  # a pixel that is more times as wide as high, or as high as wide, is an error of the file's
MAX_FPS = 1000  # above it the declared rate is a clock (90000), not a frame rate


@dataclass(frozen=True)
class Facts:
    """What a container declares of a video stream.

    `container` is ffmpeg's name of the format. `index` and `audio_index` number the streams; the latter is None without
    sound. Sizes are as stored, before rotation; `sar` is the shape of a pixel there, its width by its height, 1 where
    none is declared. `start_s` is the container's start time, `declared_s` the video's end
    measured from it, None where no duration is declared.
    """

    container: str
    index: int
    audio_index: int | None
    codec: str
    pix_fmt: str | None
    width_px: int
    height_px: int
    sar: Fraction
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
        sar=_sar(stream),
        fps=_fps(container, stream),
        start_s=start_s,
        declared_s=_declared_s(container, stream, start_s),
    )


def codec_name(context: CodecContext) -> str:
    """The codec, av1 or mp3, whatever the decoder is called that reads it here: libdav1d, mp3float."""
    return context.codec.canonical_name


def _sar(stream: VideoStream) -> Fraction:
    sar = stream.sample_aspect_ratio
    return sar if sar and 1 / Fraction(MOST_SQUEEZED) <= sar <= MOST_SQUEEZED else Fraction(1)


def _fps(container: InputContainer, stream: VideoStream) -> Fraction:
    """Declared frame rate, frames per second; 25 where the file declares none."""
    average, guessed = stream.average_rate, stream.guessed_rate
    if average and guessed and guessed.denominator in USUAL and _is_rounded(stream, average, guessed):
        return guessed
    if not average and container.format.name.startswith(MILLISECONDS) and (fps := _fps_of_few(container, stream)):
        return fps
    rates = (average, guessed, stream.base_rate)
    return next((Fraction(rate) for rate in rates if rate and 0 < rate <= MAX_FPS), Fraction(25))


def _is_rounded(stream: VideoStream, average: Fraction, guessed: Fraction) -> bool:
    """Whether the average is the guessed rate but for times in milliseconds, or a last frame without a duration."""
    if average.denominator in USUAL or abs(average / guessed - 1) > NEAR:
        return False
    in_milliseconds = stream.time_base == Fraction(1, 1000)
    return in_milliseconds or 0 < stream.frames * abs(1 - guessed / average) <= 1 + NEAR


def _fps_of_few(container: InputContainer, stream: VideoStream) -> Fraction | None:
    """The rate of a file of a few frames, for which FFmpeg tells the clock's; None where there are more of them."""
    with av.open(container.name, options=SAFE_INPUT | AS_STORED) as again:
        found = list(islice((packet for packet in again.demux(again.streams[stream.index]) if packet.size), FEW + 1))
        tick_s, whole = stream.time_base or Fraction(1, 1000), again.duration
    times = sorted(at for packet in found if (at := packet.dts if packet.pts is None else packet.pts) is not None)
    if len(found) > FEW or not times:
        return None
    lasts = times[-1] - times[0] if len(times) > 1 else found[0].duration or round((whole or 0) * US / tick_s)
    if lasts <= 0:
        return None
    every_s = lasts * tick_s / max(1, len(times) - 1)
    usual = min(USUAL_FPS, key=lambda fps: abs(1 / fps - every_s))
    return usual if abs(1 / usual - every_s) <= tick_s else 1 / every_s


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
