"""Measures the look of the picture, twice a second: brightness, contrast, colour, sharpness, black bars, combing."""

from collections.abc import Mapping
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.core.video.measure.signals import Samples, make_samples
from stages.core.video.read.frames import BLACK, WHITE, Image, Planes, Small, halve, to_eight_bits

DARK = BLACK + (WHITE - BLACK) // 10  # ffmpeg blackdetect's pix_th of 0.1
LIGHT = WHITE - (WHITE - BLACK) // 10
LEVELS = np.arange(256)
EVERY_S = 0.5
STRIP_PX = 64  # columns in the middle of the full picture that are checked for combing
COMB = 10  # levels by which a line of one field stands out from those of the other
COLOUR_PX = 64  # colour is measured at this width, or up to twice this
AT_ONCE = 24  # moments measured together: after a decode the caches are cold, one alone takes three times as long


class Look(NamedTuple):
    """One moment: luma, contrast, black and white from 0 to 1; sharpness and colour from 0 upwards.

    `luma` is the mean (0 black), `contrast` the standard deviation, `black` and `white` are shares of the picture,
    `sharpness` the variance of the Laplacian (Pech-Pacheco et al. 2000; it depends on the size, so compare one width
    only), `colour` the colourfulness of Hasler and Süsstrunk (2003), of which 15 is slight and 60 is much.
    """

    time_s: float
    luma: float
    contrast: float
    black: float
    white: float
    sharpness: float
    colour: float


class LookMeter:
    """A Meter of looks, in `samples`, twice a second, and of combing, once a second, in the full picture's lines."""

    def __init__(self) -> None:
        self._next_s = self._next_lines_s = float("-inf")
        self._rows: NDArray[np.float32] | None = None  # largest mean that each row and column has had
        self._columns: NDArray[np.float32] | None = None
        self._lines: list[bool] = []
        self._new: list[tuple[float, Image, tuple[Image, Image]]] = []  # time, luma, (Cb, Cr): not measured yet
        self._strips: list[NDArray[np.int16]] = []
        self.samples: list[Look] = []

    def add(self, number: int, time_s: float, small: Small) -> None:
        if time_s < self._next_s:
            return
        self._next_s = time_s + EVERY_S
        self._new.append((time_s, small.luma, small_chroma(small.native)))
        if time_s >= self._next_lines_s:
            self._next_lines_s = time_s + 1
            self._strips.append(strip(small.native))
        if len(self._new) == AT_ONCE:
            self._measure()

    def finish(self, end_s: float) -> None:
        self._measure()

    def signals(self) -> Mapping[str, Samples]:
        at_s = [one.time_s for one in self.samples]
        return {
            name: make_samples(at_s, at_s, [getattr(one, name) for one in self.samples]) for name in Look._fields[1:]
        }

    def _measure(self) -> None:
        for time_s, luma, chroma in self._new:
            self.samples.append(look(time_s, luma, chroma))
            rows, columns = profile(luma, 1), profile(luma, 0)
            self._rows = rows if self._rows is None else np.maximum(rows, self._rows)
            self._columns = columns if self._columns is None else np.maximum(columns, self._columns)
        self._lines += map(combed, self._strips)
        self._new.clear()
        self._strips.clear()

    def borders(self) -> tuple[float, float, float, float]:
        """Black bars at left, top, right and bottom in all frames, as shares of the width or height.

        All are 0 for a video that is black throughout.
        """
        assert self._rows is not None
        assert self._columns is not None
        left, right = _bars(self._columns)
        top, bottom = _bars(self._rows)
        return left, top, right, bottom

    def columns(self) -> dict[str, object]:
        """What it found of the whole video, as VIDEO and SKIM have it."""
        left, top, right, bottom = self.borders()
        borders = {"border_left": left, "border_top": top, "border_right": right, "border_bottom": bottom}
        return {**borders, "interlaced": self.interlaced()}

    def interlaced(self) -> float:
        """Share of the seconds with combing, 0 to 1: one frame made of two fields of different times."""
        return sum(self._lines) / max(1, len(self._lines))


