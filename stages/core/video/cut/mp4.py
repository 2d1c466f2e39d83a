"""Writes an mp4, with its index in front, and reads back from its packets what was written."""

import errno
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from slurm.errors import ItemError
from stages.core.video.cut.sound import Sound
from stages.core.video.read.columns import bit_depth, transfer
from stages.core.video.read.facts import read_facts
from stages.core.video.read.frames import displayed_px, displayed_sar
from stages.core.video.read.opening import open_container

NOT_THE_ITEM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO, errno.ENOMEM)
SHIFT_S = 0.001  # a time may have been rounded by this much


class Mp4Writer:
    """Writes the picture's packets, which are given in decoding order, and the sound's between them."""

    def __init__(self, container: OutputContainer, picture: VideoStream, sound: Sound | None) -> None:
        self.container, self.picture = container, picture
        if sound is not None:
            sound.add_to(container)
        self.sound = deque(() if sound is None else sound.packets)
        self.held: Packet[Stream] | None = None
        self.first: int | None = None  # dts
        self.latest = 0  # pts

    def put(self, packet: "Packet[Stream]") -> None:
        """Writes the packet before this one, after the sound due by then; this one is held, as it may be the last."""
        packet.stream = self.picture
        self._write()
        self.held = packet
        self.first = packet.dts if self.first is None else self.first
        self.latest = max(self.latest, packet.pts or 0)

    def finish(self, end: int) -> None:
        """Writes the rest; the picture ends at `end`, in its packets' time base.

        An mp4 is as long as from the first packet to the end of the last one in decoding order, and its edit list ends
        with the frame displayed last; the last packet's duration is chosen so that both are right.
        """
        if self.held is not None and self.held.dts is not None and self.first is not None:
            least = end - self.latest if self.held.pts == self.latest else 1
            self.held.duration = max(least, end - (self.held.dts - self.first))
        self._write()
        self.container.mux(tuple(self.sound))

    def _write(self) -> None:
        if self.held is None:
            return
        assert self.held.dts is not None
        while self.sound and _dts_s(self.sound[0]) <= _dts_s(self.held):
            self.container.mux(self.sound.popleft())
        self.container.mux(self.held)


def _dts_s(packet: "Packet[Stream]") -> Fraction:
    return (packet.dts or 0) * packet.time_base


@contextmanager
def new_file(path: Path) -> Iterator[OutputContainer]:
    """A new mp4 to write to, closed on leaving.

    Raises RuntimeError if the disk or memory is full, or the disk fails; ItemError: encode_failed for FFmpeg's other
    errors.
    """
    try:
        with av.open(f"file:{path}", "w", format="mp4", container_options={"movflags": "+faststart"}) as container:
            yield container
    except av.FFmpegError as error:
        if error.errno in NOT_THE_ITEM:
            raise RuntimeError(f"{path} could not be written: {error.strerror}") from error
        raise ItemError("encode_failed", str(error)) from error


@dataclass(frozen=True)
class Written:
    """A file's video stream: sizes as displayed, `times_s` the times of its frames, in order."""

    bytes: int
    width_px: int
    height_px: int
    sar: float
    bit_depth: int
    transfer: str | None
    times_s: list[float]
    duration_s: float
    has_audio: bool


def read_back(path: Path) -> Written:
    """The facts of an mp4 that was just written; only its first frame is decoded. Raises ItemError: encode_failed."""
    with open_container(str(path)) as container:
        if not container.streams.video:
            raise ItemError("encode_failed", f"{path.name}: nothing was written")
        picture = container.streams.video[0]
        base = picture.time_base or Fraction(0)
        times_s, sound = [], 0
        for packet in container.demux():
            if packet.size > 0 and not packet.is_discard and packet.pts is not None:
                if packet.stream is picture:
                    times_s.append(float(packet.pts * base))
                sound += packet.stream.type == "audio"
        duration_s = float((picture.duration or 0) * base)
        first = _first_frame(container, picture)
        width_px, height_px = displayed_px(first, first.width, first.height)
        facts = read_facts(container, picture)
        return Written(
            path.stat().st_size,
            width_px,
            height_px,
            float(displayed_sar(first, facts.sar)),
            bit_depth(first.format.name),
            transfer(first, picture),
            sorted(times_s),
            duration_s,
            has_audio=sound > 0,
        )


def _first_frame(container: InputContainer, picture: VideoStream) -> VideoFrame:
    """The first frame, which has the orientation: PyAV 18 does not give a stream's side data. Raises ItemError."""
    picture.thread_count = 1
    try:
        container.seek(0)
        return next(container.decode(picture))
    except (av.FFmpegError, StopIteration) as error:
        raise ItemError("encode_failed", f"the first frame cannot be decoded: {error}") from error


def difference(written: Sequence[float], wanted: Sequence[float]) -> str | None:
    """How the frames' times in a file differ from those wanted, in seconds, as a message; None if they agree."""
    if len(written) != len(wanted):
        return f"{len(written)} frames instead of {len(wanted)}"
    if any(later <= earlier for earlier, later in pairwise(written)):
        return "two frames of the same time"
    off = max((abs(a - b) for a, b in zip(written, wanted, strict=True)), default=0.0)
    return f"a frame's time is off by {off:.4f} s" if off > SHIFT_S else None
