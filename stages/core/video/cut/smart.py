"""What of a span can be copied as it is, and which frames at its ends have to be encoded again; checked on packets.

A clip that begins at a clean key frame and ends where nothing that is kept needs what is dropped is a copy. Else the
frames before the first clean key frame and those at the end that need a dropped one (B-frames) are encoded again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from stages.core.video.read.bitstream import UncopiableError, begins_anew
from stages.core.video.read.packets import Video
from stages.core.video.read.span import TIMED, packets

LEAST_COPIED = 12  # frames: for fewer a joint is not worth its check
OFF_RATE_S = Fraction(1, 500)  # Matroska and FLV round times to milliseconds


class Seen(NamedTuple):
    """A packet: its time, and whether decoding may begin at it."""

    pts: int
    fresh: bool


@dataclass(frozen=True)
class Plan:
    """A clip: `times`, the pts of its frames in order, of which the first `head` and the last `tail` are encoded again;
    `body`, the packets between, in the order in which they are decoded.
    """

    times: list[int]
    head: int
    body: list[Seen]
    tail: int


def make_plan(video: Video, first: int, end: int, fps: Fraction | None) -> Plan:
    """How the frames with first <= pts < end, in the stream's time base, are had with the least encoding.

    `fps`: the rate that they must have. Raises UncopiableError, UntimedError.
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


def divide(seen: Sequence[Seen], first: int, end: int) -> Plan:
    """The plan, from the packets around the span in the order in which they are decoded."""
    clean = _clean(seen)
    begin = next((n for n in clean if first <= seen[n].pts < end), None)
    if begin is None:
        raise UncopiableError("no clean key frame in the span")
    stop = begin + _whole(seen[begin:], end)
    times = sorted(packet.pts for packet in seen if first <= packet.pts < end)
    body = list(seen[begin:stop])
    head = times.index(seen[begin].pts)
    return Plan(times, head, body, len(times) - head - len(body))


def _clean(seen: Sequence[Seen]) -> list[int]:
    """Where decoding may begin and the frames before and after are also shown before and after."""
    latest, before = [], -1 << 63
    for packet in seen:
        latest.append(before)
        before = max(before, packet.pts)
    found, after = [], 1 << 63
    for n in range(len(seen) - 1, -1, -1):
        if seen[n].fresh and latest[n] < seen[n].pts < after:
            found.append(n)
        after = min(after, seen[n].pts)
    return found[::-1]


def _whole(seen: Sequence[Seen], end: int) -> int:
    """How many packets from the first on can be kept: all before `end`, and shown before all that follow them."""
    kept = next((n for n, packet in enumerate(seen) if packet.pts >= end), len(seen))
    after = min((packet.pts for packet in seen[kept:]), default=end)
    while max(packet.pts for packet in seen[:kept]) > after:
        kept -= 1
        after = min(after, seen[kept].pts)
    return kept


def _scan(video: Video, first: int, end: int) -> list[Seen]:
    """The packets from the key frame before the span to where no later one can belong to it."""
    context, codec = video.stream.codec_context, video.facts.codec
    extradata = context.extradata or b""
    seen: list[Seen] = []
    for packet in packets(video.container, video.stream, first):
        if packet.pts is None or packet.is_corrupt or packet.has_sidedata("new_extradata"):
            raise UncopiableError("a packet without a time, damaged, or with which the format changes")
        fresh = packet.is_keyframe and begins_anew(codec, bytes(packet), extradata)
        if packet.is_discard and first <= packet.pts < end:
            raise UncopiableError("a frame that the container hides")
        seen.append(Seen(packet.pts, fresh))
        if packet.dts is not None and packet.dts >= end:
            break
    if len({packet.pts for packet in seen}) < len(seen):
        raise UncopiableError("frames of the same time")
    return seen
