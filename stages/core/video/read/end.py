"""Where a video ends, whatever its header claims: by its last packet, and by whether the file is all there."""

from collections.abc import Iterator
from pathlib import Path

import av
from av.container import InputContainer
from av.stream import Stream

from stages.core.video.read.opening import open_container

SEGMENT = b"\x18\x53\x80\x67"


def last_tick(path: str, index: int, near: int | None) -> int | None:
    """The latest pts, or dts where there is none, of stream `index`; None if its packets have no times.

    It is looked for from `near` on, a time in the stream's unit, then in the whole file.
    """
    for begin in (near, None) if near is not None else (None,):
        with open_container(path) as container:
            last = max(_ticks(container, container.streams[index], begin), default=None)
        if last is not None:
            return last
    return None


def _ticks(container: InputContainer, stream: Stream, begin: int | None) -> Iterator[int]:
    try:
        if begin is not None:
            container.seek(begin, stream=stream)
        for packet in container.demux(stream):
            at = packet.dts if packet.pts is None else packet.pts
            if packet.size and at is not None:
                yield at
    except (av.FFmpegError, IndexError):  # torn, or cannot seek; PyAV 18 at the end of a broadcast
        return


def is_whole(path: str, container: str) -> bool:
    """Whether a Matroska or AVI file is as long as its outermost part says, so that nothing was cut off.

    False too where it does not say, as in a recording that was streamed, and for other containers.
    """
    file = Path(path)
    with file.open("rb") as stream:
        head = stream.read(4096)
    size = file.stat().st_size
    if container == "avi":
        return head[:4] == b"RIFF" and 8 + int.from_bytes(head[4:8], "little") <= size
    at = head.find(SEGMENT) + len(SEGMENT)
    if not container.startswith("matroska") or at < len(SEGMENT):
        return False
    width = 9 - head[at].bit_length()  # of a number in EBML
    number = int.from_bytes(head[at : at + width]) & ((1 << 7 * width) - 1)
    return number != (1 << 7 * width) - 1 and at + width + number <= size
