"""Finds the frozen spans of a video, like ffmpeg's freezedetect filter (libavfilter/vf_freezedetect.c)."""

from collections.abc import Mapping, Sequence

import cv2

from stages.core.video.measure.signals import Samples, make_samples
from stages.core.video.read.frames import Planes, Small, difference

Span = tuple[float, float]

BAND_PX = 32
SURE = 0.25  # levels of 255: more than rounding adds to the mean difference of two small frames


class FreezeDetector:
    """A Meter of freezes, in `spans`: [start, end) in seconds, in order, of any length and wherever they begin.

    A freeze is a run of at least `min_s` of frames that differ from its first frame by at most `noise`: the mean
    absolute difference of all samples of the full frames, luma and chroma, as a share of the range. Scaling down only
    makes differences smaller, so where the small frames differ by more, the full ones are not compared; lines that the
    small frames leave out are assumed to change like the others.
    """

    def __init__(self, noise: float, min_s: float) -> None:
        self._noise = noise
        self._min_s = min_s
        self._first: Small | None = None
        self._first_s = 0.0
        self.spans: list[Span] = []

    def add(self, number: int, time_s: float, small: Small) -> None:
        if self._first is not None and not self._moved(self._first, small):
            return
        self._close(time_s)
        self._first, self._first_s = small, time_s

    def finish(self, end_s: float) -> None:
        self._close(end_s)
        self._first = None

    def signals(self) -> Mapping[str, Samples]:
        starts, ends = ([span[edge] for span in self.spans] for edge in (0, 1))
        return {"frozen": make_samples(starts, ends, [1.0] * len(self.spans))}

    def _moved(self, first: Small, small: Small) -> bool:
        native = small.native
        if native.luma_share * (difference(first.luma, small.luma) - SURE) > self._noise * 256:
            return True
        return native_difference(first.native, native, self._noise) > self._noise

    def _close(self, time_s: float) -> None:
        if self._first is not None and time_s - self._first_s >= self._min_s:
            self.spans.append((self._first_s, time_s))


def native_difference(first: Planes, second: Planes, enough: float = 1.0) -> float:
    """Mean absolute difference of all samples as a share of the range, 0 to 1; 1 where the size or format changed.

    Above `enough` it is a lower bound, which saves reading the rest of the frames.
    """
    if first.bits != second.bits or first.y.shape != second.y.shape:
        return 1.0
    found, whole = 0.0, first.y.size / first.luma_share * (1 << first.bits)
    for top in range(0, len(first.y), BAND_PX):
        found += cv2.norm(first.y[top : top + BAND_PX], second.y[top : top + BAND_PX], cv2.NORM_L1)
        if found > enough * whole:
            return found / whole
    pairs = list(zip(first.samples[1:], second.samples[1:], strict=True))
    if any(a.shape != b.shape for a, b in pairs):
        return 1.0
    found += sum(cv2.norm(a, b, cv2.NORM_L1) for a, b in pairs)
    return found / ((first.y.size + sum(a.size for a, _ in pairs)) << first.bits)


def share(spans: Sequence[Span], start_s: float, end_s: float) -> float:
    """The share of [start_s, end_s) that lies in the spans, 0 to 1; the spans do not overlap."""
    if end_s <= start_s:
        return 0.0
    frozen_s = sum(max(0.0, min(end, end_s) - max(start, start_s)) for start, end in spans)
    return min(1.0, frozen_s / (end_s - start_s))
