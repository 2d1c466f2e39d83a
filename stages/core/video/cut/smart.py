"""Plans which packets of a span can be copied and which frames at its ends must be encoded again, from its packets.

Copying can begin at a clean sync frame: no frame crosses it, so frames that are decoded before it are displayed before
it, and those after it after it. The frames before the first clean sync frame of the span are encoded again, and so are
those at its end that need a frame after the end (B-frames). A span with neither is a plain copy.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from stages.core.video.read.bitstream import UncopiableError, is_sync_frame
from stages.core.video.read.packets import Video
from stages.core.video.read.span import TIMED, read_packets

LEAST_COPIED = 12  # frames; for fewer a joint is not worth checking
OFF_RATE_S = Fraction(1, 500)  # Matroska and FLV round times to milliseconds


class IndexEntry(NamedTuple):
    """A packet's pts, and whether it is a sync frame."""

    pts: int
    sync: bool


@dataclass(frozen=True)
class Plan:
    """A clip: `times` are the pts of its frames in order, the first `head` and the last `tail` of them encoded again.

    `body` are the packets between these, which are copied, in decoding order.
    """

    times: list[int]
    head: int
    body: list[IndexEntry]
    tail: int


def make_plan(video: Video, first: int, end: int, fps: Fraction | None) -> Plan:
    """The plan that encodes the fewest of the frames with first <= pts < end, in the stream's time base.

    `fps` is the constant rate that they must have, None for any. Raises UncopiableError, UntimedError.
    """
    if not video.facts.container.startswith(TIMED):
        raise UncopiableError(f"{video.facts.container} stores no times of its own")
    plan = divide(_scan(video, first, end), first, end)
    if len(plan.body) < min(LEAST_COPIED, len(plan.times)):
        raise UncopiableError(f"only {len(plan.body)} frames to copy")
    if fps is not None:
        assert video.stream.time_base is not None
        times_s = [(pts - plan.times[0]) * video.stream.time_base for pts in plan.times]
        if any(abs(at - n / fps) > OFF_RATE_S for n, at in enumerate(times_s)):
            raise UncopiableError(f"not {fps} frames a second")
    return plan


def divide(entries: Sequence[IndexEntry], first: int, end: int) -> Plan:
    """The plan for the frames with first <= pts < end, from the packets around them in decoding order.

    Raises UncopiableError without a clean sync frame among them.
    """
    begin = next((n for n in _clean_sync_frames(entries) if first <= entries[n].pts < end), None)
    if begin is None:
        raise UncopiableError("no clean sync frame in the span")
    stop = begin + _count_whole(entries[begin:], end)
    times = sorted(entry.pts for entry in entries if first <= entry.pts < end)
    body = list(entries[begin:stop])
    head = times.index(entries[begin].pts)
    return Plan(times, head, body, len(times) - head - len(body))


def _clean_sync_frames(entries: Sequence[IndexEntry]) -> list[int]:
    """The places of the sync frames that no frame crosses: earlier in decoding order means displayed earlier."""
    latest, before = [], -1 << 63
    for entry in entries:
        latest.append(before)
        before = max(before, entry.pts)
    clean, after = [], 1 << 63
    for n in range(len(entries) - 1, -1, -1):
        if entries[n].sync and latest[n] < entries[n].pts < after:
            clean.append(n)
        after = min(after, entries[n].pts)
    return clean[::-1]


def _count_whole(entries: Sequence[IndexEntry], end: int) -> int:
    """How many of the first packets can be kept: with pts < `end`, and displayed before all packets after them."""
    kept = next((n for n, entry in enumerate(entries) if entry.pts >= end), len(entries))
    after = min((entry.pts for entry in entries[kept:]), default=end)
    while max(entry.pts for entry in entries[:kept]) > after:
        kept -= 1
        after = min(after, entries[kept].pts)
    return kept


def _scan(video: Video, first: int, end: int) -> list[IndexEntry]:
    """The packets from the key frame before `first` to the last one that can have a pts before `end`.

    Raises UncopiableError for packets without a unique time, damaged, hidden by the container, or of a new format.
    """
    context, codec = video.stream.codec_context, video.facts.codec
    extradata = context.extradata or b""
    entries: list[IndexEntry] = []
    for packet in read_packets(video.container, video.stream, first):
        if packet.pts is None or packet.is_corrupt or packet.has_sidedata("new_extradata"):
            raise UncopiableError("a packet without a time, damaged, or with which the format changes")
        sync = packet.is_keyframe and is_sync_frame(codec, bytes(packet), extradata)
        if packet.is_discard and first <= packet.pts < end:
            raise UncopiableError("a frame that the container hides")
        entries.append(IndexEntry(packet.pts, sync))
        if packet.dts is not None and packet.dts >= end:
            break
    if len({entry.pts for entry in entries}) < len(entries):
        raise UncopiableError("frames of the same time")
    return entries
