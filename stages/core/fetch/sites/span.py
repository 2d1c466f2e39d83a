"""A part of a video, fetched without the rest: only what lies between two moments is asked for, in ranges.

The packets are copied as they are, so the part begins at the key frame before. yt-dlp would hand this to ffmpeg, which
cuts less exactly, asks the host without waiting for its turn, and shows cookies on its command line.
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
from stages.core.fetch.sites.container import suffix_for
from stages.core.fetch.sites.remote import Remote, UnfitError
from stages.core.video.read.facts import read_facts
from stages.core.video.read.opening import SAFE_INPUT, open_container

EARLIER_S = (0, 1, 10)


def copy_span(sources: list[Remote], span: tuple[float, float], name: Path, container: str) -> tuple[Path, float]:
    """The file `name`.mp4 or .mkv with the first picture and the last sound of the sources, from the key frame before
    the span's start to its end; and where in the whole video its time 0 lies, in seconds.

    Raises UnfitError where the packets cannot be copied.
    """
    with ExitStack() as opened:
        try:
            only = {"format_whitelist": SAFE_INPUT["format_whitelist"]}
            inputs = [opened.enter_context(av.open(source, mode="r", options=only)) for source in sources]
            picture, sound = inputs[0].streams.best("video"), inputs[-1].streams.best("audio")
            if not isinstance(picture, VideoStream):
                raise ItemError("no_video", "the site sent a file without a picture")
            first_s = key_frame_s(inputs[0], picture, span[0])
            streams: list[Stream] = [picture, *([sound] if sound else [])]
            file = name.with_suffix(suffix_for([one.codec_context.name for one in streams], container))
            with av.open(str(file), mode="w") as target:
                copies = {one: target.add_stream_from_template(one) for one in streams}
                groups = [streams] if len(inputs) == 1 else [[one] for one in streams]
                parts = [between(*of, first_s, span[1]) for of in zip(inputs, groups, strict=False)]
                for _, packet in merge(*parts, key=itemgetter(0)):
                    packet.stream = copies[packet.stream]
                    target.mux(packet)
        except av.FFmpegError as error:
            raise UnfitError(str(error)) from error
    return file, float(first_s - first_frame_s(file))


def key_frame_s(source: InputContainer, picture: Stream, before_s: float) -> Fraction:
    """The time of the last key frame before a moment."""
    for early_s in EARLIER_S:  # some indexes go by the time of decoding, which is before that of showing
        shown = (shown_s for _, shown_s, packet in after(source, [picture], before_s - early_s) if packet.is_keyframe)
        if (first_s := next(shown, None)) is not None and first_s <= before_s:
            return first_s
    raise UnfitError("no key frame before")


def between(
    source: InputContainer, streams: list[Stream], first_s: Fraction, until_s: float
) -> Iterator[tuple[Fraction, "Packet[Stream]"]]:
    """Times of decoding and packets from one moment to another, the first of which is the packets' 0."""
    ended: set[Stream] = set()
    start_s = Fraction(source.start_time or 0, av.time_base)
    for decoded_s, shown_s, packet in after(source, streams, first_s):
        if decoded_s > until_s:
            ended.add(packet.stream)
            if len(ended) == len(streams):
                return
        elif shown_s >= first_s and packet.pts is not None and packet.dts is not None:
            shift = round((first_s + start_s) / packet.time_base)
            packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
            yield decoded_s, packet


def after(
    source: InputContainer, streams: list[Stream], from_s: Fraction | float
) -> Iterator[tuple[Fraction, Fraction, "Packet[Stream]"]]:
    """Times of decoding and of showing, from the container's start, and packets; from before a moment on."""
    start_s = Fraction(source.start_time or 0, av.time_base)
    at_s = start_s + max(Fraction(0), Fraction(from_s))
    source.seek(int(at_s / (streams[0].time_base or 1)), stream=streams[0])
    for packet in source.demux(*streams):
        if packet.dts is not None and packet.pts is not None:
            yield packet.dts * packet.time_base - start_s, packet.pts * packet.time_base - start_s, packet
        elif packet.size:  # without, it is the end
            raise UnfitError("packets without times")


def first_frame_s(file: Path) -> Fraction:
    """The time of the first frame, from the container's start."""
    with open_container(str(file)) as made:
        picture = made.streams.video[0]
        times = (packet.pts * packet.time_base for packet in made.demux(picture) if packet.pts is not None)
        return next(times) - read_facts(made, picture).start_s
