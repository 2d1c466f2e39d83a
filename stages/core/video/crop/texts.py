"""Finds the lines of text that stay where they are, by the boxes that OCR gave in a clip's frames."""

from collections.abc import Sequence

from stages.core.video.crop.box import Box

SAME = 0.5  # share of the smaller of two boxes that lies in the other: then they are one line, whatever it says
OFTEN = 0.5  # share of the frames that must have it, and two at least


def find_lines(frames: Sequence[Sequence[Box]]) -> list[Box]:
    """The boxes of texts of which at least half the frames have one in the same place; `frames` has those of each.

    Subtitles change with every line and stay in their place; what a moving camera passes does not.
    """
    found = []
    for own in frames:
        for box in own:
            having = sum(any(is_same(box, other) for other in others) for others in frames)
            if having >= max(2, OFTEN * len(frames)):
                found.append(box)
    return found


def is_same(one: Box, other: Box) -> bool:
    smaller = min(one.area, other.area)
    return smaller > 0 and one.common(other).area >= SAME * smaller
