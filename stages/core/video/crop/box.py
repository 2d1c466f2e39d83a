"""Boxes in a picture, and the largest one that holds none of others."""

from collections.abc import Sequence
from itertools import product
from math import ceil, floor
from typing import NamedTuple


class Box(NamedTuple):
    """Pixels or shares of a picture: from `left` to `right` and from `top` down to `bottom`, the ends left out."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def area(self) -> float:
        return max(0.0, self.right - self.left) * max(0.0, self.bottom - self.top)

    def common(self, other: "Box") -> "Box":
        """What both have in common; its area is 0 where that is nothing."""
        return Box(
            max(self.left, other.left),
            max(self.top, other.top),
            min(self.right, other.right),
            min(self.bottom, other.bottom),
        )

    def scaled(self, across: float, down: float) -> "Box":
        return Box(self.left * across, self.top * down, self.right * across, self.bottom * down)

    def lies_near_edge(self, whole: "Box", share: float) -> bool:
        """Whether it lies within `share` of the width or height of `whole` from one of the edges of that."""
        wide, high = share * (whole.right - whole.left), share * (whole.bottom - whole.top)
        return (
            self.right <= whole.left + wide
            or self.left >= whole.right - wide
            or self.bottom <= whole.top + high
            or self.top >= whole.bottom - high
        )


def largest_without(whole: Box, taken: Sequence[Box]) -> Box:
    """The largest box inside `whole` that has nothing in common with the boxes of `taken`; the first of equal ones.

    Each of its sides is one of `whole` or of a taken box, so all such boxes are tried.
    """
    lefts = sorted({whole.left, *(box.right for box in taken if whole.left < box.right < whole.right)})
    rights = sorted({whole.right, *(box.left for box in taken if whole.left < box.left < whole.right)}, reverse=True)
    tops = sorted({whole.top, *(box.bottom for box in taken if whole.top < box.bottom < whole.bottom)})
    bottoms = sorted({whole.bottom, *(box.top for box in taken if whole.top < box.top < whole.bottom)}, reverse=True)
    best = Box(whole.left, whole.top, whole.left, whole.top)
    for sides in product(lefts, tops, rights, bottoms):
        box = Box(*sides)
        if box.area > best.area and not any(box.common(other).area > 0 for other in taken):
            best = box
    return best


def even(box: Box) -> tuple[int, int, int, int]:
    """Left, top, width and height in whole even pixels: the largest such box inside this one."""
    left, top = (2 * ceil(side / 2 - 1e-6) for side in box[:2])
    right, bottom = (2 * floor(side / 2 + 1e-6) for side in box[2:])
    return left, top, max(0, right - left), max(0, bottom - top)
