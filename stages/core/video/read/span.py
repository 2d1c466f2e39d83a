"""A span of a video by its packets' own times: what lies in it is reached by a seek, not by reading from the start.

Times are pts, integers in the stream's time base. A seek lands where the container likes, often too late in one without
an index (broadcast), so it is repeated from further back until it is early enough.
"""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.frame import VideoFrame

from slurm.errors import ItemError
from stages.core.video.read.packets import MAX_READ_ERRORS, Video, open_video

TIMED = ("mov,mp4", "matroska", "mpegts", "flv")  # containers that store pts; in others ffmpeg guesses them
INDEXED = ("mov,mp4", "matroska", "avi")  # in which times cannot jump back, as they do in joined broadcasts
PROGRAM_STREAM_S = 2  # not every frame bears its time there: for so long after a seek they are guesses
JOINT_S = 1  # where times jump back by more, another recording begins; by less they are in disorder
RECOVERY_S = 20  # a decoder that could not begin at a key frame has recovered after so much (periodic intra refresh)

Timed = TypeVar("Timed")


class UntimedError(Exception):
    """The container's times cannot be relied on: there are none, or they do not grow with the frames."""


def packets(container: InputContainer, stream: Stream, at: int) -> "Iterator[Packet[Stream]]":
    """The stream's packets in the order in which they are decoded, from the last key frame with pts <= `at`.

    They begin with its first key frame where none is that early. Raises UntimedError where there is no seeking.
    """
    assert stream.time_base is not None
    second = round(1 / stream.time_base)
    if container.format.name == "mpeg":
        at -= PROGRAM_STREAM_S * second
    lowest, back = (stream.start_time or 0) - second, 0  # a start is a pts, and some containers seek by dts
    while True:
        _seek(container, stream, max(lowest, at - back))
        read = _read(container, stream)
        key = next((packet for packet in read if packet.is_keyframe), None)
        if key is not None and key.pts is None:
            raise UntimedError("packets without a time")
        if at - back <= lowest or (key is not None and key.pts is not None and key.pts <= at):
            break
        back = max(2 * back, second)
    if key is not None:
        yield key
        yield from read


def _seek(container: InputContainer, stream: Stream, aim: int) -> None:
    try:
        container.seek(aim, stream=stream)
    except av.FFmpegError as error:
        if stream.start_time is None or aim >= stream.start_time:
            raise UntimedError(str(error)) from error
        _seek(container, stream, stream.start_time)  # there are those that refuse what is before it


def _read(container: InputContainer, stream: Stream) -> "Iterator[Packet[Stream]]":
    """The packets from here to the end, past what cannot be read."""
    errors, read = 0, container.demux(stream)
    while errors < MAX_READ_ERRORS:
        try:
            packet = next(read, None)
        except av.FFmpegError:
            errors, read = errors + 1, container.demux(stream)  # a generator that raised is finished
            continue
        except IndexError:  # PyAV 18 at the end of a broadcast in which a stream began later
            return
        if packet is None:
            return
        errors = 0
        if packet.size:  # an empty one repeats a frame (Theora) or, at the end, flushes decoders
            yield packet


def recording(container: InputContainer, stream: Stream, number: int) -> "Iterator[Packet[Stream]]":
    """The stream's packets in one of the recordings that are joined in a file, read from its start."""
    assert stream.time_base is not None
    packets = ((packet.dts, packet) for packet in _read(container, stream))
    return (packet for n, packet in by_recording(packets, round(JOINT_S / stream.time_base)) if n == number)


def by_recording(timed: Iterable[tuple[int | None, Timed]], joint: int) -> Iterator[tuple[int, Timed]]:
    """Each thing with the number of its recording: the next one begins where times jump back by more than `joint`."""
    number, last = 0, None
    for at, thing in timed:
        if at is not None:
            number += last is not None and at < last - joint
            last = at
        yield number, thing


def check_order(video: Video) -> None:
    """Raises UntimedError where `analyze` has other times than the packets have.

    That is behind the first one that jumps back, and where the first packets have none. Reads no further than it must.
    """
    if video.facts.container.startswith(INDEXED):
        begin = next(_read(video.container, video.stream), None)
        if begin is not None and begin.pts is None:  # in Matroska, what lies before 0
            raise UntimedError("packets without a time")
    else:
        file = Path(video.path).stat()
        if _jumps(video.path, video.max_pixels, video.max_s, (file.st_size, file.st_mtime_ns)):
            raise UntimedError("times jump back")


@lru_cache(maxsize=4)  # the clips of a video follow one another
def _jumps(path: str, max_pixels: int, max_s: float, version: tuple[int, int]) -> bool:
    with open_video(path, max_pixels, max_s) as video:
        last = None
        for packet in _read(video.container, video.stream):
            if packet.dts is not None:
                if last is not None and packet.dts <= last:
                    return True
                last = packet.dts
    return False


def frames(video: Video, first: int, end: int) -> Iterator[VideoFrame]:
    """The decoded frames with first <= pts < end, in order; a packet that cannot be decoded gives none.

    Raises ItemError too_large; UntimedError, also after some frames.
    """
    assert video.stream.time_base is not None
    for back in (0, round(RECOVERY_S / video.stream.time_base)):
        found = _decoded(video, first, end, first - back)
        begin, earliest = next(found, (None, end))
        if begin is not None and begin.pts is not None and (back or begin.pts <= earliest):
            yield begin
            yield from (frame for frame, _ in found)
            return


def _decoded(video: Video, first: int, end: int, at: int) -> Iterator[tuple[VideoFrame, int]]:
    """The frames, decoded from the key frame before `at`; each with the earliest time in the span among its packets."""
    # of HEVC's "non-reference" frames some are references of higher layers; where times are guessed all frames are
    # looked at, to see whether they grow
    skips = video.facts.codec == "h264" and video.facts.container.startswith(TIMED)
    earliest, last = end, None
    read = packets(video.container, video.stream, at)
    while True:
        packet = next(read, None)
        pts = None if packet is None else packet.pts
        if pts is not None and first <= pts < earliest:
            earliest = pts
        video.stream.codec_context.skip_frame = "NONREF" if skips and pts is not None and pts < first else "DEFAULT"
        try:
            decoded = video.stream.codec_context.decode(packet)
        except av.FFmpegError:
            decoded = []
        for frame in decoded:
            if frame.pts is None or (last is not None and frame.pts <= last):
                raise UntimedError(f"times of frames that do not grow: {frame.pts} after {last}")
            if frame.width * frame.height > video.max_pixels:
                raise ItemError("too_large", f"{video.path}: {frame.width}x{frame.height}")
            last = frame.pts
            if last >= end:
                return
            if last >= first:
                yield frame, earliest
        if packet is None:
            return


def begin(video: Video, first: int, end: int) -> int | None:
    """The earliest time in the span that a packet has; None if there is none. Raises UntimedError."""
    earliest = None
    for packet in packets(video.container, video.stream, first):
        if packet.pts is not None and first <= packet.pts < (end if earliest is None else earliest):
            earliest = packet.pts
        # no frame is shown before it is decoded
        if packet.dts is not None and packet.dts >= (end if earliest is None else earliest):
            break
    return earliest
