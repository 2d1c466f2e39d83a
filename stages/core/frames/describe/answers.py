"""What Florence-2 answers, read: text with places in it, `a red car<loc_52><loc_334><loc_932><loc_774>`.

A place is one of 1,000 equal steps along the width or the height; four make a box, eight the corners of a text.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from PIL import Image, ImageDraw

from stages.core.schema.types import Row

STEPS = 1000  # along each side
FINEST_PX = 512  # the longer side of the raster on which areas are counted


class Part(NamedTuple):
    """Some text, and the places that follow it."""

    text: str
    places: list[int]


class Answer(NamedTuple):
    """The answer to one task; `cut_short`: it ran into the most tokens that it may have."""

    parts: list[Part]
    cut_short: bool

    @property
    def text(self) -> str:
        return "".join(part.text for part in self.parts).strip()


def read_regions(answer: Answer, width_px: int, height_px: int) -> list[Row]:
    """Labels with their boxes: left, top, right, bottom, in whole pixels. A box that was cut off is left out."""
    return [{"label": label, "box": box} for label, box in _shapes(answer, 4, width_px, height_px) if label]


def read_texts(answer: Answer, width_px: int, height_px: int) -> list[Row]:
    """Texts with their corners: x and y in turn, in whole pixels. A text that was cut off is left out."""
    shapes = _shapes(answer, 8, width_px, height_px)
    return [{"text": text, "corners": corners, "confidence": None} for text, corners in shapes if text]


def _shapes(answer: Answer, size: int, width_px: int, height_px: int) -> Iterator[tuple[str, list[int]]]:
    """Each text with every `size` places behind it, as pixels: the middles of their steps, rounded down."""
    sides_px = (width_px, height_px) * (size // 2)
    for text, places in answer.parts:
        for at in range(0, len(places) - size + 1, size):
            shape = zip(places[at : at + size], sides_px, strict=True)
            yield text.strip(), [int((place + 0.5) * side_px / STEPS) for place, side_px in shape]


def share_covered(shapes: Sequence[Sequence[int]], width_px: int, height_px: int) -> float:
    """Share of a picture that lies under these polygons (x and y in turn, in pixels), 0 to 1; overlaps count once."""
    scale = min(1.0, FINEST_PX / max(width_px, height_px))
    raster = Image.new("L", (max(1, round(width_px * scale)), max(1, round(height_px * scale))))
    drawing = ImageDraw.Draw(raster)
    for shape in shapes:
        drawing.polygon([value * scale for value in shape], fill=1)
    return raster.histogram()[1] / (raster.width * raster.height)
