"""Frozen spans of a video, as ffmpeg's freezedetect filter finds them (libavfilter/vf_freezedetect.c)."""

from collections.abc import Sequence

import cv2

from stages.core.video.frames import Image, Planes, Small

Span = tuple[float, float]

SURE = 1.0  # of 255: more than rounding adds to the difference of two small frames


class FreezeDetector:
    """Feed it every frame in order; there are no window borders, so a freeze is found wherever it lies.

    A freeze is a run of frames that differ from its first frame by at most `noise` (mean absolute difference of all
    samples at their full size, luma and chroma, as a share of the range) and that lasts `min_s`. Averaging only makes
    differences smaller, so where the small frames differ by more the full ones need not be looked at.
    """

    def __init__(self, noise: float, min_s: float) -> None:
        self._noise = noise
        self._min_s = min_s
        self._first: Small | None = None
        self._first_s = 0.0
        self.spans: list[Span] = []

    def add(self, time_s: float, small: Small) -> None:
        """The frame is kept, and with it the decoder's memory of it."""
        if self._first is not None and not self._moved(self._first, small):
            return
        self._close(time_s)
        self._first, self._first_s = small, time_s

    def finish(self, end_s: float) -> list[Span]:
        """All freezes as [start, end) in seconds; `end_s` is the end of the last frame."""
        self._close(end_s)
        self._first = None
        return self.spans

    def _moved(self, first: Small, small: Small) -> bool:
        native = small.native
        luma_share = native.y.size / (native.y.size + native.u.size + native.v.size)
        if luma_share * (difference(first.luma, small.luma) - SURE) > self._noise * 256:
            return True
        return native_difference(first.native, native) > self._noise

    def _close(self, time_s: float) -> None:
        if self._first is not None and time_s - self._first_s >= self._min_s:
            self.spans.append((self._first_s, time_s))


def difference(first: Image, second: Image) -> float:
    """Mean absolute difference, 0 to 255."""
    return cv2.norm(first, second, cv2.NORM_L1) / first.size


def native_difference(first: Planes, second: Planes) -> float:
    """Mean absolute difference of all samples as a share of the range, 0 to 1; 1 where the size or format changed."""
    pairs = list(zip(first[:3], second[:3], strict=True))
    if first.bits != second.bits or any(a.shape != b.shape for a, b in pairs):
        return 1.0
    return sum(cv2.norm(a, b, cv2.NORM_L1) for a, b in pairs) / sum(a.size for a, _ in pairs) / (1 << first.bits)


def share(spans: Sequence[Span], start_s: float, end_s: float) -> float:
    """The share of [start, end) that lies in the spans, 0 to 1; the spans do not overlap."""
    if end_s <= start_s:
        return 0.0
    frozen_s = sum(max(0.0, min(end, end_s) - max(start, start_s)) for start, end in spans)
    return min(1.0, frozen_s / (end_s - start_s))
