"""Textures of the canvases: one painter for each kind."""

from collections.abc import Callable

import numpy as np

from scripts.truth.drawing.picture import Plane, writing
from scripts.truth.sheet import HEIGHT_PX, WIDTH_PX, Sheet, many, noise, ramp, strewn

ALL = slice(None)


def down() -> Plane:
    """A column that grows from 0 at the canvas's top to 1 at its bottom."""
    return np.linspace(0, 1, HEIGHT_PX, dtype=np.float32)[:, None]


def leaves(sheet: Sheet) -> None:
    """Dead leaves: shapes of all sizes that occlude each other, with the statistics of natural images."""
    labels = np.zeros((HEIGHT_PX, WIDTH_PX), np.uint8)
    strewn(sheet, labels, 260, (90, 420), 64)
    strewn(sheet, labels, 2200, (9, 160), 64)
    sheet.colour(labels, many(sheet, 64))
    sheet.shade(1 + 0.13 * noise(sheet.rng, 1.0))


def clouds(sheet: Sheet) -> None:
    """1/f noise through the palette: stone, cloth, foliage out of focus."""
    levels = np.clip((noise(sheet.rng, 1.4) + 2.2) / 4.4, 0, 1) * 63
    sheet.colour(levels.astype(np.uint8), ramp(sheet, 64))
    sheet.shade(1 + 0.1 * noise(sheet.rng, 0.75))


def sky(sheet: Sheet) -> None:
    """A smooth sky with faint clouds above hills."""
    light, deep, ground = sheet.palette[-1], sheet.palette[4], sheet.palette[1]
    sheet.fill(ALL, ALL, deep)
    sheet.blend(np.broadcast_to(down(), (HEIGHT_PX, WIDTH_PX)), light)
    sheet.blend(np.clip(noise(sheet.rng, 2.0) * 0.25 - 0.1, 0, 0.5), light)
    hills = np.zeros((HEIGHT_PX, WIDTH_PX), np.float32)
    for far in (0.5, 0.62, 0.76):
        crest = far + 0.04 * noise(sheet.rng, 1.4)[:1]
        hills = np.where(down() > crest, np.float32(far), hills)
    sheet.blend(hills, ground)
    sheet.shade(1 + 0.14 * noise(sheet.rng, 0.75) * (hills > 0))


