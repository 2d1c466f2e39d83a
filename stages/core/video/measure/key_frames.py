"""Pictures of every shot as JPEG, from a pass that learns of a shot's borders only later."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import cv2
import numpy as np

from stages.core.video.measure.cuts import Suspicion
from stages.core.video.measure.settings import Pictures
from stages.core.video.measure.shots import Shot
from stages.core.video.measure.signals import Samples
from stages.core.video.read.frames import Image, Planes, Small, eight_bits, fitted, picture, upright

EVERY_S = 0.25
MOST_SUSPECTS = 128  # pictures beside what may be cuts, 0.8 MB each; of films only noise and strobes have more at once
HASH_PX = 32

# B, G, R of Y, Cb, Cr, all from 0 to 1 and Cb, Cr around 0: ITU-R BT.709 and BT.601
BT709 = np.array(((1, 1.8556, 0), (1, -0.1873, -0.4681), (1, 0, 1.5748)))
BT601 = np.array(((1, 1.772, 0), (1, -0.3441, -0.7141), (1, 0, 1.402)))


Held = tuple[int, float, Planes]  # number, seconds, and the frame as it is stored


class Picture(NamedTuple):
    """A frame that is kept for a while."""

    number: int
    time_s: float
    planes: Planes


class KeyFrame(NamedTuple):
    """One picture of a shot; `position` is first, middle, last, or even (one of n evenly spaced)."""

    shot: int
    position: str
    time_s: float
    width_px: int
    height_px: int
    jpeg: bytes


class KeyFrames:
    """Feed it every frame in order, and the shots as they become known; it gives `take` each key frame of these.

    What it keeps is bounded whatever the length: the frames at both sides of what may be a cut, and one every quarter
    of a second. Of these every second one goes when many are older than `horizon` frames, after which a shot's end is
    known, so a middle is off by an eighth of the shot at most.
    """

    def __init__(
        self, how: Pictures, fps: float, shots: Sequence[Shot], horizon: int, take: Callable[[KeyFrame], object]
    ) -> None:
        self._how = how
        self._suspicion = Suspicion(fps)
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
        """The frame is held until the next one comes."""
        last, self._last = self._last, (number, time_s, small.native)
        if self._suspicion.add(small.luma) and last is not None:
            self._suspect(last, self._last)
        if not self._spaced or time_s - self._spaced[-1].time_s >= EVERY_S - 1e-6:
            self._spaced.append(self._made(*self._last))
            self._thin(number - self._horizon)
        self._close_shots()

    def _suspect(self, last: Held, first: Held) -> None:
        """Keeps the last frame before what may be a cut, and the first after it; older ones were no borders."""
        before = first[0] - self._horizon
        kept = [p for n, p in enumerate(self._borders) if n == 0 or p.number >= before]  # the shot's first stays
        if len(kept) >= MOST_SUSPECTS:
            kept = [kept[0], *kept[1::2]]
        if not kept or kept[-1].number < last[0]:
            kept.append(self._made(*last))
        self._borders = [*kept, self._made(*first)]

    def finish(self, end_s: float) -> None:
        if self._last is not None:
            self._borders.append(self._made(*self._last))  # the end of the last shot
        self._close_shots()

    def signals(self) -> Mapping[str, Samples]:
        return {}

    def _close_shots(self) -> None:
        """Gives the pictures of the shots that have become known since the last time."""
        for shot in self._shots[len(self.hashes) :]:
            self._close(shot.start, shot.end)

    def _close(self, start: int, end: int) -> None:
        """Adds the pictures of the shot of frames [start, end), and forgets what was before."""
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
            bgr = shown(chosen.planes, self._how.max_side_px)
            height_px, width_px = bgr.shape[:2]
            code = jpeg(bgr, self._how.quality)
            self._take(KeyFrame(shot, position, chosen.time_s, width_px, height_px, code))
        self._borders = [p for p in self._borders if p.number >= end]
        self._spaced = [p for p in self._spaced if p.number >= end]
        self._every_s = EVERY_S

    def _nearest(self, number: int) -> Picture:
        """The kept picture nearest to a frame: a shot between two gradual changes may be too short to have its own."""
        return min((*self._borders, *self._spaced), key=lambda p: abs(p.number - number))

    def _made(self, number: int, time_s: float, native: Planes) -> Picture:
        return Picture(number, time_s, picture(native, self._how.max_side_px))

    def _thin(self, before: int) -> None:
        """Keeps so few of the older pictures that there are at most twice as many as wanted, evenly spaced."""
        old = [p for p in self._spaced if p.number < before]
        recent = self._spaced[len(old) :]
        if len(old) > 2 * self._most:
            self._every_s *= 2
        kept: list[Picture] = []
        for one in old:
            if not kept or one.time_s - kept[-1].time_s >= self._every_s - 1e-6:
                kept.append(one)
        self._spaced = [*kept, *recent]


def shown(planes: Planes, max_side_px: int) -> Image:
    """The picture as a viewer sees it, uint8 [height, width, 3] in B, G, R; its longer side is at most `max_side_px`.

    A smaller picture is not enlarged.
    """
    scale = min(1.0, max_side_px / max(planes.y.shape))
    width_px, height_px = (max(1, round(side * scale)) for side in planes.y.shape[::-1])
    merged = cv2.merge([eight_bits(fitted(plane, width_px, height_px), planes.bits) for plane in planes.samples])
    luma, chroma, black = (1, 1, 0) if planes.full_range else (255 / 219, 255 / 224, 16)
    matrix = (BT709 if planes.bt709 else BT601) * (luma, chroma, chroma)
    offsets = -matrix @ (black, 128, 128)
    bgr = cv2.transform(merged, np.column_stack([matrix, offsets]).astype(np.float32))
    return upright(np.asarray(bgr, dtype=np.uint8), planes.stance)


def jpeg(bgr: Image, quality: int) -> bytes:
    """The picture as a JPEG file's bytes; `bgr` is uint8 [height, width, 3]."""
    done, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise RuntimeError("OpenCV could not write a JPEG")
    return data.tobytes()


def perceptual_hash(planes: Planes) -> int:
    """64 bits that stay nearly the same when the picture is scaled, coded again or made brighter (pHash).

    The signs of its 8 x 8 lowest frequencies around their median, after a cosine transform of 32 x 32 samples (Zauner
    2010, "Implementation and benchmarking of perceptual image hash functions"). Equal pictures differ by 0 bits, unlike
    ones by about 32.
    """
    grey = upright(eight_bits(fitted(planes.y, HASH_PX, HASH_PX), planes.bits), planes.stance)
    low = cv2.dct(grey.astype(np.float32))[:8, :8].ravel()
    bits = low > np.median(low[1:])
    return int.from_bytes(np.packbits(bits).tobytes(), "big")
