"""Hashes of what the picture looks like, all along a video, by which copies of it are found again."""

from array import array
from collections.abc import Mapping, Sequence
from functools import cache
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.core.schema.video import HASH_VERSION
from stages.core.video.measure.match import deviation
from stages.core.video.measure.shots import Shot
from stages.core.video.measure.signals import Samples
from stages.core.video.read.frames import BLACK, WHITE, Image, Small

EVERY_S = 0.5
SOONEST_S, CHANGED = 0.1, 8  # but so soon where more bits have changed
LEVELS = 4  # of 255
SAME_S = 0.001  # times that differ by less are equal: containers round to milliseconds
AFTER_CUT_S = 0.1  # encoders blur the first frame of a shot, and detectors may be a frame off


class Hashed(NamedTuple):
    """A moment's hash, and the standard deviation of its brightness, 0 to 0.5: plain pictures have hashes by chance."""

    time_s: float
    hash: int
    contrast: float
    version: int


class HashMeter:
    """A Meter that hashes every frame; `choose` gives those of some moments.

    The moments count from the start of each shot: so a cut-out of a film has, from its first cut on, the hashes of the
    very same frames. A frame takes 12 bytes, and its hash about a hundredth of its decoding.
    """

    def __init__(self, shots: Sequence[Shot]) -> None:
        self._shots = shots
        self._hashes = array("Q")
        self._contrasts = array("f")

    def add(self, number: int, time_s: float, small: Small) -> None:
        self._hashes.append(difference_hash(small.luma))
        self._contrasts.append(contrast(small.luma))

    def finish(self, end_s: float) -> None:
        pass

    def signals(self) -> Mapping[str, Samples]:
        return {}

    def choose(self, times_s: Sequence[float]) -> list[dict[str, object]]:
        """The rows of HASHES without the video's id; `times_s` are those of the decoded frames."""
        at_s = np.asarray(times_s, dtype=np.float64)
        hashes = np.asarray(self._hashes, dtype=np.uint64)
        frames = [frame for shot in self._shots for frame in moments(at_s, hashes, shot)]
        return [Hashed(float(at_s[n]), self._hashes[n], self._contrasts[n], HASH_VERSION)._asdict() for n in frames]


def moments(at_s: NDArray[np.float64], hashes: NDArray[np.uint64], shot: Shot) -> list[int]:
    """Frames of a shot: the first at or after AFTER_CUT_S from its start, then one every EVERY_S.

    Sooner, after SOONEST_S, where the hash has changed by more than CHANGED bits: so that a copy whose moments lie
    between these still finds its like. Of a shorter shot, its middle frame. `at_s` are the times of all frames.
    """
    first = int(np.searchsorted(at_s[: shot.end], at_s[shot.start] + AFTER_CUT_S - SAME_S))
    if first >= shot.end:
        return [(shot.start + shot.end) // 2]
    chosen = [first]
    while True:
        last = chosen[-1]
        soon, late = np.searchsorted(at_s[: shot.end], at_s[last] + np.array([SOONEST_S, EVERY_S]) - SAME_S)
        changed = np.flatnonzero(np.bitwise_count(hashes[soon:late] ^ hashes[last]) > CHANGED)
        found = int(soon + changed[0]) if len(changed) else int(late)
        if found >= shot.end:
            return chosen
        chosen.append(found)


def difference_hash(luma: Image) -> int:
    """A perceptual hash of 64 bits: whether each of 8 x 8 parts of the picture is brighter than its left neighbour.

    dHash (Krawetz 2013, "Kind of like that"), of means over the parts, row by row from the highest bit. Brighter is by
    more than LEVELS, so that bits of even areas are 0 and not by chance: in a dark film that is made darker still they
    stay, where else half of them change. Measured on encoded films, bits of 64 that change: 1 by crf 35, 3 by 5 % of
    the picture cropped on all sides together, 7 if it is cropped at one corner, 3 by a logo over 2 % of the picture,
    which changes the parts that it covers: of a hash by frequencies (pHash) it changes 14. Unrelated pictures: 28.
    """
    down, across = (overlaps(size, parts) for size, parts in zip(luma.shape, (8, 9), strict=True))
    sums = down @ luma.astype(np.float64) @ across.T  # whole numbers, so exact; INTER_AREA takes five times as long
    brighter = sums[:, 1:] > sums[:, :-1] + LEVELS * luma.size
    return int.from_bytes(np.packbits(brighter).tobytes(), "big")


@cache
def overlaps(size: int, parts: int) -> NDArray[np.float64]:
    """How much of each of `size` pixels in a row lies in each of so many equal parts of it, in `parts`ths of a pixel.

    float64 [parts, size], whole numbers; a part has `size` of them.
    """
    ends = np.arange(parts + 1)[:, None] * size
    first = np.arange(size) * parts
    both = np.minimum(ends[1:], first + parts) - np.maximum(ends[:-1], first)
    return np.asarray(np.maximum(0, both), dtype=np.float64)


def contrast(luma: Image) -> float:
    """Standard deviation of the brightness of 16 x 16 parts of the picture, 0 to 0.5."""
    parts = np.asarray(cv2.resize(luma, (16, 16), interpolation=cv2.INTER_AREA), dtype=np.uint8)
    return deviation(parts) / (WHITE - BLACK)
