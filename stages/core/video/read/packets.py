"""Decoded frames of a local media file in one pass: packets in, frames with their times out.

One thread (a worker has one core), all other streams discarded, and a packet that cannot be decoded is counted, not
fatal: a torn file gives what can be read of it.
"""

from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal

import av
import numpy as np
from av.codec.context import ThreadType
from av.container import InputContainer
from av.packet import Packet
from av.stream import Discard, Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from slurm.errors import ItemError
from stages.core.video.read.facts import Facts, read_facts
from stages.core.video.read.opening import open_container

PICTURES = Disposition.attached_pic | Disposition.still_image | Disposition.timed_thumbnails
NO_TIME = -(2**63)  # AV_NOPTS_VALUE
ROUNDED_S = 0.002  # Matroska rounds a frame's time and how long it lasts to milliseconds
MAX_READ_ERRORS = 20  # in a row, without a packet between: the demuxer is stuck

Speed = Literal["exact", "fast", "draft"]
# What the decoder leaves out. H.264 and HEVC know both, VP9 and AV1 neither.
SKIPPED: dict[Speed, dict[str, str]] = {
    "exact": {},
    "fast": {"skip_loop_filter": "all"},
    "draft": {"skip_loop_filter": "all", "skip_frame": "noref"},
}


@dataclass
class Video:
    """An open file; the counters grow while `frames` is read.

    The container and the stream must not be touched after it is closed: PyAV reads freed memory then.
    """

    path: str
    facts: Facts
    container: InputContainer
    stream: VideoStream
    max_pixels: int
    max_s: float
    device: str | None = None
    packets: int = field(default=0, init=False)
    decode_errors: int = field(default=0, init=False)
    _last_lasts_s: float = field(default=0.0, init=False)  # by the container's account; 0 where it has none
    _stored_at: "array[int]" = field(default_factory=lambda: array("q"), init=False)  # times of packets and
    _given_at: "array[int]" = field(default_factory=lambda: array("q"), init=False)  # of frames, in time bases

    def frames(self) -> Iterator[tuple[float, VideoFrame]]:
        """Every frame that can be decoded, with its time in seconds from the container's start, strictly growing.

        Raises ItemError: no_frames when there was none, too_large when a frame or the time exceeds the limits,
        encrypted.
        """
        start_s, tick_s = self.facts.start_s, self._tick_s
        unit = tick_s.denominator * start_s.denominator  # of a second, in which both are whole numbers
        tick, start = int(tick_s * unit), int(start_s * unit)
        step, last = max(1, round(unit / self.facts.fps)), None
        for frame in self._decoded():
            at = None if frame.pts is None else frame.pts * tick - start
            # a missing time, or one that jumps back (joined broadcasts), goes on from the last one
            if at is None or (last is not None and at <= last):
                at = 0 if last is None else last + step
            last = at
            self._given_at.append(NO_TIME if frame.pts is None else frame.pts)
            self._check_size(frame.width, frame.height)
            self._check_seconds(at / unit)
            self._last_lasts_s = float((frame.duration or 0) * tick_s)
            yield at / unit, frame
        if last is None:
            unread = "" if self.facts.width_px else f", no picture of at most {self.max_pixels} pixels"
            told = f"{self.packets} packets, {self.decode_errors} decode errors{unread}"
            raise ItemError("no_frames", f"{self.path}: {told}")

    def numbers(self) -> NDArray[np.int64]:
        """The number of each frame given so far, among all that are stored: some are missing where frames are skipped.

        A file whose packets do not all bear times of their own is taken to have given every frame.
        """
        stored = self._stored()
        return np.arange(len(self._given_at)) if stored is None else np.searchsorted(stored, self._given_at)

    def stored_s(self, times_s: Sequence[float]) -> NDArray[np.float64]:
        """When each stored frame is shown up to the last one given, by its number; `times_s` are those of the given."""
        stored = self._stored()
        if stored is None:
            return np.asarray(times_s)
        tick_s, start_s = self._tick_s, self.facts.start_s
        return np.asarray(stored[: self.frame_count()] * float(tick_s) - float(start_s))

    def _stored(self) -> NDArray[np.int64] | None:
        """The times of all packets in order, if each has its own and the frames given are among them in order."""
        stored, given = np.unique(np.asarray(self._stored_at)), np.asarray(self._given_at)
        told = len(stored) == len(self._stored_at) and NO_TIME not in stored
        return stored if told and np.isin(given, stored).all() and (np.diff(given) > 0).all() else None

    def frame_count(self) -> int:
        """How many frames the decoded ones span, those among them that were skipped included."""
        return int(self.numbers()[-1]) + 1

    def end_s(self, last_s: float) -> float:
        """When the frame that was given last, at `last_s`, is over: a frame's time later.

        That is its own where it is clearly another than the mean, as where the rate varies.
        """
        mean_s = float(1 / self.facts.fps)
        clear = self._last_lasts_s and abs(self._last_lasts_s - mean_s) > max(0.01 * mean_s, ROUNDED_S)
        return last_s + (self._last_lasts_s if clear else mean_s)

    @property
    def _tick_s(self) -> Fraction:
        assert self.stream.time_base is not None
        return self.stream.time_base

    def hwaccel(self) -> str | None:
        """The device that decodes, None for the CPU."""
        return self.device if self.stream.codec_context.is_hwaccel else None

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
        if width_px * height_px > self.max_pixels:
            raise ItemError("too_large", f"{self.path}: {width_px}x{height_px} is more than {self.max_pixels} pixels")

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
            except IndexError:  # PyAV 18 at the end of a broadcast in which a stream began later: it flushes that too
                break
            if packet is None:
                break
            reads_failed = 0
            if packet.size == 0 and (packet.pts is not None or packet.dts is not None):
                continue  # it shows the last frame again (Theora); to the decoder it would be the end
            if packet.size > 0:
                if packet.has_sidedata("encryption_info"):
                    raise ItemError("encrypted", self.path)
                self.packets += 1
                self._stored_at.append(NO_TIME if packet.pts is None else packet.pts)
            yield from self._decode(packet)
        yield from self._decode(None)  # what the decoder still holds, where the demuxer did not come to its end

    def _decode(self, packet: "Packet[VideoStream] | None") -> list[VideoFrame]:
        try:
            frames = self.stream.decode(packet)
        except av.EOFError:  # flushed already
            return []
        except av.FFmpegError:
            self.decode_errors += 1
            return []
        self.decode_errors += sum(frame.is_corrupt for frame in frames)
        return frames


@contextmanager
def open_video(
    path: str, max_pixels: int, max_s: float, speed: Speed = "exact", hwaccel: str | None = None
) -> Iterator[Video]:
    """The file with its largest video stream chosen; closed on leaving.

    `max_pixels` is width times height; `hwaccel` is a device of ffmpeg's ("cuda"), left out where there is none. Raises
    ItemError: missing, unreadable, empty, corrupt, no_video, too_large.
    """
    padded_px = 2 * max_pixels + 2**16  # what decoders allocate
    with open_container(path, hwaccel, padded_px) as container:
        stream = _largest(path, container)
        for other in container.streams:
            other.discard = Discard.default if other is stream else Discard.all
        stream.thread_type = ThreadType.NONE
        stream.thread_count = 1
        # a picture that grows inside the stream is refused by the decoder before it allocates
        stream.codec_context.options = {"max_pixels": str(padded_px), **SKIPPED[speed]}
        video = Video(path, read_facts(container, stream), container, stream, max_pixels, max_s, hwaccel)
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
