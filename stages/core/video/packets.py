"""Decoded frames of a local media file in one pass: packets in, frames with their times out.

One thread (a worker has one core), all other streams discarded, and a packet that cannot be decoded is counted, not
fatal: a torn file gives what can be read of it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction

import av
from av.codec.context import ThreadType
from av.container import InputContainer
from av.stream import Discard, Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from slurm.errors import ItemError
from stages.core.video.opening import open_container

PICTURES = Disposition.attached_pic | Disposition.still_image | Disposition.timed_thumbnails
US = Fraction(1, 1_000_000)
MAX_FPS = 1000  # above it the declared rate is a clock (90000), not a frame rate
MAX_READ_ERRORS = 20  # in a row, without a packet between: the demuxer is stuck


@dataclass(frozen=True)
class Facts:
    """What a container declares of its largest video stream, before anything is decoded.

    `declared_s` is None where it promises no duration, `audio_index` where the picture has no sound; sizes are as
    stored, before rotation; `start_s` is the container's start; `container` is ffmpeg's name of the format.
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


@dataclass
class Video:
    """An open file; the counters grow while `frames` is read.

    The container and the stream must not be touched after it is closed: PyAV reads freed memory then.
    """

    path: str
    facts: Facts
    container: InputContainer
    stream: VideoStream
    max_px: int
    max_s: float
    packets: int = field(default=0, init=False)
    decode_errors: int = field(default=0, init=False)

    def frames(self) -> Iterator[tuple[float, VideoFrame]]:
        """Every frame that can be decoded, with its time in seconds from the container's start, strictly growing.

        Raises ItemError: no_frames when there was none, too_large when a frame or the time exceeds the limits.
        """
        last: Fraction | None = None
        for frame in self._decoded():
            step = 1 / self.facts.fps
            at = (
                None
                if frame.pts is None or frame.time_base is None
                else frame.pts * frame.time_base - self.facts.start_s
            )
            # a missing time, or one that jumps back (joined broadcasts), goes on from the last one
            if at is None or (last is not None and at <= last):
                at = Fraction(0) if last is None else last + step
            last = at
            self._check_size(frame.width, frame.height)
            self._check_seconds(float(at))
            yield float(at), frame
        if last is None:
            raise ItemError("no_frames", f"{self.path}: {self.packets} packets, {self.decode_errors} decode errors")

    def coverage(self, end_s: float) -> float:
        """Share of the promised video that was decoded up to `end_s`, 0 to 1; 1 where nothing was promised."""
        promised_s = self.facts.declared_s
        reached = min(1.0, end_s / promised_s) if promised_s else 1.0
        return reached * (1 - min(1.0, self.decode_errors / max(1, self.packets)))

    def check_limits(self) -> None:
        """Raises ItemError too_large when the declared size or duration exceeds the limits."""
        self._check_size(self.facts.width_px, self.facts.height_px)
        self._check_seconds(self.facts.declared_s or 0.0)

    def _check_size(self, width_px: int, height_px: int) -> None:
        if width_px * height_px > self.max_px:
            raise ItemError("too_large", f"{self.path}: {width_px}x{height_px} is more than {self.max_px} pixels")

    def _check_seconds(self, seconds: float) -> None:
        if seconds > self.max_s:
            raise ItemError("too_large", f"{self.path}: {seconds:.0f} s is more than {self.max_s:.0f} s")

    def _decoded(self) -> Iterator[VideoFrame]:
        reads_failed = 0
        packets = self.container.demux(self.stream)
        while reads_failed < MAX_READ_ERRORS:
            try:
                packet = next(packets, None)
            except av.FFmpegError:
                self.decode_errors += reads_failed == 0  # one tear is one error, however often it is met
                reads_failed += 1
                packets = self.container.demux(self.stream)  # a generator that raised is finished
                continue
            if packet is None:
                return
            reads_failed = 0
            self.packets += packet.size > 0
            try:
                frames = packet.decode()
            except av.EOFError:
                continue  # flushed already
            except av.FFmpegError:
                self.decode_errors += 1
                continue
            for frame in frames:
                self.decode_errors += frame.is_corrupt
                yield frame


@contextmanager
def open_video(path: str, max_px: int, max_s: float) -> Iterator[Video]:
    """The file with its largest video stream chosen; closed on leaving.

    `max_px` is width times height. Raises ItemError: missing, unreadable, empty, corrupt, no_video, too_large.
    """
    with open_container(path) as container:
        stream = _largest(path, container)
        for other in container.streams:
            other.discard = Discard.default if other is stream else Discard.all
        stream.thread_type = ThreadType.NONE
        stream.thread_count = 1
        # a picture that grows inside the stream is refused by the decoder before it allocates; twice, for its padding
        stream.codec_context.options = {"max_pixels": str(2 * max_px + 2**16)}
        video = Video(path, _facts(container, stream), container, stream, max_px, max_s)
        video.check_limits()
        yield video


def _largest(path: str, container: InputContainer) -> VideoStream:
    moving = [s for s in container.streams.video if not s.disposition & PICTURES]
    if not moving:
        kinds = ", ".join(s.type for s in container.streams) or "none"
        raise ItemError("no_video", f"{path}: streams: {kinds}")
    decodable = [s for s in moving if s.codec_context is not None]
    if not decodable:
        raise ItemError("corrupt", f"{path}: no decoder for the video stream")
    return max(decodable, key=lambda s: (s.codec_context.width * s.codec_context.height, -s.index))


def _facts(container: InputContainer, stream: VideoStream) -> Facts:
    start_s = _start_s(container)
    sound = container.streams.best("audio", related=stream)
    context = stream.codec_context
    return Facts(
        container=container.format.name,
        index=stream.index,
        audio_index=None if sound is None else sound.index,
        codec=context.name,
        pix_fmt=context.pix_fmt,
        width_px=context.width,
        height_px=context.height,
        fps=_fps(stream),
        start_s=start_s,
        declared_s=_declared_s(container, stream, start_s),
    )


def _fps(stream: VideoStream) -> Fraction:
    """Declared frame rate, frames per second; 25 where the file declares none."""
    rates = (stream.average_rate, stream.guessed_rate, stream.base_rate)
    return next((Fraction(rate) for rate in rates if rate and 0 < rate <= MAX_FPS), Fraction(25))


def _declared_s(container: InputContainer, stream: VideoStream, start_s: Fraction) -> float | None:
    """When the video ends by the container's own account, in seconds from its start."""
    if stream.duration and stream.time_base:
        return float(((stream.start_time or 0) + stream.duration) * stream.time_base - start_s)
    return container.duration / 1e6 if container.duration else None


def _start_s(container: InputContainer) -> Fraction:
    """The container's start in seconds, as the exact time of the stream that it was rounded from."""
    rounded = (container.start_time or 0) * US
    exact = (s.start_time * s.time_base for s in container.streams if s.start_time is not None and s.time_base)
    return next((start for start in exact if abs(start - rounded) <= US), rounded)