def look(time_s: float, luma: Image, chroma: tuple[Image, Image]) -> Look:
    """The look of one frame: uint8 [height, width] luma, and Cb and Cr as `small_chroma` gives them."""
    counts = cv2.calcHist([luma], [0], None, [256], [0, 256]).ravel() / luma.size
    mean = float(counts @ LEVELS)
    deviation = max(0.0, float(counts @ np.square(LEVELS)) - mean**2) ** 0.5
    return Look(
        time_s,
        luma=min(1.0, max(0.0, (mean - BLACK) / (WHITE - BLACK))),
        contrast=deviation / (WHITE - BLACK),
        black=float(counts[: DARK + 1].sum()),
        white=float(counts[LIGHT:].sum()),
        sharpness=sharpness(luma),
        colour=colourfulness(*chroma),
    )


def profile(luma: Image, axis: int) -> NDArray[np.float32]:
    """The mean of each column (axis 0) or row (axis 1), float32 [width] or [height]."""
    return np.asarray(cv2.reduce(luma, axis, cv2.REDUCE_AVG, dtype=cv2.CV_32F), dtype=np.float32).ravel()


def sharpness(luma: Image) -> float:
    """The variance of the Laplacian."""
    _, deviation = cv2.meanStdDev(cv2.Laplacian(luma, cv2.CV_16S))
    return float(deviation[0, 0]) ** 2


def small_chroma(native: Planes) -> tuple[Image, Image]:
    """Copies of Cb and Cr, uint8, every second line, the longer side COLOUR_PX to twice that."""
    _, u, v = native.samples
    times = max(0, (max(u.shape) // COLOUR_PX).bit_length() - 1)
    u, v = (halve(plane[::2], times) if times else plane.copy() for plane in (u, v))
    return to_eight_bits(u, native.bits), to_eight_bits(v, native.bits)


def colourfulness(blue: Image, red: Image) -> float:
    """The colourfulness of Hasler and Süsstrunk, of Cb and Cr, taken as BT.601 in limited range.

    It needs no luma, on which the opponent colours R - G and (R + G) / 2 - B do not depend.
    """
    u, v = (255 / 224 * (plane.astype(np.float32) - 128) for plane in (blue, red))
    red_green = 2.116 * v + 0.344 * u
    yellow_blue = 0.344 * v - 1.944 * u
    spread = float(np.hypot(red_green.std(), yellow_blue.std()))
    return spread + 0.3 * float(np.hypot(red_green.mean(), yellow_blue.mean()))


def strip(native: Planes) -> NDArray[np.int16]:
    """The middle columns of the full picture, all lines, as 8-bit levels: int16 [height, STRIP_PX]."""
    left = max(0, (native.y.shape[1] - STRIP_PX) // 2)
    return (native.y[:, left : left + STRIP_PX] >> native.bits - 8).astype(np.int16)


def combed(lines: NDArray[np.int16]) -> bool:
    """Whether lines differ from both their neighbours much more than from the lines two away: int16 [height, width].

    Fine patterns differ at both distances, the fields of an interlaced picture only at one line.
    """
    near, far = _standing_out(lines, 1), _standing_out(lines, 2)
    return near > 4 * far + 0.005


def _standing_out(lines: NDArray[np.int16], distance: int) -> float:
    """Share of samples that are brighter, or darker, by COMB than both those `distance` lines above and below."""
    if len(lines) <= 2 * distance:
        return 0.0
    middle = lines[distance:-distance]
    above, below = middle - lines[: -2 * distance], middle - lines[2 * distance :]
    out = np.count_nonzero(np.minimum(above, below) > COMB) + np.count_nonzero(np.maximum(above, below) < -COMB)
    return float(out) / middle.size


def _bars(brightest: NDArray[np.float32]) -> tuple[float, float]:
    """Shares at both ends that were always black, by the largest means; 24 of 255 is ffmpeg cropdetect's limit."""
    lit = np.flatnonzero(brightest > 24)
    if not len(lit):
        return 0.0, 0.0
    return float(lit[0]) / len(brightest), float(len(brightest) - 1 - lit[-1]) / len(brightest)
