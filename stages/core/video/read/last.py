"""The last frame of an mp4 where it has no duration of its own, as in slow motion of phones.

The edit list ends where such a frame begins, so FFmpeg takes it for one that the list hides. It is told from hidden
ones by the table of samples: that says how long the frame lasts, and without an edit list how long all of them do.
"""

from fractions import Fraction
from typing import TypeVar, cast

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream

from stages.core.video.read.opening import SAFE_INPUT

Kind = TypeVar("Kind", bound=Stream)


def show_last(container: InputContainer, stream: Kind, packet: "Packet[Kind]") -> "Packet[Kind]":
    """The packet, shown if it is the last frame and hidden for lack of a duration alone."""
    if not packet.is_discard or not _is_last(container, stream, packet):
        return packet
    shown = cast("Packet[Kind]", Packet(bytes(packet)))
    shown.stream, shown.time_base = packet.stream, packet.time_base or Fraction(1)
    shown.pts, shown.dts, shown.is_keyframe = packet.pts, packet.dts, packet.is_keyframe
    return shown


def _is_last(container: InputContainer, stream: Kind, packet: "Packet[Kind]") -> bool:
    entries = stream.index_entries
    if not container.format.name.startswith("mov") or not len(entries) or packet.pts is None:
        return False
    if packet.pts != (stream.start_time or 0) + (stream.duration or 0):
        return False
    with av.open(container.name, options={**SAFE_INPUT, "ignore_editlist": "1"}) as whole:
        all_of = whole.streams[stream.index]
        stored = all_of.index_entries
        return len(stored) > 1 and stored[-1].timestamp - stored[0].timestamp >= (all_of.duration or 0) > 0
