"""What is copied and what is encoded again: rules about packets, in the order in which they are decoded."""

from collections.abc import Sequence
from itertools import pairwise

import pytest

from stages.core.video.cut.joint import decoding_times
from stages.core.video.cut.smart import IndexEntry, Plan, divide
from stages.core.video.read.bitstream import UncopiableError

# Times as decoded: B-frames follow the frames that they need. Decoding may begin anew at 0, 10 and 20.
PYRAMID = [0, 4, 2, 1, 3, 8, 6, 5, 7, 9, 10, 14, 12, 11, 13, 18, 16, 15, 17, 19, 20, 24, 22, 21, 23]
PLAIN = list(range(25))
FRESH = (0, 10, 20)


def plan(order: Sequence[int], first: int, end: int, fresh: Sequence[int] = FRESH) -> Plan:
    return divide([IndexEntry(pts, pts in fresh) for pts in order], first, end)


@pytest.mark.parametrize(
    ("order", "span", "head", "body", "tail"),
    [
        (PYRAMID, (10, 20), 0, PYRAMID[10:20], 0),  # from key frame to key frame
        (PYRAMID, (0, 25), 0, PYRAMID, 0),  # to the end of the file
        (PYRAMID, (7, 20), 3, PYRAMID[10:20], 0),  # the head is encoded
        (PYRAMID, (10, 19), 0, PYRAMID[10:19], 0),  # 19 is decoded last, and nothing kept needs it
        (PYRAMID, (10, 15), 0, PYRAMID[10:15], 0),  # 18 follows all that is kept
        (PYRAMID, (10, 17), 0, PYRAMID[10:15], 2),  # 16 and 15 need 18, which is dropped
        (PYRAMID, (10, 18), 0, PYRAMID[10:15], 3),
        (PYRAMID, (10, 14), 0, [10], 3),
        (PYRAMID, (3, 17), 7, PYRAMID[10:15], 2),  # head and tail
        (PYRAMID, (3, 23), 7, [*PYRAMID[10:20], 20], 2),  # over two key frames
        (PLAIN, (10, 17), 0, PLAIN[10:17], 0),  # without B-frames any end will do
        (PLAIN, (3, 17), 7, PLAIN[10:17], 0),
    ],
)
def test_as_much_is_copied_as_needs_nothing_that_is_dropped(
    order: Sequence[int], span: tuple[int, int], head: int, body: Sequence[int], tail: int
) -> None:
    made = plan(order, *span)
    assert (made.head, [packet.pts for packet in made.body], made.tail) == (head, list(body), tail)
    assert made.times == list(range(*span))


def test_kept_frames_that_are_not_shown_together_are_left_to_the_tail() -> None:
    # 6 is decoded before 8, which is dropped, and 5 after it: of a copy of 0, 4 and 6 the 5 would be missing between
    made = plan([0, 4, 6, 8, 1, 2, 3, 5, 7], 0, 8, fresh=[0])
    assert ([packet.pts for packet in made.body], made.tail) == ([0], 7)


def test_span_without_a_clean_key_frame_cannot_be_copied() -> None:
    for order, first, end, fresh in (
        (PYRAMID, 1, 9, FRESH),  # none in it
        (PYRAMID, 11, 20, FRESH),
        ([0, 4, 2, 10, 8, 9, 12, 11], 8, 13, [0, 10]),  # 8 and 9 are shown before the key frame that they follow
        ([0, 4, 2, 12, 10, 14], 3, 15, [0, 10]),  # 12 is decoded before the key frame that it is shown after
        (PYRAMID, 10, 20, ()),  # an open GOP
    ):
        with pytest.raises(UncopiableError, match="no clean sync frame"):
            plan(order, first, end, fresh)


@pytest.mark.parametrize("order", [PYRAMID, PLAIN, [0, 8, 4, 2, 1, 3, 6, 5, 7], [100], [0, 1000, 10, 1001]])
def test_decoding_times_grow_and_are_never_later_than_the_frames_are_shown(order: list[int]) -> None:
    times = decoding_times(order, 1)
    assert all(earlier < later for earlier, later in pairwise(times))
    assert all(decoded <= shown for decoded, shown in zip(times, order, strict=True))
    assert len(times) == len(order)
