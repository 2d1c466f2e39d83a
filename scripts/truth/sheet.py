"""What textures are painted with: moods, palettes, noise, shapes at random places."""

import colorsys
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np

from scripts.truth.drawing.picture import Colour, Plane, yuv

WIDTH_PX, HEIGHT_PX = 3072, 1536
# hue, its spread, least and most saturation, least and most value; then the mean and deviation of luma
MOODS: dict[str, tuple[float, float, float, float, float, float, float, float]] = {
    "warm": (0.07, 0.06, 0.3, 0.8, 0.25, 0.95, 112, 36),
    "cold": (0.58, 0.07, 0.2, 0.7, 0.2, 0.9, 105, 34),
    "green": (0.28, 0.09, 0.2, 0.7, 0.2, 0.85, 108, 36),
    "grey": (0.5, 0.5, 0.0, 0.08, 0.1, 0.95, 115, 40),
    "vivid": (0.5, 0.5, 0.6, 1.0, 0.3, 1.0, 118, 45),
    "pastel": (0.5, 0.5, 0.1, 0.3, 0.7, 1.0, 172, 22),
    "bright": (0.55, 0.1, 0.0, 0.15, 0.8, 1.0, 205, 15),
    "dark": (0.6, 0.2, 0.1, 0.6, 0.05, 0.5, 38, 12),
    "flat": (0.1, 0.1, 0.1, 0.3, 0.4, 0.6, 120, 9),
}


@dataclass(frozen=True)
class Sheet:
    """Planes being painted, all of full size, with the palette and the source of chance."""

    planes: tuple[Plane, Plane, Plane]
    palette: list[Colour]
    rng: np.random.Generator

    def pick(self) -> Colour:
        """One of the palette's colours."""
        return self.palette[int(self.rng.integers(len(self.palette)))]

    def fill(self, rows: slice, columns: slice, colour: Colour) -> None:
        """Paints a rectangle."""
        for plane, value in zip(self.planes, colour, strict=True):
            plane[rows, columns] = value

    def colour(self, labels: np.ndarray, colours: list[Colour]) -> None:
        """Paints each pixel with the colour of its label."""
        table = np.asarray(colours, np.float32)
        for n, plane in enumerate(self.planes):
            plane[:] = table[labels, n]

    def blend(self, weight: Plane, colour: Colour) -> None:
        """Goes towards a colour by a weight of 0 to 1 for each pixel."""
        for plane, value in zip(self.planes, colour, strict=True):
            plane[:] += weight * (np.float32(value) - plane)

    def shade(self, factor: Plane) -> None:
        """Multiplies the light."""
        for plane, zero in zip(self.planes, (16, 128, 128), strict=True):
            plane[:] = (plane - zero) * factor + zero


@cache
def bank(beta: float, member: int) -> Plane:
    """Periodic noise whose amplitude falls as frequency ** -beta, of mean 0 and deviation 1."""
    rng = np.random.default_rng([member, round(beta * 100), 5])
    rows = np.fft.fftfreq(HEIGHT_PX)[:, None] * HEIGHT_PX
    columns = np.fft.rfftfreq(WIDTH_PX)[None] * WIDTH_PX
    away = (4 * rows**2 + columns**2).astype(np.float32)
    away[0, 0] = np.inf
    spectrum = rng.standard_normal((*away.shape, 2), np.float32).view(np.complex64)[..., 0]
    spectrum *= away ** np.float32(-beta / 2)
    field: Plane = np.fft.irfft2(spectrum, s=(HEIGHT_PX, WIDTH_PX)).astype(np.float32, copy=False)
    field /= field.std()
    return field


def noise(rng: np.random.Generator, beta: float) -> Plane:
    """Noise out of the bank (so keep to few betas: each costs 40 MB), turned over and moved by chance."""
    field = bank(beta, int(rng.integers(2)))[:: int(rng.choice([-1, 1])), :: int(rng.choice([-1, 1]))]
    return np.roll(field, (int(rng.integers(HEIGHT_PX)), int(rng.integers(WIDTH_PX))), (0, 1))


def palette(mood: str, seed: int) -> list[Colour]:
    """Eight colours of a mood; the seed moves them a little."""
    hue, spread, low, high, dim, lit = MOODS[mood][:6]
    rng = np.random.default_rng([sum(map(ord, mood)), seed])
    hues, saturations, values = (
        hue + spread * rng.uniform(-1, 1, 8),
        0.6 * rng.uniform(low, high, 8),
        np.linspace(dim, lit, 8),
    )
    return [yuv(*colorsys.hsv_to_rgb(h % 1, s, v)) for h, s, v in zip(hues, saturations, values, strict=True)]


@lru_cache(512)
def blob(form: int, radius_px: int, turn: int) -> np.ndarray:
    """Mask of a disc, ellipse, box or diamond-like leaf, turned by turn quarters of a half circle."""
    span = np.arange(-radius_px, radius_px + 1, dtype=np.float32) / radius_px
    x, y = span[None], span[:, None]
    angle = np.float32(turn * np.pi / 4 + 0.3)
    a, b = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    forms = (
        x * x + y * y,
        a * a + 5 * b * b,
        2 * np.maximum(np.abs(a), 2 * np.abs(b)) ** 2,
        np.abs(a) + 2.5 * np.abs(b),
    )
    return np.asarray(forms[form] < 1)


def strewn(sheet: Sheet, labels: np.ndarray, count: int, radii_px: tuple[int, int], colours: int) -> None:
    """Lets leaves fall on the labels, small ones more often: density of radii as r ** -2.5."""
    low, high = radii_px
    sizes = (low**-1.5 + sheet.rng.random(count) * (high**-1.5 - low**-1.5)) ** (-1 / 1.5)
    for size in sizes:
        radius = max(int(low * 1.25 ** round(np.log(size / low) / np.log(1.25))), 2)
        mask = blob(int(sheet.rng.integers(4)), radius, int(sheet.rng.integers(4)))
        row, column = int(sheet.rng.integers(HEIGHT_PX)), int(sheet.rng.integers(WIDTH_PX))
        value = int(sheet.rng.integers(colours))
        for r in {row, row - HEIGHT_PX if row + len(mask) > HEIGHT_PX else row}:
            for c in {column, column - WIDTH_PX if column + len(mask) > WIDTH_PX else column}:
                under = labels[max(r, 0) : r + len(mask), max(c, 0) : c + len(mask)]
                top, left = max(-r, 0), max(-c, 0)
                under[mask[top : top + under.shape[0], left : left + under.shape[1]]] = value


def many(sheet: Sheet, count: int) -> list[Colour]:
    """Colours between the palette's own."""
    picks = [(sheet.pick(), sheet.pick(), float(sheet.rng.random())) for _ in range(count)]
    return [(a[0] + w * (b[0] - a[0]), a[1] + w * (b[1] - a[1]), a[2] + w * (b[2] - a[2])) for a, b, w in picks]


def ramp(sheet: Sheet, count: int) -> list[Colour]:
    """Colours that run smoothly through four of the palette."""
    ends, at = np.asarray([sheet.pick() for _ in range(4)]), np.linspace(0, 3, count)
    y, u, v = (np.interp(at, range(4), channel).tolist() for channel in ends.T)
    return list(zip(y, u, v, strict=True))
