"""Decodes all frames of a local media file in one pass, with their times.

It uses one thread (a worker has one core) and discards all other streams. A packet that cannot be decoded is counted
and skipped, so a torn file gives what can be read of it.
"""

from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
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
from stages.core.video.read.end import is_whole, last_tick
from stages.core.video.read.facts import Facts, read_facts
from stages.core.video.read.guess import TimeGuess
from stages.core.video.read.last import show_last
from stages.core.video.read.opening import open_container

PICTURES = Disposition.attached_pic | Disposition.still_image | Disposition.timed_thumbnails
NO_TIME = -(2**63)  # AV_NOPTS_VALUE
ROUNDED_S = 0.002  # Matroska rounds a frame's time and its duration to milliseconds
FAR_SHARE = 0.9  # of the declared duration
HOPELESS = 100  # packets that no decoder takes, of a video that says that it is too large
MAX_READ_ERRORS = 20  # in a row, without a packet between them: the demuxer is stuck

Speed = Literal["exact", "fast", "draft"]
# The decoder's options for each speed. Those of H.264 and HEVC have both, VP9 and AV1 have neither.
SKIPPED: dict[Speed, dict[str, str]] = {
    "exact": {},
    "fast": {"skip_loop_filter": "all"},
    "draft": {"skip_loop_filter": "all", "skip_frame": "noref"},
}


