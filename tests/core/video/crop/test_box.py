"""Boxes: the largest one beside others, and even pixels."""

import random

import pytest

from stages.core.video.crop.box import Box, even, largest_without

WHOLE = Box(0, 0, 160, 90)


def test_a_box_in_a_corner_costs_the_strip_that_is_smaller() -> None:
    assert largest_without(WHOLE, [Box(140, 5, 158, 30)]) == Box(0, 0, 140, 90)
    assert largest_without(WHOLE, [Box(60, 2, 158, 10)]) == Box(0, 10, 160, 90)


def test_boxes_at_several_edges_are_all_left_out() -> None:
    taken = [Box(140, 5, 158, 20), Box(20, 75, 140, 88)]
    assert largest_without(WHOLE, taken) == Box(0, 0, 140, 75)
    assert largest_without(WHOLE, []) == WHOLE
    assert largest_without(WHOLE, [WHOLE]).area == 0


def test_no_larger_box_is_free() -> None:
    chance = random.Random(3)
    for _ in range(40):
        corners = [(chance.randrange(10), chance.randrange(8)) for _ in range(3)]
        taken = [Box(x, y, x + chance.randrange(1, 4), y + chance.randrange(1, 4)) for x, y in corners]
        whole = Box(0, 0, 12, 10)
        tried = [
            Box(left, top, right, bottom)
            for left in range(12)
            for right in range(left + 1, 13)
            for top in range(10)
            for bottom in range(top + 1, 11)
        ]
        free = [box for box in tried if not any(box.common(other).area > 0 for other in taken)]
        assert largest_without(whole, taken).area == max((box.area for box in free), default=0)


@pytest.mark.parametrize(
    ("box", "pixels"),
    [
        (Box(0, 0, 160, 90), (0, 0, 160, 90)),
        (Box(0.2, 1, 159.9, 89), (2, 2, 156, 86)),
        (Box(3.0000001, 4, 7, 5.9999999), (4, 4, 2, 2)),
        (Box(5, 5, 6, 6), (6, 6, 0, 0)),
    ],
)
def test_pixels_are_even_and_inside(box: Box, pixels: tuple[int, int, int, int]) -> None:
    assert even(box) == pixels


def test_only_what_lies_wholly_beside_an_edge_is_near_it() -> None:
    assert Box(2, 40, 30, 60).lies_near_edge(WHOLE, 0.25)
    assert Box(60, 70, 100, 88).lies_near_edge(WHOLE, 0.25)
    assert not Box(60, 30, 100, 60).lies_near_edge(WHOLE, 0.25)
    assert not Box(2, 2, 100, 60).lies_near_edge(WHOLE, 0.25)
