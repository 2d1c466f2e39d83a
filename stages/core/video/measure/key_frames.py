"""Picks key frames of every shot and codes them as JPEG, in a pass in which a shot's borders become known later."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import cv2
import numpy as np

from stages.core.video.measure.cuts import CandidateDetector
from stages.core.video.measure.settings import Pictures
from stages.core.video.measure.shots import Shot
from stages.core.video.measure.signals import Samples
from stages.core.video.read.frames import (
    BT601,
    BT709,
    BT2020,
    Image,
    Planes,
    Small,
    copy_small,
    orient,
    resize,
    square_px,
    to_eight_bits,
)
from stages.core.video.read.tone import show_bgr

EVERY_S = 0.25  # a frame is kept this often, beside those around possible cuts
MOST_CANDIDATES = 128  # pictures kept around possible cuts, 0.8 MB each; only noise and strobes reach this
HASH_PX = 32  # sides of the picture that is hashed

Held = tuple[int, float, Planes]  # number, seconds, and the frame as it is stored


class Picture(NamedTuple):
    """A kept frame, scaled down, with its number and time."""

    number: int
    time_s: float
    planes: Planes


class KeyFrame(NamedTuple):
    """One picture of a shot, counted from 0; `position` is first, middle, last, or even (one of n evenly spaced)."""

    shot: int
    position: str
    time_s: float
    width_px: int
    height_px: int
    jpeg: bytes


class KeyFrames:
    """A Meter that hands each key frame to `take`, and has a perceptual hash of each shot's middle in `hashes`.

    `shots` is the list of shots, which grows meanwhile; the end of a shot is in it `horizon` frames later. Memory is
    bounded for any length: kept are the frames on both sides of possible cuts, and one every EVERY_S. When many of the
    latter are older than `horizon`, every second one is dropped; so a middle is off by an eighth of the shot at most.
    """

    def __init__(
        self, how: Pictures, fps: float, shots: Sequence[Shot], horizon: int, take: Callable[[KeyFrame], object]
    ) -> None:
        self._how = how
        self._candidates = CandidateDetector(fps)
        self._shots = shots
        self._horizon = horizon
        self._most = max(8, 4 * how.even)
        self._last: Held | None = None
        self._borders: list[Picture] = []
        self._spaced: list[Picture] = []
        self._every_s = EVERY_S
        self._take = take
        self.hashes: list[int] = []

    def add(self, number: int, time_s: float, small: Small) -> None:
        """Holds the frame, with the decoder's memory of it, until the next one comes."""
        last, self._last = self._last, (number, time_s, small.native)
        if self._candidates.add(small.luma) and last is not None:
            self._keep_around(last, self._last)
        if not self._spaced or time_s - self._spaced[-1].time_s >= EVERY_S - 1e-6:
            self._spaced.append(self._make_picture(*self._last))
            self._thin(number - self._horizon)
        self._close_shots()

    def _keep_around(self, last: Held, first: Held) -> None:
        """Keeps the last frame before a possible cut and the first after it; forgets those that were not cuts."""
        before = first[0] - self._horizon
        kept = [p for n, p in enumerate(self._borders) if n == 0 or p.number >= before]  # the shot's first frame stays
        if len(kept) >= MOST_CANDIDATES:
            kept = [kept[0], *kept[1::2]]
        if not kept or kept[-1].number < last[0]:
            kept.append(self._make_picture(*last))
        self._borders = [*kept, self._make_picture(*first)]

    def finish(self, end_s: float) -> None:
        if self._last is not None:
            self._borders.append(self._make_picture(*self._last))  # the end of the last shot
        self._close_shots()

    def signals(self) -> Mapping[str, Samples]:
        return {}

    def _close_shots(self) -> None:
        """Hands over the key frames of the shots that have become known since the last call."""
        for shot in self._shots[len(self.hashes) :]:
            self._close(shot.start, shot.end)

    def _close(self, start: int, end: int) -> None:
        """Hands over the key frames of the shot of frames [start, end), and forgets all frames before `end`."""
        inside = {p.number: p for p in (*self._borders, *self._spaced) if start <= p.number < end}
        kept = [inside[number] for number in sorted(inside)] or [self._nearest(start)]
        first, last, shot = kept[0], kept[-1], len(self.hashes)
        positions = [("first", 0.0), ("middle", 0.5), ("last", 1.0)]
        positions += [("even", (n + 0.5) / self._how.even) for n in range(self._how.even)]
        for position, share in positions:
            at_s = first.time_s + share * (last.time_s - first.time_s)
            chosen = min(kept, key=lambda p: abs(p.time_s - at_s))
            if position == "middle":
                self.hashes.append(perceptual_hash(chosen.planes))
            bgr = to_bgr(chosen.planes, self._how.max_side_px)
            height_px, width_px = bgr.shape[:2]
            jpeg = encode_jpeg(bgr, self._how.quality)
            self._take(KeyFrame(shot, position, chosen.time_s, width_px, height_px, jpeg))
        self._borders = [p for p in self._borders if p.number >= end]
        self._spaced = [p for p in self._spaced if p.number >= end]
        self._every_s = EVERY_S

    def _nearest(self, number: int) -> Picture:
        """The kept picture nearest to a frame, for a shot between gradual transitions that is too short to have one."""
        return min((*self._borders, *self._spaced), key=lambda p: abs(p.number - number))

    def _make_picture(self, number: int, time_s: float, native: Planes) -> Picture:
        return Picture(number, time_s, copy_small(native, self._how.max_side_px))

    def _thin(self, before: int) -> None:
        """Drops every second one of the evenly spaced pictures before a frame when there are too many."""
        old = [p for p in self._spaced if p.number < before]
        recent = self._spaced[len(old) :]
        if len(old) > 2 * self._most:
            self._every_s *= 2
        kept: list[Picture] = []
        for one in old:
            if not kept or one.time_s - kept[-1].time_s >= self._every_s - 1e-6:
                kept.append(one)
        self._spaced = [*kept, *recent]


