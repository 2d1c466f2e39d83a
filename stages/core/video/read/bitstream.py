"""What a packet's own bytes say: where decoding may begin, and H.264's parameter sets.

ITU-T H.264 7.3 and H.265 7.3 (NAL units), ISO/IEC 14496-15 5.3 (avcC), the VP9 bitstream 6.2 and AV1 5.5 and 5.9.
"""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

H264_IDR, H264_SPS, H264_PPS, H264_DELIMITER = 5, 7, 8, 9
HEVC_FIRST_AFTER_SLICES, HEVC_IDR = 32, (19, 20)
HIGH_PROFILES = (100, 110, 122, 244)  # whose avcC tells the chroma format too
HIGH_420_8_BIT = bytes([0xFD, 0xF8, 0xF8, 0])
MAX_SPS = 32  # ids of sequence parameter sets
STORED_SPS, STORED_PPS, STORED_BYTES = 31, 255, 65535  # what an avcC can hold


class UncopiableError(Exception):
    """Nothing of the span can be copied; the message says why."""


def begins_anew(codec: str, data: bytes, extradata: bytes) -> bool:
    """Whether this packet and those after it in decoding order need none before it: a shown key frame, in H.264 and
    HEVC an IDR picture. An open GOP's key frame (recovery point, CRA) is none. False for any other codec.
    """
    if codec in ("h264", "hevc"):
        units = split(data, length_bytes(codec, extradata))
        if codec == "h264":
            return any(unit[0] & 31 == H264_IDR for unit in units)
        slices = (kind for unit in units if (kind := unit[0] >> 1 & 63) < HEVC_FIRST_AFTER_SLICES)
        return next(slices, None) in HEVC_IDR
    if codec == "vp9":
        return _vp9_key(data)
    return codec in ("av1", "libdav1d") and _av1_key(data)


def length_bytes(codec: str, extradata: bytes) -> int | None:
    """How many bytes lead each NAL unit with its length; None where start codes do (annex B).

    Raises UncopiableError where the extradata is torn.
    """
    if extradata[:1] != b"\1":
        return None
    at = 4 if codec == "h264" else 21
    if len(extradata) <= at:
        raise UncopiableError("torn extradata")
    return (extradata[at] & 3) + 1


def split(data: bytes, prefix: int | None) -> Iterator[bytes]:
    """The NAL units without what leads them: lengths of so many bytes, or start codes. Stops where one is torn."""
    if prefix is None:
        yield from filter(None, (unit.rstrip(b"\0") for unit in re.split(b"\0\0\1", data)))
        return
    at = 0
    while at + prefix < len(data):
        end = at + prefix + int.from_bytes(data[at : at + prefix], "big")
        if end > len(data) or end == at + prefix:
            return
        yield data[at + prefix : end]
        at = end


def _vp9_key(data: bytes) -> bool:
    """frame_marker 2 bits, profile 2, a reserved one in profile 3, then: repeats a frame, is no key frame, is shown."""
    if not data or data[0] >> 6 != 2:
        return False
    bits = data[0] >> (0 if data[0] >> 4 & 3 == 3 else 1)
    return bits & 0b111 == 0b001


def _av1_key(data: bytes) -> bool:
    at = 0
    while at < len(data):
        kind, extended, sized = data[at] >> 3 & 15, data[at] >> 2 & 1, data[at] >> 1 & 1
        at, size, shift = at + 1 + extended, 0, 0
        while sized and at < len(data):  # leb128
            size, shift, at = size | (data[at] & 127) << shift, shift + 7, at + 1
            sized = data[at - 1] >> 7
        if kind in (3, 6) and at < len(data):  # a frame header, alone or with its frame
            return data[at] >> 4 == 0b0001  # repeats none, is a key frame (two bits), is shown
        at += size
    return False


class Sets(NamedTuple):
    """H.264's sequence and picture parameter sets."""

    sps: tuple[bytes, ...]
    pps: tuple[bytes, ...]

    def ids(self) -> set[int]:
        """The ids that either kind uses. Raises UncopiableError where a set has none."""
        return {_number(unit[4:]) for unit in self.sps} | {_number(unit[1:]) for unit in self.pps}

    def __or__(self, other: "Sets") -> "Sets":
        return Sets(*(tuple(dict.fromkeys(ours + theirs)) for ours, theirs in zip(self, other, strict=True)))


def parameter_sets(units: Sequence[bytes]) -> Sets:
    """Those among NAL units."""
    return Sets(*(tuple(u for u in units if u[0] & 31 == kind) for kind in (H264_SPS, H264_PPS)))


def stored_sets(extradata: bytes) -> Sets:
    """Those of a stream's extradata, avcC or annex B. Raises UncopiableError where it is torn."""
    if length_bytes("h264", extradata) is None:
        return parameter_sets(list(split(extradata, None)))
    units, at = [], 5
    for mask in (31, 255):
        count, at = int.from_bytes(extradata[at : at + 1]) & mask, at + 1
        for _ in range(count):
            begin = at + 2
            at = begin + int.from_bytes(extradata[at:begin], "big")
            if not begin < at <= len(extradata):
                raise UncopiableError("torn or empty parameter sets")
            units.append(extradata[begin:at])
    return parameter_sets(units)


def avcc(sets: Sets) -> bytes:
    """The avcC of 8-bit 4:2:0 streams with lengths of four bytes: the first set's profile, the highest level.

    Raises UncopiableError for more or longer sets than it can hold.
    """
    longest = max(len(unit) for unit in (*sets.sps, *sets.pps))
    if len(sets.sps) > STORED_SPS or len(sets.pps) > STORED_PPS or longest > STORED_BYTES:
        raise UncopiableError("more parameter sets than an avcC holds")
    profile, compatible = sets.sps[0][1:3]
    level = max(unit[3] for unit in sets.sps)
    stored = [len(unit).to_bytes(2, "big") + unit for unit in (*sets.sps, *sets.pps)]
    return b"".join((
        bytes([1, profile, compatible, level, 0xFF, 0xE0 | len(sets.sps)]),
        *stored[: len(sets.sps)],
        bytes([len(sets.pps)]),
        *stored[len(sets.sps) :],
        HIGH_420_8_BIT if profile in HIGH_PROFILES else b"",
    ))  # fmt: skip


def lengths(units: Sequence[bytes]) -> bytes:
    """NAL units led by lengths of four bytes, as an avcC announces; access unit delimiters have no place there."""
    kept = (unit for unit in units if unit[0] & 31 != H264_DELIMITER)
    return b"".join(len(unit).to_bytes(4, "big") + unit for unit in kept)


def _number(data: bytes) -> int:
    """The Exp-Golomb number, ue(v), that bytes begin with. Raises UncopiableError if they begin with none."""
    bits = "".join(f"{byte:08b}" for byte in data[:4])
    zeros = bits.find("1")
    if zeros < 0:
        raise UncopiableError("a parameter set without an id")
    return int(bits[zeros : 2 * zeros + 1], 2) - 1
