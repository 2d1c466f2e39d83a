"""The sound of a span as AAC packets: copied if the source is AAC-LC without gaps, else encoded.

Copied packets begin up to two AAC frames before the span, as a decoder needs them; the mp4's edit list hides what is
before its start, to the sample. Encoded sound has exactly the span's samples, with silence where the source has none.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, dropwhile

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Stream
from numpy.typing import NDArray

from stages.core.video.read.span import UntimedError, read_packets, read_recording

AAC_FRAME = 1024  # samples, of AAC-LC
AAC_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)
# AAC has 7.1 too, but PyAV 18.1 reads beyond the eighth plane of such frames, and the process dies
AAC_LAYOUTS = ("mono", "stereo", "3.0", "4.0", "5.0", "5.1")
EARLY_S = Fraction(1, 5)  # decoding begins this much before the span: more than any codec needs to settle
# After a seek in Ogg the times of a page's packets may be half a block off (10 ms of Vorbis); a page lasts up to 1 s
EARLY_OGG_S = Fraction(2)
SETTLED_S = 0.1  # what ends longer before the span is decoded, and its times are not looked at
ROUNDED_S = Fraction(1, 500)  # Matroska and FLV round times to milliseconds
GAP_S = 0.02  # decoded blocks whose times are off by less are joined without a gap


@dataclass
class Sound:
    """Packets to be written, and the stream to make for them: like `copied`, or AAC of this rate, layout, bit rate."""

    packets: "list[Packet[Stream]]"
    rate: int
    layout: str
    bit_rate: int
    copied: AudioStream | None

    def add_to(self, container: OutputContainer) -> None:
        """Adds a stream for the packets to the file."""
        stream: AudioStream
        if self.copied is not None:
            stream = container.add_stream_from_template(self.copied, opaque=True)
            stream.time_base = Fraction(1, self.rate)
        else:
            stream = container.add_stream("aac", rate=self.rate, bit_rate=self.bit_rate)
            stream.codec_context.layout = self.layout
        for packet in self.packets:
            packet.stream = stream


def read_sound(
    container: InputContainer, stream: AudioStream, start_s: Fraction, end_s: Fraction, *, bit_rate: int, copies: bool
) -> Sound | None:
    """The sound of [start_s, end_s), on the stream's own clock; None if none can be decoded.

    `bit_rate` is in bits a second; `copies` allows copied packets.
    """
    try:
        if copies and (copied := _copied(container, stream, start_s, end_s)):
            return Sound(copied, stream.codec_context.sample_rate, "", 0, copied=stream)
        assert stream.time_base is not None
        early_s = EARLY_OGG_S if container.format.name == "ogg" else EARLY_S
        read = read_packets(container, stream, int((start_s - early_s) / stream.time_base))
        return _encoded(read, stream, start_s, end_s, bit_rate)
    except UntimedError:  # seeking fails in an empty track; the picture is not affected
        return None


def read_recorded(
    container: InputContainer, stream: AudioStream, number: int, start_s: Fraction, end_s: Fraction, *, bit_rate: int
) -> Sound | None:
    """The encoded sound of [start_s, end_s), on the own clock of recording `number` of those joined in the file.

    It is read from the file's start, without a seek; None if none can be decoded.
    """
    assert stream.time_base is not None
    begin = (start_s - EARLY_S) / stream.time_base
    read = dropwhile(lambda packet: packet.pts is None or packet.pts < begin, read_recording(container, stream, number))
    return _encoded(read, stream, start_s, end_s, bit_rate)


def _copied(
    container: InputContainer, stream: AudioStream, start_s: Fraction, end_s: Fraction
) -> "list[Packet[Stream]]":
    """The stream's packets that cover [start_s, end_s) without a gap; empty if it is not AAC-LC or has a gap."""
    context, base = stream.codec_context, stream.time_base
    if context.name != "aac" or context.profile != "LC" or not context.extradata or base is None:
        return []
    length_s, first_s = Fraction(AAC_FRAME, context.sample_rate), None
    data: list[bytes] = []
    for packet in read_packets(
        container, stream, int((start_s - 2 * AAC_FRAME / Fraction(context.sample_rate)) / base)
    ):
        if packet.pts is None or packet.is_corrupt:
            return []
        at_s = packet.pts * base
        if at_s >= end_s:
            break
        if at_s > start_s - 2 * length_s:  # one frame before the one that holds the start
            first_s = at_s if first_s is None else first_s
            if abs(at_s - first_s - len(data) * length_s) > ROUNDED_S:
                return []
            data.append(bytes(packet))
    if first_s is None or first_s > start_s or first_s + (len(data) + 1) * length_s < end_s:
        return []
    if not _is_whole(context, data):
        return []
    first = round((first_s - start_s) * context.sample_rate)
    return [_make_packet(part, first + n * AAC_FRAME, context.sample_rate) for n, part in enumerate(data)]