def to_bgr(planes: Planes, max_side_px: int) -> Image:
    """The picture as a viewer sees it, uint8 [height, width, 3] in B, G, R; its longer side is at most `max_side_px`.

    Its pixels are square, and high dynamic range is shown as BT.709. A smaller picture is not enlarged.
    """
    stored_high, stored_wide = planes.y.shape
    shown = square_px(stored_wide, stored_high, planes.orientation.sar)
    scale = min(1.0, max_side_px / max(shown))
    width_px, height_px = (max(1, round(side * scale)) for side in shown)
    merged = cv2.merge([to_eight_bits(resize(plane, width_px, height_px), planes.bits) for plane in planes.samples])
    luma, chroma, black = (1, 1, 0) if planes.full_range else (255 / 219, 255 / 224, 16)
    matrix = (BT2020 if planes.hdr else BT709 if planes.bt709 else BT601) * (luma, chroma, chroma)
    offsets = -matrix @ (black, 128, 128)
    bgr = cv2.transform(merged, np.column_stack([matrix, offsets]).astype(np.float32))
    picture = np.asarray(bgr, dtype=np.uint8)
    return orient(show_bgr(picture, planes.hdr) if planes.hdr else picture, planes.orientation)


def encode_jpeg(bgr: Image, quality: int) -> bytes:
    """The bytes of a JPEG file; `bgr` is uint8 [height, width, 3] in B, G, R, `quality` 1 to 100."""
    done, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise RuntimeError("OpenCV could not write a JPEG")
    return data.tobytes()


def perceptual_hash(planes: Planes) -> int:
    """A perceptual hash (pHash) of 64 bits, which hardly changes when the picture is scaled, recoded or brightened.

    Each bit says whether one of the 8 x 8 lowest frequencies of a cosine transform of 32 x 32 luma samples is above
    their median (Zauner 2010, "Implementation and benchmarking of perceptual image hash functions"). Equal pictures
    differ in 0 bits, unrelated ones in about 32.
    """
    grey = orient(to_eight_bits(resize(planes.y, HASH_PX, HASH_PX), planes.bits), planes.orientation)
    low = cv2.dct(grey.astype(np.float32))[:8, :8].ravel()
    bits = low > np.median(low[1:])
    return int.from_bytes(np.packbits(bits).tobytes(), "big")
