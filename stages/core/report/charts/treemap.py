"""A treemap: rectangles whose areas are as numbers of rows, those of a group side by side.

Squarified as Bruls, Huizing and van Wijk describe it (Squarified Treemaps, 2000): a row of rectangles takes one more as
long as that makes its worst shape no worse.
"""

from collections.abc import Sequence
from typing import NamedTuple

HUES = 9  # of groups, in turn
ASPECT, LOW_ASPECT = 3.0, 9.0  # width by height of the whole, and of one …
FEW = 4  # … with so few rectangles


class Tile(NamedTuple):
    """A rectangle, in percent of the whole."""

    group: str
    name: str
    rows: int
    hue: int
    left: float
    top: float
    width: float
    height: float


def lay_out(counts: Sequence[tuple[str, str, int]]) -> list[Tile]:
    """Tiles of (group, name, rows), the largest first; those without rows are left out."""
    groups: dict[str, list[tuple[str, str, int]]] = {}
    for one in counts:
        if one[2] > 0:
            groups.setdefault(one[0], []).append(one)
    aspect = choose_aspect(counts)
    ordered = sorted(groups.items(), key=lambda item: (-sum(rows for _, _, rows in item[1]), item[0]))
    places = squarify([sum(rows for _, _, rows in own) for _, own in ordered], 0, 0, 100 * aspect, 100)
    tiles = []
    for number, ((group, own), box) in enumerate(zip(ordered, places, strict=True)):
        largest_first = sorted(own, key=lambda one: (-one[2], one[1]))
        inner = squarify([rows for _, _, rows in largest_first], *box)
        for (_, name, rows), (left, top, width, height) in zip(largest_first, inner, strict=True):
            tiles.append(Tile(group, name, rows, number % HUES, left / aspect, top, width / aspect, height))
    return tiles


def choose_aspect(counts: Sequence[tuple[str, str, int]]) -> float:
    """Width by height of the treemap of these."""
    return LOW_ASPECT if len(counts) <= FEW else ASPECT


Box = tuple[float, float, float, float]


def squarify(sizes: Sequence[float], left: float, top: float, width: float, height: float) -> list[Box]:
    """A box each, left to right or top to bottom along the shorter side, of sizes in falling order."""
    boxes: list[Box] = []
    rest = [float(size) for size in sizes]
    while rest:
        scale = width * height / sum(rest)
        side = min(width, height)
        number = 1
        while number < len(rest) and worst(rest[: number + 1], scale, side) <= worst(rest[:number], scale, side):
            number += 1
        row, rest = rest[:number], rest[number:]
        depth = sum(row) * scale / side
        along = 0.0
        for size in row:
            length = size * scale / depth
            tall = width > height
            boxes.append((left, top + along, depth, length) if tall else (left + along, top, length, depth))
            along += length
        if width > height:
            left, width = left + depth, width - depth
        else:
            top, height = top + depth, height - depth
    return boxes


def worst(row: Sequence[float], scale: float, side: float) -> float:
    """The largest ratio of long to short side in a row of boxes along a side."""
    depth = sum(row) * scale / side
    return max(max(size * scale / depth / depth, depth * depth / (size * scale)) for size in row)