def city(sheet: Sheet) -> None:
    """Houses with windows, far ones behind near ones."""
    sheet.fill(ALL, ALL, sheet.palette[5])
    sheet.blend(np.broadcast_to(down(), (HEIGHT_PX, WIDTH_PX)), sheet.palette[7])
    for depth in (0, 1, 2):
        x = 0
        while x < WIDTH_PX - 90:
            wide, step = int(sheet.rng.integers(90, 330)), int(sheet.rng.integers(22, 52))
            roof = int(sheet.rng.uniform(0.08 + 0.16 * depth, 0.4 + 0.2 * depth) * HEIGHT_PX)
            wall, pane = sheet.pick(), sheet.pick()
            sheet.fill(slice(roof, None), slice(x, x + wide), wall)
            for top in range(roof + step // 2, HEIGHT_PX - step, step):
                for left in range(x + step // 3, min(x + wide, WIDTH_PX) - step, step):
                    lit = pane if sheet.rng.random() < 0.8 else sheet.palette[7]
                    sheet.fill(slice(top, top + step // 2), slice(left, left + step // 2), lit)
            x += wide + int(sheet.rng.integers(0, 60))
    sheet.shade(1 + 0.07 * noise(sheet.rng, 1.0))


def room(sheet: Sheet) -> None:
    """Smooth walls with some large plain things: little texture."""
    sheet.fill(ALL, ALL, sheet.palette[5])
    sheet.fill(slice(1050, None), ALL, sheet.palette[2])
    for _ in range(34):
        wide, high = (int(n) for n in sheet.rng.integers(60, 420, 2))
        left, top = int(sheet.rng.integers(WIDTH_PX)), int(sheet.rng.integers(100, HEIGHT_PX - 100))
        sheet.fill(slice(top, top + high), slice(left, left + wide), sheet.pick())
        sheet.fill(slice(top + 12, top + high - 12), slice(left + 12, left + wide - 12), sheet.pick())
    sheet.shade(1 + 0.12 * noise(sheet.rng, 2.0) + 0.02 * noise(sheet.rng, 0.75))


def forest(sheet: Sheet) -> None:
    """Trunks before foliage: many similar vertical edges."""
    clouds(sheet)
    for depth in np.sort(sheet.rng.uniform(0.2, 1, 70)):
        wide, left, bark = int(90 * depth), int(sheet.rng.integers(WIDTH_PX - 90)), sheet.pick()
        round_off = np.sin(np.linspace(0.3, 2.9, wide, dtype=np.float32))[None] * np.float32(0.5 + 0.5 * depth)
        foot = int(HEIGHT_PX * (0.6 + 0.4 * depth))
        for plane, zero, value in zip(sheet.planes, (16, 128, 128), bark, strict=True):
            plane[:foot, left : left + wide] = zero + (value - zero) * round_off
    sheet.shade(1 + 0.2 * noise(sheet.rng, 0.75))


def night(sheet: Sheet) -> None:
    """Lamps in the dark."""
    sheet.fill(ALL, ALL, sheet.palette[0])
    sheet.blend(np.clip(0.25 + 0.15 * noise(sheet.rng, 1.4), 0, 1), sheet.palette[2])
    for _ in range(170):
        radius, lamp = int(8 + 60 * sheet.rng.random() ** 4), sheet.palette[int(sheet.rng.integers(5, 8))]
        row, column = int(sheet.rng.integers(HEIGHT_PX - 4 * radius)), int(sheet.rng.integers(WIDTH_PX - 4 * radius))
        span = np.linspace(-2.2, 2.2, 4 * radius, dtype=np.float32)
        glow = np.exp(-(span[:, None] ** 2) - span[None] ** 2) * np.float32(sheet.rng.uniform(0.4, 1))
        for plane, value in zip(sheet.planes, lamp, strict=True):
            there = plane[row : row + 4 * radius, column : column + 4 * radius]
            there += glow * (np.float32(value) - there)


def page(sheet: Sheet) -> None:
    """Slides of white with lines of letters, a heading and a picture."""
    paper, ink = sheet.palette[7], sheet.palette[0]
    sheet.fill(ALL, ALL, paper)
    for left in range(0, WIDTH_PX, 1024):
        for top in range(0, HEIGHT_PX, 768):
            line = top + 60
            for dot_px, letters, lines in ((9, 15, 1), (5, 27, int(sheet.rng.integers(3, 9)))):
                for _ in range(lines):
                    text = writing(int(sheet.rng.integers(1 << 30)), letters, dot_px)
                    for plane, value in zip(sheet.planes, ink, strict=True):
                        there = plane[line : line + len(text), left + 60 : left + 60 + text.shape[1]]
                        there += text * (np.float32(value) - there)
                    line += len(text) + 18
            if line < top + 560:
                across = slice(left + 60, left + int(sheet.rng.integers(300, 960)))
                sheet.fill(slice(line + 20, top + 730), across, sheet.pick())


def bricks(sheet: Sheet) -> None:
    """A pattern that repeats: walls and tiles."""
    high, wide = int(sheet.rng.choice([48, 64, 96])), int(sheet.rng.choice([96, 128, 192]))
    rows, columns = (
        np.arange(HEIGHT_PX) // high,
        np.arange(WIDTH_PX)[None] + (np.arange(HEIGHT_PX)[:, None] // high % 2) * wide // 2,
    )
    ids = (rows[:, None] * 31 + columns // wide % (WIDTH_PX // wide) * 17) % 61
    sheet.colour(sheet.rng.permutation(61)[ids] % 24, many(sheet, 24))
    mortar = (np.arange(HEIGHT_PX)[:, None] % high < 6) | (columns % wide < 6)
    sheet.blend(mortar.astype(np.float32), sheet.palette[6])
    sheet.shade(1 + 0.1 * noise(sheet.rng, 1.0))


def bokeh(sheet: Sheet) -> None:
    """A defocused background: broad soft discs."""
    sheet.colour(np.clip((noise(sheet.rng, 2.0) + 2) * 64, 0, 255).astype(np.uint8), ramp(sheet, 256))
    for _ in range(60):
        radius, lamp, strength = int(sheet.rng.integers(40, 150)), sheet.pick(), float(sheet.rng.uniform(0.1, 0.5))
        row, column = int(sheet.rng.integers(HEIGHT_PX - 2 * radius)), int(sheet.rng.integers(WIDTH_PX - 2 * radius))
        span = np.linspace(-1, 1, 2 * radius, dtype=np.float32)
        disc = np.clip((1 - np.hypot(span[:, None], span[None])) * 6, 0, 1) * np.float32(strength)
        for plane, value in zip(sheet.planes, lamp, strict=True):
            there = plane[row : row + 2 * radius, column : column + 2 * radius]
            there += disc * (np.float32(value) - there)


def grass(sheet: Sheet) -> None:
    """Fine texture everywhere, no large shape: lawns, gravel, the sea from above."""
    sheet.colour(np.clip((noise(sheet.rng, 0.75) + 2.5) * 51, 0, 255).astype(np.uint8), ramp(sheet, 256))
    sheet.shade(1 + 0.1 * noise(sheet.rng, 1.4))


KINDS: dict[str, Callable[[Sheet], None]] = {
    painter.__name__: painter
    for painter in (leaves, clouds, sky, city, room, forest, night, page, bricks, bokeh, grass)
}
