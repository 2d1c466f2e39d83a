"""Areas are as numbers of rows, and the rectangles fill the whole without lying on each other."""

from itertools import combinations

import pytest

from stages.core.report.charts.treemap import Tile, lay_out

COUNTS = [("Sports", "Football", 60), ("Sports", "Chess", 3), ("Food", "Soup", 25), ("", "–", 9), ("Food", "Cake", 3)]


def overlap(a: Tile, b: Tile) -> float:
    wide = min(a.left + a.width, b.left + b.width) - max(a.left, b.left)
    high = min(a.top + a.height, b.top + b.height) - max(a.top, b.top)
    return max(wide, 0.0) * max(high, 0.0)


@pytest.mark.parametrize("counts", [COUNTS, COUNTS[:1], [("", f"c{n}", n * n) for n in range(60)]])
def test_areas_are_as_rows_and_fill_the_whole(counts: list[tuple[str, str, int]]) -> None:
    tiles = lay_out(counts)
    total = sum(rows for _, _, rows in counts)
    assert {(tile.group, tile.name): tile.width * tile.height / 100 for tile in tiles} == pytest.approx(
        {(group, name): 100 * rows / total for group, name, rows in counts if rows}
    )
    assert all(tile.left >= -1e-6 and tile.left + tile.width <= 100 + 1e-6 for tile in tiles)
    assert all(tile.top >= -1e-6 and tile.top + tile.height <= 100 + 1e-6 for tile in tiles)
    assert all(overlap(a, b) < 1e-6 for a, b in combinations(tiles, 2))


def test_those_of_a_group_share_a_colour() -> None:
    hues = {tile.name: tile.hue for tile in lay_out(COUNTS)}
    assert hues["Football"] == hues["Chess"]
    assert len({hues["Football"], hues["Soup"], hues["–"]}) == 3


def test_nothing_has_no_tiles() -> None:
    assert lay_out([]) == []
    assert lay_out([("", "none", 0)]) == []
