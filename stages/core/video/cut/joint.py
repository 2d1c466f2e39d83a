"""Writes a clip of copied packets, with the frames before and after them encoded again and joined to them.

The encoded frames have parameter sets of their own, with ids that the source does not use. The sets of both are in one
avcC, so the stream has a single sample description; a decoder switches between them at an IDR picture.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import av
from av.codec.context import Flags
from av.packet import Packet
from av.stream import Stream
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType

from stages.core.video.cut.encode import Encoding, open_encoder
from stages.core.video.cut.mp4 import Mp4Writer, new_file
from stages.core.video.cut.smart import Plan
from stages.core.video.cut.sound import Sound
from stages.core.video.read.bitstream import (
    MAX_SPS,
    ParameterSets,
    UncopiableError,
    find_parameter_sets,
    join_nal_units,
    length_bytes,
    make_avcc,
    read_stored_sets,
    split_nal_units,
)
from stages.core.video.read.packets import Video
from stages.core.video.read.span import decode_frames, read_packets

JOINER = "libx264"  # the encoder whose parameter sets' ids can be chosen
PROFILES = {"Baseline": "baseline", "Constrained Baseline": "baseline", "Main": "main", "High": "high"}
PIX_FMTS = ("yuv420p", "yuvj420p")


class EndEncoder:
    """Encodes frames to be joined to an H.264 stream: like the stream, but with parameter sets of its own, in `sets`.

    Raises UncopiableError if nothing can be joined to the stream.
    """

    def __init__(self, video: Video, encoding: Encoding) -> None:
        self.video, self.encoding = video, encoding
        source = video.stream.codec_context
        if video.facts.codec != "h264" or encoding.codec != JOINER:
            raise UncopiableError(f"{encoding.codec} cannot be joined to {video.facts.codec}")
        if source.profile not in PROFILES or source.pix_fmt not in PIX_FMTS:
            raise UncopiableError(f"nothing can be joined to profile {source.profile}, {source.pix_fmt}")
        self.stored = read_stored_sets(source.extradata or b"")
        free = set(range(MAX_SPS)) - self.stored.ids()
        if not all(self.stored) or not free:
            raise UncopiableError("no parameter sets, or no id left for another one")
        self.id = min(free)
        self.sets = ParameterSets((), ())

    def encode(self, times: Sequence[int]) -> "list[Packet[Stream]]":
        """Packets of the frames with these pts, in decoding order; the first is an IDR picture.

        Raises UncopiableError for a frame that is interlaced, damaged or of another size or format than the stream.
        """
        if not times:
            return []
        encoder = self._open_encoder()
        made: list[Packet[Stream]] = []
        for frame in decode_frames(self.video, times[0], times[-1] + 1):
            size = (frame.width, frame.height, frame.format.name)
            if frame.interlaced_frame or frame.is_corrupt or size != (encoder.width, encoder.height, encoder.pix_fmt):
                raise UncopiableError(f"an interlaced, damaged or other frame ({size})")
            frame.pict_type = PictureType.NONE
            made += encoder.encode(frame)
        made += encoder.encode(None)
        return [_copy_packet(packet, join_nal_units(list(split_nal_units(bytes(packet), None)))) for packet in made]

    def _open_encoder(self) -> VideoCodecContext:
        source = self.video.stream.codec_context
        encoder = av.CodecContext.create(JOINER, "w")
        assert isinstance(encoder, VideoCodecContext)
        assert self.video.stream.time_base is not None
        encoder.width, encoder.height, encoder.pix_fmt = source.width, source.height, source.pix_fmt
        encoder.time_base, encoder.framerate = self.video.stream.time_base, self.video.facts.fps
        if source.sample_aspect_ratio:
            encoder.sample_aspect_ratio = source.sample_aspect_ratio
        encoder.color_range, encoder.colorspace = source.color_range, source.colorspace
        encoder.color_primaries, encoder.color_trc = source.color_primaries, source.color_trc
        encoder.flags |= Flags.global_header
        own = {"profile": PROFILES[str(source.profile)], "x264-params": f"sps-id={self.id}"}
        open_encoder(encoder, self.encoding, own)
        self.sets |= find_parameter_sets(list(split_nal_units(encoder.extradata or b"", None)))
        return encoder


def _copy_packet(packet: "Packet[Stream]", data: bytes) -> "Packet[Stream]":
    """A packet with other data and the same time."""
    copy: Packet[Stream] = Packet(data)
    copy.pts, copy.time_base, copy.is_keyframe = packet.pts, packet.time_base, packet.is_keyframe
    return copy


def write_joined(video: Video, plan: Plan, end: int, out: Path, *, encoding: Encoding, sound: Sound | None) -> None:
    """Writes the planned clip, whose last frame ends at `end`, in the stream's time base.

    Raises UncopiableError if nothing can be joined to the copied packets, or these are not as planned.
    """
    ends = EndEncoder(video, encoding) if plan.head or plan.tail else None
    head = ends.encode(plan.times[: plan.head]) if ends else []
    tail = ends.encode(plan.times[len(plan.times) - plan.tail :]) if ends else []
    order = [*(p.pts or 0 for p in head), *(p.pts for p in plan.body), *(p.pts or 0 for p in tail)]
    assert video.stream.time_base is not None
    step = max(1, round(1 / video.facts.fps / video.stream.time_base))
    decoded_at, until = decoding_times(order, step), dict(zip(plan.times, [*plan.times[1:], end], strict=True))
    with new_file(out) as container:
        picture = container.add_stream_from_template(video.stream, opaque=True)
        if ends is not None:
            picture.codec_context.extradata = make_avcc(ends.stored | ends.sets)
        elif video.facts.codec == "hevc":
            picture.codec_context.codec_tag = "hvc1"  # what Apple's players want
        file = Mp4Writer(container, picture, sound)
        parts = [head, _body(video, plan, ends is not None), tail]
        for packet, dts in zip((packet for part in parts for packet in part), decoded_at, strict=True):
            assert packet.pts is not None
            packet.duration = until[packet.pts] - packet.pts
            packet.pts, packet.dts = packet.pts - plan.times[0], dts - plan.times[0]
            file.put(packet)
        file.finish(end - plan.times[0])


def decoding_times(order: Sequence[int], step: int) -> list[int]:
    """The dts of frames whose pts are, in decoding order, `order`: growing, and none after the frame's pts.

    They span at least the time from the first displayed frame to the last decoded one, so that the mp4, whose length is
    that of its dts, is not too short.
    """
    shown = sorted(order)
    rank = {at: n for n, at in enumerate(shown)}
    delay = max(n - rank[at] for n, at in enumerate(order))
    lead = max(delay * step, order[-1] - shown[-1 - delay])
    return [shown[n - delay] if n >= delay else shown[0] - lead * (delay - n) // delay for n in range(len(order))]


def _body(video: Video, plan: Plan, joined: bool) -> "Iterator[Packet[Stream]]":
    """The packets of the plan's body, ready to be written; `joined`: encoded frames come before or after them.

    Raises UncopiableError if they differ from the plan or their parameter sets change.
    """
    codec, extradata = video.facts.codec, video.stream.codec_context.extradata or b""
    prefix = length_bytes(codec, extradata)
    known = read_stored_sets(extradata) if codec == "h264" else None
    read = read_packets(video.container, video.stream, plan.body[0].pts)
    for entry in plan.body:
        packet = next(read, None)
        if packet is None or packet.pts != entry.pts:
            raise UncopiableError("other packets than planned")
        if known is not None:
            units = list(split_nal_units(bytes(packet), prefix))
            if known | find_parameter_sets(units) != known:
                raise UncopiableError("parameter sets change within the span")
            if joined and prefix != 4:
                packet = _copy_packet(packet, join_nal_units(units))
            packet.is_keyframe = entry.sync
        yield packet
