"""The bytes of packets: sync frames of H.264, HEVC, VP9 and AV1, and the parameter sets of H.264.

ITU-T H.264 7.3 and H.265 7.3 (NAL units), ISO/IEC 14496-15 5.3 (avcC), the VP9 bitstream 6.2 and AV1 5.5 and 5.9.
"""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

H264_IDR, H264_SPS, H264_PPS, H264_DELIMITER = 5, 7, 8, 9
HEVC_FIRST_AFTER_SLICES, HEVC_IDR = 32, (19, 20)
HIGH_PROFILES = (100, 110, 122, 244)  # their avcC also has the chroma format
HIGH_420_8_BIT = bytes([0xFD, 0xF8, 0xF8, 0])
MAX_SPS = 32  # number of ids for sequence parameter sets
STORED_SPS, STORED_PPS, STORED_BYTES = 31, 255, 65535  # an avcC holds this many sets of each kind, each this long


class UncopiableError(Exception):
    """The packets of the span cannot be copied and must be encoded again; the message says why."""


def is_sync_frame(codec: str, data: bytes, extradata: bytes) -> bool:
    """Whether a packet is a sync frame: it and all packets after it in decoding order need no packet before it.

    That is an IDR picture in H.264 and HEVC, a shown key frame in VP9 and AV1. The key frame of an open GOP (recovery
    point, CRA) is not one. False for any other codec. Raises UncopiableError where the extradata is torn.
    """
    if codec in ("h264", "hevc"):
        units = split_nal_units(data, length_bytes(codec, extradata))
        if codec == "h264":
            return any(unit[0] & 31 == H264_IDR for unit in units)
        slices = (kind for unit in units if (kind := unit[0] >> 1 & 63) < HEVC_FIRST_AFTER_SLICES)
        return next(slices, None) in HEVC_IDR
    if codec == "vp9":
        return _vp9_key(data)
    return codec == "av1" and _av1_key(data)


def length_bytes(codec: str, extradata: bytes) -> int | None:
    """Size in bytes of the length field before each NAL unit; None for start codes (annex B).

    Raises UncopiableError where the extradata is torn.
    """
    if extradata[:1] != b"\1":
        return None
    at = 4 if codec == "h264" else 21
    if len(extradata) <= at:
        raise UncopiableError("torn extradata")
    return (extradata[at] & 3) + 1


def split_nal_units(data: bytes, prefix: int | None) -> Iterator[bytes]:
    """The NAL units without their length fields of `prefix` bytes, or without start codes (None).

    Ends before a unit that is torn.
    """
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
    """Whether the packet is a shown key frame.

    The header's bits: frame_marker (2), profile (2), reserved (1, in profile 3 only), show_existing_frame, frame_type
    (0: key frame), show_frame.
    """
    if not data or data[0] >> 6 != 2:
        return False
    bits = data[0] >> (0 if data[0] >> 4 & 3 == 3 else 1)
    return bits & 0b111 == 0b001


def _av1_key(data: bytes) -> bool:
    """Whether the first frame header of the packet's OBUs is that of a shown key frame."""
    at = 0
    while at < len(data):
        kind, extended, sized = data[at] >> 3 & 15, data[at] >> 2 & 1, data[at] >> 1 & 1
        at, size, shift = at + 1 + extended, 0, 0
        while sized and at < len(data):  # leb128
            size, shift, at = size | (data[at] & 127) << shift, shift + 7, at + 1
            sized = data[at - 1] >> 7
        if kind in (3, 6) and at < len(data):  # OBU_FRAME_HEADER, OBU_FRAME
            return data[at] >> 4 == 0b0001  # show_existing_frame, frame_type (two bits, 0: key frame), show_frame
        at += size
    return False


class ParameterSets(NamedTuple):
    """H.264's sequence and picture parameter sets."""

    sps: tuple[bytes, ...]
    pps: tuple[bytes, ...]

    def ids(self) -> set[int]:
        """The ids of all sets, of both kinds. Raises UncopiableError for a set without an id."""
        return {_number(unit[4:]) for unit in self.sps} | {_number(unit[1:]) for unit in self.pps}

    def __or__(self, other: "ParameterSets") -> "ParameterSets":
        return ParameterSets(*(tuple(dict.fromkeys(ours + theirs)) for ours, theirs in zip(self, other, strict=True)))


def find_parameter_sets(units: Sequence[bytes]) -> ParameterSets:
    """The parameter sets among NAL units."""
    return ParameterSets(*(tuple(u for u in units if u[0] & 31 == kind) for kind in (H264_SPS, H264_PPS)))


def read_stored_sets(extradata: bytes) -> ParameterSets:
    """The parameter sets in a stream's extradata, avcC or annex B. Raises UncopiableError where it is torn."""
    if length_bytes("h264", extradata) is None:
        return find_parameter_sets(list(split_nal_units(extradata, None)))
    units, at = [], 5
    for mask in (31, 255):
        count, at = int.from_bytes(extradata[at : at + 1]) & mask, at + 1
        for _ in range(count):
            begin = at + 2
            at = begin + int.from_bytes(extradata[at:begin], "big")
            if not begin < at <= len(extradata):
                raise UncopiableError("torn or empty parameter sets")
            units.append(extradata[begin:at])
    return find_parameter_sets(units)


def make_avcc(sets: ParameterSets) -> bytes:
    """An avcC of 8-bit 4:2:0 with length fields of four bytes, the first set's profile and the highest level.

    Raises UncopiableError for more or longer sets than an avcC can hold.
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


def join_nal_units(units: Sequence[bytes]) -> bytes:
    """The NAL units, each after a length field of four bytes; without access unit delimiters, as avcC requires."""
    kept = (unit for unit in units if unit[0] & 31 != H264_DELIMITER)
    return b"".join(len(unit).to_bytes(4, "big") + unit for unit in kept)


def _number(data: bytes) -> int:
    """The Exp-Golomb number, ue(v), at the start of the bytes. Raises UncopiableError where there is none."""
    bits = "".join(f"{byte:08b}" for byte in data[:4])
    zeros = bits.find("1")
    if zeros < 0:
        raise UncopiableError("a parameter set without an id")
    return int(bits[zeros : 2 * zeros + 1], 2) - 1
