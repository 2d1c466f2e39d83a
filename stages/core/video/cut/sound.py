"""The sound of a span: AAC packets, copied where the source's fit, encoded else; the first sample belongs to the start.

Copied packets begin up to two frames of AAC before the start, which is what a decoder needs; the mp4's edit list hides
what is too early, to the sample. Encoded sound has silence where the source has none, and exactly the span's samples.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, dropwhile

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Stream
from numpy.typing import NDArray

from stages.core.video.read.span import UntimedError, packets, recording

AAC_FRAME = 1024  # samples, of AAC-LC
AAC_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)
# AAC has 7.1 too, but PyAV 18.1 reads one plane too far where samples have eight of them, and the process dies
AAC_LAYOUTS = ("mono", "stereo", "3.0", "4.0", "5.0", "5.1")
EARLY_S = Fraction(1, 5)  # decoded before the start: more than any codec's memory
ROUNDED_S = Fraction(1, 500)  # Matroska and FLV round times to milliseconds
GAP_S = 0.02  # decoded sound that is off by less goes on without a gap


@dataclass
class Sound:
    """Packets that are not in a file yet, with how to make the stream that they belong to."""

    packets: "list[Packet[Stream]]"
    rate: int
    layout: str
    bit_rate: int
    copied: AudioStream | None

    def add_to(self, container: OutputContainer) -> None:
        """Makes the packets those of a new stream of the file."""
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
    """The sound of [start, end), seconds of the stream's own clock; None if there is none that can be decoded."""
    try:
        if copies and (copied := _copied(container, stream, start_s, end_s)):
            return Sound(copied, stream.codec_context.sample_rate, "", 0, copied=stream)
        assert stream.time_base is not None
        read = packets(container, stream, int((start_s - EARLY_S) / stream.time_base))
        return _encoded(read, stream, start_s, end_s, bit_rate)
    except UntimedError:  # an empty track cannot be sought; the picture's times are as good as they were
        return None


def read_recorded(
    container: InputContainer, stream: AudioStream, number: int, start_s: Fraction, end_s: Fraction, *, bit_rate: int
) -> Sound | None:
    """The same without a seek, encoded: of one of the recordings that are joined in a file, by its own clock."""
    assert stream.time_base is not None
    begin = (start_s - EARLY_S) / stream.time_base
    read = dropwhile(lambda packet: packet.pts is None or packet.pts < begin, recording(container, stream, number))
    return _encoded(read, stream, start_s, end_s, bit_rate)


def _copied(
    container: InputContainer, stream: AudioStream, start_s: Fraction, end_s: Fraction
) -> "list[Packet[Stream]]":
    """Packets that cover the span without a gap; none if they cannot be had."""
    context, base = stream.codec_context, stream.time_base
    if context.name != "aac" or context.profile != "LC" or not context.extradata or base is None:
        return []
    length_s, first_s = Fraction(AAC_FRAME, context.sample_rate), None
    data: list[bytes] = []
    for packet in packets(container, stream, int((start_s - 2 * AAC_FRAME / Fraction(context.sample_rate)) / base)):
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
    first = round((first_s - start_s) * context.sample_rate)
    return [_packet(part, first + n * AAC_FRAME, context.sample_rate) for n, part in enumerate(data)]


def _packet(data: bytes, at: int, rate: int) -> "Packet[Stream]":
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
    """Blocks of samples [channels, n] without a gap from 0, the start, on; each with the number of its first."""
    resampler, form = AudioResampler("fltp", layout, rate), None
    total, done, expected = round((end_s - start_s) * rate), 0, None
    for frame in decoded:
        if form not in (None, new := (frame.format.name, frame.layout.name, frame.sample_rate)):
            resampler = AudioResampler("fltp", layout, rate)  # one takes only what the first frame was like
        form = new
        assert frame.pts is not None and frame.time_base is not None
        at = round((frame.pts * frame.time_base - start_s) * rate)
        try:
            parts = resampler.resample(frame)
        except av.FFmpegError:  # more channels than it takes
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
    """The frames of sound that can be decoded and have a time."""
    for packet in chain(read, [None]):
        try:
            decoded = stream.codec_context.decode(packet)
        except av.FFmpegError:
            continue
        yield from (frame for frame in decoded if frame.pts is not None)
