"""Fetches one span of a video by range requests, without the rest.

Packets are copied without re-encoding, so the file begins at the key frame before the span. yt-dlp would use ffmpeg for
this, which cuts less exactly, ignores the rate limit, and shows cookies on its command line.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from fractions import Fraction
from heapq import merge
from operator import itemgetter
from pathlib import Path

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream

from slurm.errors import ItemError
from stages.core.fetch.sites.merging import choose_suffix
from stages.core.fetch.sites.range_file import NoSpanError, RangeFile
from stages.core.video.read.facts import codec_name, read_facts
from stages.core.video.read.opening import SAFE_INPUT, open_container

SEEK_BACK_S = (0, 1, 10)


def copy_span(sources: list[RangeFile], span: tuple[float, float], name: Path, container: str) -> tuple[Path, float]:
    """Writes `name`.mp4 or .mkv with the span (start, end), in seconds, from the key frame before its start.

    Video is taken from the first of the sources, audio from the last. Returns the file, and the position of its time 0
    in the whole video, in seconds. Raises NoSpanError where the packets cannot be copied.
    """
    with ExitStack() as opened:
        try:
            only = {"format_whitelist": SAFE_INPUT["format_whitelist"]}
            inputs = [opened.enter_context(av.open(source, mode="r", options=only)) for source in sources]
            picture, sound = inputs[0].streams.best("video"), inputs[-1].streams.best("audio")
            if not isinstance(picture, VideoStream):
                raise ItemError("no_video", "the site sent a file without a video stream")
            first_s = key_frame_s(inputs[0], picture, span[0])
            streams: list[Stream] = [picture, *([sound] if sound else [])]
            file = name.with_suffix(choose_suffix([codec_name(one.codec_context) for one in streams], container))
            with av.open(f"file:{file}", mode="w") as target:
                copies = {one: target.add_stream_from_template(one) for one in streams}
                groups = [streams] if len(inputs) == 1 else [[one] for one in streams]
                parts = [packets_between(*of, first_s, span[1]) for of in zip(inputs, groups, strict=False)]
                for _, packet in merge(*parts, key=itemgetter(0)):
                    packet.stream = copies[packet.stream]
                    target.mux(packet)
        except av.FFmpegError as error:
            raise NoSpanError(str(error)) from error
    return file, float(first_s - first_frame_s(file))


def key_frame_s(source: InputContainer, picture: Stream, before_s: float) -> Fraction:
    """The presentation time of the last key frame at or before `before_s`, in seconds. Raises NoSpanError."""
    for early_s in SEEK_BACK_S:  # some indexes hold decode times, which are earlier than presentation times
        shown = (
            shown_s for _, shown_s, packet in packets_after(source, [picture], before_s - early_s) if packet.is_keyframe
        )
        if (first_s := next(shown, None)) is not None and first_s <= before_s:
            return first_s
    raise NoSpanError("no key frame before the span")


def packets_between(
    source: InputContainer, streams: list[Stream], first_s: Fraction, until_s: float
) -> Iterator[tuple[Fraction, "Packet[Stream]"]]:
    """Decode times and packets from `first_s` to `until_s`; the packets' own times are shifted to start at 0."""
    ended: set[Stream] = set()
    start_s = Fraction(source.start_time or 0, av.time_base)
    for decoded_s, shown_s, packet in packets_after(source, streams, first_s):
        if decoded_s > until_s:
            ended.add(packet.stream)
            if len(ended) == len(streams):
                return
        elif shown_s >= first_s and packet.pts is not None and packet.dts is not None:
            shift = round((first_s + start_s) / packet.time_base)
            packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
            yield decoded_s, packet


def packets_after(
    source: InputContainer, streams: list[Stream], from_s: Fraction | float
) -> Iterator[tuple[Fraction, Fraction, "Packet[Stream]"]]:
    """Decode times, presentation times and packets, from a seek point before `from_s` on.

    Times are seconds from the container's start. Raises NoSpanError for packets without times.
    """
    start_s = Fraction(source.start_time or 0, av.time_base)
    at_s = start_s + max(Fraction(0), Fraction(from_s))
    source.seek(int(at_s / (streams[0].time_base or 1)), stream=streams[0])
    for packet in source.demux(*streams):
        if packet.dts is not None and packet.pts is not None:
            yield packet.dts * packet.time_base - start_s, packet.pts * packet.time_base - start_s, packet
        elif packet.size:  # a packet without size is the flush packet at the end
            raise NoSpanError("packets without timestamps")


def first_frame_s(file: Path) -> Fraction:
    """The presentation time of the first frame, in seconds from the container's start."""
    with open_container(str(file)) as made:
        picture = made.streams.video[0]
        times = (packet.pts * packet.time_base for packet in made.demux(picture) if packet.pts is not None)
        return next(times) - read_facts(made, picture).start_s
