"""Reads the packets or frames of a span of a video, by a seek instead of reading from the start.

Times are pts, integers in the stream's time base. In containers without an index (broadcast) a seek often lands too
late, so it is repeated from further back until it is early enough.
"""

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from slurm.errors import ItemError
from stages.core.video.read.last import show_last
from stages.core.video.read.packets import MAX_READ_ERRORS, Video, open_video

TIMED = ("mov,mp4", "matroska", "mpegts", "flv")  # containers that store pts; for others ffmpeg guesses them
INDEXED = ("mov,mp4", "matroska", "avi")  # containers whose times cannot jump back, as in joined broadcasts
PROGRAM_STREAM_S = 2  # not every frame has a stored time there: for this long after a seek they are guesses
JOINT_S = 1  # where times jump back by more, another recording begins; by less, packets are out of order
EARLY_S = Fraction(1, 2000)  # stored times are rounded: one may lie this much before the border that it stands for
RECOVERY_S = 20  # a decoder that starts without a sync frame (periodic intra refresh) has recovered by then

Timed = TypeVar("Timed")

log = logging.getLogger("reelmill")


class UntimedError(Exception):
    """The container's times are missing, or do not grow from frame to frame; the message says which."""


def read_packets(container: InputContainer, stream: Stream, at: int) -> "Iterator[Packet[Stream]]":
    """The stream's packets in decoding order, from the last key frame with pts <= `at`, or from its first one.

    Raises UntimedError where the container cannot seek.
    """
    assert stream.time_base is not None
    second = round(1 / stream.time_base)
    if container.format.name == "mpeg":
        at -= PROGRAM_STREAM_S * second
    lowest, back = (stream.start_time or 0) - second, 0  # start_time is a pts, and some containers seek by dts
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
        _seek(container, stream, stream.start_time)  # some containers refuse to seek before it


def _read(container: InputContainer, stream: Stream) -> "Iterator[Packet[Stream]]":
    """The packets from here to the end, without those that cannot be read.

    Where frames are displayed in the order in which they are decoded, a time that is not stored (AVI) is that.
    """
    errors, read = 0, container.demux(stream)
    in_order = isinstance(stream, VideoStream) and not stream.codec_context.has_b_frames
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
        if packet.size:  # an empty packet repeats a frame (Theora) or, at the end, flushes the decoder
            if packet.pts is None and in_order:
                packet.pts = packet.dts
            yield show_last(container, stream, packet)


def read_recording(container: InputContainer, stream: Stream, number: int) -> "Iterator[Packet[Stream]]":
    """The stream's packets in recording `number`, from 0, of those joined in a file, which is read from its start."""
    assert stream.time_base is not None
    timed = ((packet.dts, packet) for packet in _read(container, stream))
    return (packet for n, packet in number_recordings(timed, round(JOINT_S / stream.time_base)) if n == number)


def number_recordings(timed: Iterable[tuple[int | None, Timed]], joint: int) -> Iterator[tuple[int, Timed]]:
    """Each packet or frame after the number of its recording, from 0; `timed`: each after its time.

    A recording begins where times jump back by more than `joint`.
    """
    number, last = 0, None
    for at, item in timed:
        if at is not None:
            number += last is not None and at < last - joint
            last = at
        yield number, item


@contextmanager
def open_in_order(path: str, max_pixels: int, max_s: float) -> Iterator[Video]:
    """As `open_video`, for what seeks. Raises UntimedError, logged, if the file must be read from its start instead."""
    try:
        with open_video(path, max_pixels, max_s) as video:
            _check_order(video)
            yield video
    except UntimedError as reason:
        log.info("%s: read from its start: %s", path, reason)
        raise


def _check_order(video: Video) -> None:
    """Raises UntimedError if `analyze` gave frames other times than their packets have.

    It did so from the first time that jumps back, and where the first packets have no time. Of indexed containers only
    the first packet is read, others up to the first such time.
    """
    if video.facts.container.startswith(INDEXED):
        begin = next(_read(video.container, video.stream), None)
        if begin is not None and begin.pts is None:  # in Matroska, packets before 0
            raise UntimedError("packets without a time")
    else:
        file = Path(video.path).stat()
        if _jumps(video.path, video.max_pixels, video.max_s, (file.st_size, file.st_mtime_ns)):
            raise UntimedError("times jump back")


@lru_cache(maxsize=4)  # the clips of one video are cut one after another
def _jumps(path: str, max_pixels: int, max_s: float, version: tuple[int, int]) -> bool:
    """Whether the dts of the video's packets fail to grow anywhere; `version` is the file's size and mtime in ns."""
    with open_video(path, max_pixels, max_s) as video:
        last = None
        for packet in _read(video.container, video.stream):
            if packet.dts is not None:
                if last is not None and packet.dts <= last:
                    return True
                last = packet.dts
    return False


def decode_frames(video: Video, first: int, end: int) -> Iterator[VideoFrame]:
    """The decoded frames with first <= pts < end, in order; packets that cannot be decoded are skipped.

    Raises ItemError: too_large; UntimedError, possibly after some frames.
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
    """The frames with first <= pts < end, decoded from the key frame before `at`, in order.

    Each comes with the earliest pts of the span's packets read so far.
    """
    # Frames before the span are skipped for H.264 only: HEVC's "non-reference" frames may be references of higher
    # layers. Where times are guessed every frame is decoded, to see whether they grow.
    skips = video.facts.codec == "h264" and video.facts.container.startswith(TIMED)
    earliest, last = end, None
    read = read_packets(video.container, video.stream, at)
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
            video.decode_errors += pts is not None and first <= pts < end
        for frame in decoded:
            if frame.pts is None or (last is not None and frame.pts <= last):
                raise UntimedError(f"times of frames that do not grow: {frame.pts} after {last}")
            if frame.width * frame.height > video.max_pixels:
                raise ItemError("too_large", f"{video.path}: {frame.width}x{frame.height}")
            last = frame.pts
            if last >= end:
                return
            if last >= first:
                video.decode_errors += frame.is_corrupt
                yield frame, earliest
        if packet is None:
            return


def first_pts(video: Video, first: int, end: int) -> int | None:
    """The earliest pts of a packet with first <= pts < end; None if there is none. Raises UntimedError."""
    earliest = None
    for packet in read_packets(video.container, video.stream, first):
        if packet.pts is not None and first <= packet.pts < (end if earliest is None else earliest):
            earliest = packet.pts
        # a pts is never before its dts
        if packet.dts is not None and packet.dts >= (end if earliest is None else earliest):
            break
    return earliest