def _is_whole(source: AudioCodecContext, data: Sequence[bytes]) -> bool:
    """Whether all these packets can be decoded."""
    decoder = av.CodecContext.create("aac", "r")
    decoder.extradata = source.extradata
    try:
        return sum(len(decoder.decode(Packet(part))) for part in data) == len(data)
    except av.FFmpegError:
        return False


def _make_packet(data: bytes, at: int, rate: int) -> "Packet[Stream]":
    packet: Packet[Stream] = Packet(data)
    packet.pts = packet.dts = at
    packet.duration, packet.time_base, packet.is_keyframe = AAC_FRAME, Fraction(1, rate), True
    return packet


def _encoded(
    read: "Iterator[Packet[Stream]]", stream: AudioStream, start_s: Fraction, end_s: Fraction, bit_rate: int
) -> Sound | None:
    decoded = _decoded(read, stream)
    begin = next(decoded, None)
    if begin is None:
        return None
    rate = min(AAC_RATES, key=lambda known: abs(known - begin.sample_rate))
    layout = begin.layout.name if begin.layout.name in AAC_LAYOUTS else "stereo"
    encoder = av.CodecContext.create("aac", "w")
    encoder.sample_rate, encoder.layout, encoder.format, encoder.bit_rate = rate, layout, "fltp", bit_rate
    made: list[Packet[Stream]] = []
    for at, samples in _samples(chain([begin], decoded), start_s, end_s, rate, layout):
        frame = AudioFrame.from_ndarray(samples, "fltp", layout)
        frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), at
        made += encoder.encode(frame)
    return Sound(made + encoder.encode(None), rate, layout, bit_rate, copied=None) if encoder.is_open else None


def _samples(
    decoded: Iterator[AudioFrame], start_s: Fraction, end_s: Fraction, rate: int, layout: str
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Blocks of samples, float32 [channels, n], without gaps; before each, its first sample's number from `start_s`."""
    resampler, form = AudioResampler("fltp", layout, rate), None
    total, done, expected = round((end_s - start_s) * rate), 0, None
    for frame in decoded:
        if form not in (None, new := (frame.format.name, frame.layout.name, frame.sample_rate)):
            resampler = AudioResampler("fltp", layout, rate)  # a resampler accepts only the format of its first frame
        form = new
        assert frame.pts is not None and frame.time_base is not None
        at = round((frame.pts * frame.time_base - start_s) * rate)
        if at + frame.samples * rate / frame.sample_rate < -SETTLED_S * rate:
            continue
        try:
            parts = resampler.resample(frame)
        except av.FFmpegError:  # more channels than it supports
            return
        for part in parts:
            block = part.to_ndarray().astype(np.float32, copy=False)
            if expected is not None and abs(at - expected) < GAP_S * rate:
                at = expected
            while done < min(at, total):  # before the sound begins, and where it pauses
                silent = np.zeros((len(block), min(rate, min(at, total) - done)), np.float32)
                yield done, silent
                done += silent.shape[1]
            kept = block[:, max(0, done - at) : max(0, total - at)]
            expected = at = at + block.shape[1]
            if kept.shape[1]:
                yield done, np.ascontiguousarray(kept)
                done += kept.shape[1]
        if done >= total:
            return


def _decoded(read: "Iterator[Packet[Stream]]", stream: AudioStream) -> Iterator[AudioFrame]:
    """The audio frames that can be decoded and have a pts."""
    for packet in chain(read, [None]):
        try:
            decoded = stream.codec_context.decode(packet)
        except av.FFmpegError:
            continue
        yield from (frame for frame in decoded if frame.pts is not None)
