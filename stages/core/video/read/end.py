"""When the last packet of a video is shown, whatever its header claims."""

from collections.abc import Iterator

import av
from av.container import InputContainer
from av.stream import Stream

from stages.core.video.read.opening import open_container


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
