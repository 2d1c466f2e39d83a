"""An mp4 that is being written, its index in front; and what one that was written holds, read back from its packets."""

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
from stages.core.video.read.frames import upright_px
from stages.core.video.read.opening import open_container

NOT_THE_ITEM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO, errno.ENOMEM)
SHIFT_S = 0.001  # that a time may have been rounded by


class Mp4:
    """Packets go in as they are shown; the sound's are put between those of the picture."""

    def __init__(self, container: OutputContainer, picture: VideoStream, sound: Sound | None) -> None:
        self.container, self.picture = container, picture
        if sound is not None:
            sound.add_to(container)
        self.sound = deque(() if sound is None else sound.packets)
        self.held: Packet[Stream] | None = None
        self.first: int | None = None  # dts
        self.latest = 0  # pts

    def put(self, packet: "Packet[Stream]") -> None:
        """Writes the packet before this one, after the sound that comes before that."""
        packet.stream = self.picture
        self._write()
        self.held = packet
        self.first = packet.dts if self.first is None else self.first
        self.latest = max(self.latest, packet.pts or 0)

    def finish(self, over: int) -> None:
        """Writes the rest. The picture is over at `over`, in its packets' time base.

        The length of an mp4 is the time from the first to the end of the last packet in the order of decoding, and its
        edit list cuts behind the end of the one shown last; so the last one lasts as long as makes both right.
        """
        if self.held is not None and self.held.dts is not None and self.first is not None:
            least = over - self.latest if self.held.pts == self.latest else 1
            self.held.duration = max(least, over - (self.held.dts - self.first))
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
    """An empty mp4, closed on leaving.

    Raises RuntimeError where there is no room for it, ItemError encode_failed for all else that FFmpeg refuses.
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
    """A file's video stream; sizes are as shown, `times_s` are those of its frames, in order."""

    bytes: int
    width_px: int
    height_px: int
    times_s: list[float]
    duration_s: float
    has_audio: bool


def read_back(path: Path) -> Written:
    """What is in an mp4 that was just written, of which the first frame alone is decoded. Raises ItemError."""
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
        width_px, height_px = upright_px(first, first.width, first.height)
        return Written(path.stat().st_size, width_px, height_px, sorted(times_s), duration_s, has_audio=sound > 0)


def _first_frame(container: InputContainer, picture: VideoStream) -> VideoFrame:
    """It alone tells how the picture is turned: PyAV 18 shows no side data of a stream."""
    picture.thread_count = 1
    try:
        container.seek(0)
        return next(container.decode(picture))
    except (av.FFmpegError, StopIteration) as error:
        raise ItemError("encode_failed", f"the first frame cannot be decoded: {error}") from error


def difference(written: Sequence[float], wanted: Sequence[float]) -> str | None:
    """How the times of a file's frames differ from those that they should have; None if they do not."""
    if len(written) != len(wanted):
        return f"{len(written)} frames instead of {len(wanted)}"
    if any(later <= earlier for earlier, later in pairwise(written)):
        return "two frames of the same time"
    off = max((abs(a - b) for a, b in zip(written, wanted, strict=True)), default=0.0)
    return f"a frame's time is off by {off:.4f} s" if off > SHIFT_S else None