@dataclass
class Video:
    """An open file; `packets` and `decode_errors` count what `frames` has read so far.

    Do not use the container or the stream after it is closed: PyAV would read freed memory.
    """

    path: str
    facts: Facts
    container: InputContainer
    stream: VideoStream
    max_pixels: int
    max_s: float
    device: str | None = None
    skips: bool = False  # the decoder leaves out frames that no other needs
    notes: list[str] = field(default_factory=list)  # what its header claims and is not believed
    packets: int = field(default=0, init=False)
    decode_errors: int = field(default=0, init=False)
    _last_duration_s: float = field(default=0.0, init=False)  # the last frame's, as stored; 0 where it is not
    _packet_pts: "array[int]" = field(default_factory=lambda: array("q"), init=False)  # in the stream's time base
    _frame_pts: "array[int]" = field(default_factory=lambda: array("q"), init=False)

    def frames(self) -> Iterator[tuple[float, VideoFrame]]:
        """Every frame that can be decoded, after its time in seconds from the container's start, strictly growing.

        Raises ItemError: no_frames if there is none, too_large if a frame or its time exceeds the limits, encrypted.
        """
        start_s, tick_s = self.facts.start_s, self.tick_s
        unit = tick_s.denominator * start_s.denominator  # units a second, so that both are whole numbers
        tick, start = int(tick_s * unit), int(start_s * unit)
        step, last, guess = max(1, round(unit / self.facts.fps)), None, TimeGuess()
        for frame in self._decoded():
            pts = guess.choose(frame.pts, frame.dts)
            at = None if pts is None else pts * tick - start
            # a frame whose time is missing or jumps back (joined broadcasts) comes one frame after the last one
            if at is None or (last is not None and at <= last):
                at = 0 if last is None else last + step
            last = at
            self._frame_pts.append(NO_TIME if frame.pts is None else frame.pts)
            self.check_size(frame.width, frame.height)
            self.check_seconds(at / unit)
            self._last_duration_s = float((frame.duration or 0) * tick_s)
            yield at / unit, frame
        if last is None:
            self.check_size(self.facts.width_px, self.facts.height_px)
            unread = "" if self.facts.width_px else f", no picture of at most {self.max_pixels} pixels"
            counts = f"{self.packets} packets, {self.decode_errors} decode errors{unread}"
            raise ItemError("no_frames", f"{self.path}: {counts}")

    def numbers(self) -> NDArray[np.int64]:
        """The number of each decoded frame among those that a player shows, int64 [decoded].

        They are 0, 1, 2, … but where the decoder skips frames, and every packet has a unique pts.
        """
        stored = self._stored_pts()
        return np.arange(len(self._frame_pts)) if stored is None else np.searchsorted(stored, self._frame_pts)

    def stored_s(self, times_s: Sequence[float]) -> NDArray[np.float64]:
        """The time of each frame that a player shows, up to the last decoded one, float64 [frame_count()], in seconds.

        `times_s` are the times of the decoded frames, which are returned where no frame is assumed skipped.
        """
        stored = self._stored_pts()
        if stored is None:
            return np.asarray(times_s)
        tick_s, start_s = self.tick_s, self.facts.start_s
        return np.asarray(stored[: self.frame_count()] * float(tick_s) - float(start_s))

    def _stored_pts(self) -> NDArray[np.int64] | None:
        """The sorted pts of all packets that are shown; None unless frames are skipped, and each pts is unique.

        The frames' pts must grow and be among them.
        """
        if not self.skips:
            return None
        stored, decoded = np.unique(np.asarray(self._packet_pts)), np.asarray(self._frame_pts)
        unique = len(stored) == len(self._packet_pts) and NO_TIME not in stored
        return stored if unique and np.isin(decoded, stored).all() and (np.diff(decoded) > 0).all() else None

    def frame_count(self) -> int:
        """The number of frames that a player shows up to the last decoded one, skipped ones included."""
        return int(self.numbers()[-1]) + 1

    def end_s(self, last_s: float) -> float:
        """The end of the last decoded frame, which begins at `last_s`, in seconds.

        It lasts 1 / fps, or its stored duration where that clearly differs, as in a video of variable frame rate.
        """
        mean_s = float(1 / self.facts.fps)
        differs = self._last_duration_s and abs(self._last_duration_s - mean_s) > max(0.01 * mean_s, ROUNDED_S)
        return last_s + (self._last_duration_s if differs else mean_s)

    @property
    def tick_s(self) -> Fraction:
        """The unit of its times."""
        assert self.stream.time_base is not None
        return self.stream.time_base

    def ticks(self, at_s: Fraction) -> Fraction:
        """A time, in seconds from the container's start, as a pts that is not rounded."""
        return (at_s + self.facts.start_s) / self.tick_s

    def seconds(self, pts: int) -> Fraction:
        """A pts as seconds from the container's start."""
        return pts * self.tick_s - self.facts.start_s

    def hwaccel(self) -> str | None:
        """The device type that decodes; None for the CPU."""
        return self.device if self.stream.codec_context.is_hwaccel else None

    def coverage(self, end_s: float) -> float:
        """Share of the declared duration up to `end_s`, times the share of packets without a decode error, 0 to 1.

        The first share is 1 where no duration is declared.
        """
        declared_s = self.facts.declared_s
        reached = min(1.0, end_s / declared_s) if declared_s else 1.0
        return reached * (1 - min(1.0, self.decode_errors / max(1, self.packets)))

    def doubt_claims(self) -> None:
        """Notes a declared size or duration beyond the limits that is not so, and forgets such a duration.

        Raises ItemError: too_large where its packets do last longer than the limit.
        """
        wide, high, lasts_s = self.facts.width_px, self.facts.height_px, self.facts.declared_s
        if lasts_s is not None and lasts_s > self.max_s:
            self.check_seconds(self.packets_end_s() or 0.0)
            self.notes.append(f"its header claims {lasts_s:.0f} s, more than {self.max_s:.0f} s")
            self.facts = replace(self.facts, declared_s=None)
        if self._claims_too_much():
            self.notes.append(f"its header claims {wide}x{high}, more than {self.max_pixels} pixels")

    def doubt_end(self, end_s: float) -> None:
        """Forgets, with a note, a declared duration that lies far behind the end of what was read of a whole file."""
        declared_s = self.facts.declared_s
        if declared_s is None or end_s > FAR_SHARE * declared_s or not is_whole(self.path, self.facts.container):
            return
        self.notes.append(f"its header claims {declared_s:.0f} s, its pictures end after {end_s:.0f} s")
        self.facts = replace(self.facts, declared_s=None)

    def packets_end_s(self) -> float | None:
        """When the last packet is over, if it lasts one frame, by its time alone; None where packets have no times."""
        declared_s = self.facts.declared_s
        near = None if declared_s is None else int(self.ticks(Fraction(declared_s)))
        last = last_tick(self.path, self.facts.index, near)
        return None if last is None else float(self.seconds(last) + 1 / self.facts.fps)

    def _claims_too_much(self) -> bool:
        return self.facts.width_px * self.facts.height_px > self.max_pixels

    def check_size(self, width_px: int, height_px: int) -> None:
        if width_px * height_px > self.max_pixels:
            raise ItemError("too_large", f"{self.path}: {width_px}x{height_px} is more than {self.max_pixels} pixels")

    def check_seconds(self, seconds: float) -> None:
        if seconds > self.max_s:
            raise ItemError("too_large", f"{self.path}: {seconds:.0f} s is more than {self.max_s:.0f} s")

    def _decoded(self) -> Iterator[VideoFrame]:
        any_frame = False
        for packet in self.read():
            if packet.size > 0 and not packet.is_discard:
                self._packet_pts.append(NO_TIME if packet.pts is None else packet.pts)
            for frame in self.decode(packet):
                any_frame = True
                yield frame
            if not any_frame and self.decode_errors >= HOPELESS and self._claims_too_much():
                return
        yield from self.decode(None)  # flushes the decoder where the demuxer has not done so

    def read(self) -> "Iterator[Packet[VideoStream]]":
        """The packets in the order in which they are stored, and the empty one that ends them; they are counted.

        What cannot be read is left out and counted. Raises ItemError: encrypted.
        """
        reads_failed = 0
        packets = self.container.demux(self.stream)
        while reads_failed < MAX_READ_ERRORS:
            try:
                packet = next(packets, None)
            except av.FFmpegError:
                self.decode_errors += reads_failed == 0  # one tear is one error, however often it is read
                reads_failed += 1
                packets = self.container.demux(self.stream)  # a generator that raised is finished
                continue
            except IndexError:  # PyAV 18, at the end of a broadcast: it flushes a stream that began later
                break
            if packet is None:
                break
            reads_failed = 0
            if packet.size == 0 and (packet.pts is not None or packet.dts is not None):
                continue  # repeats the last frame (Theora); the decoder would take it for the end
            if packet.size > 0:
                if packet.has_sidedata("encryption_info"):
                    raise ItemError("encrypted", self.path)
                self.packets += 1
            yield show_last(self.container, self.stream, packet)

    def decode(self, packet: "Packet[VideoStream] | None") -> list[VideoFrame]:
        """The frames that this packet completes, at the end (None) those that are left; errors are counted."""
        try:
            frames = self.stream.decode(packet)
        except av.EOFError:  # it was flushed before
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
    """The file, opened to decode its largest video stream; closed on leaving.

    `max_pixels` is width times height; `hwaccel` is a device type of ffmpeg's ("cuda"), ignored where there is none.
    Raises ItemError: missing, unreadable, empty, corrupt, no_video, too_large.
    """
    padded_pixels = 2 * max_pixels + 2**16  # decoders allocate padded frames
    with open_container(path, hwaccel, padded_pixels) as container:
        stream = _largest(path, container)
        for other in container.streams:
            other.discard = Discard.default if other is stream else Discard.all
        stream.thread_type = ThreadType.NONE
        stream.thread_count = 1
        # with this the decoder refuses a picture that grows inside the stream before it allocates memory
        stream.codec_context.options = {"max_pixels": str(padded_pixels), **SKIPPED[speed]}
        skips = "skip_frame" in SKIPPED[speed]
        video = Video(path, read_facts(container, stream), container, stream, max_pixels, max_s, hwaccel, skips)
        video.doubt_claims()
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
