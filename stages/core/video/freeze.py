"""Frozen spans of a video, by the definition of ffmpeg's freezedetect filter (libavfilter/vf_freezedetect.c)."""

from collections.abc import Sequence

import cv2

from stages.core.video.frames import Image

Span = tuple[float, float]


class FreezeDetector:
    """Feed it every frame in order; there are no window borders, so a freeze is found wherever it lies.

    A freeze is a run of frames that differ from its first frame by at most `noise` (mean absolute difference of all
    samples, luma and chroma, as a share of 256) and that lasts `min_s`. Measured on the small frame, which is blind to
    the steps in quality that an encoder makes at key frames.
    """

    def __init__(self, noise: float, min_s: float) -> None:
        self._noise = noise
        self._min_s = min_s
        self._first: Image | None = None
        self._first_s = 0.0
        self.spans: list[Span] = []

    def add(self, time_s: float, yuv: Image) -> None:
        """`yuv` is uint8, flat, of one size for the whole video; it is kept and must not be written to."""
        if self._first is not None and cv2.norm(self._first, yuv, cv2.NORM_L1) <= self._noise * 256 * yuv.size:
            return
        self._close(time_s)
        self._first, self._first_s = yuv, time_s

    def finish(self, end_s: float) -> list[Span]:
        """All freezes as [start, end) in seconds; `end_s` is the end of the last frame."""
        self._close(end_s)
        self._first = None
        return self.spans

    def _close(self, time_s: float) -> None:
        if self._first is not None and time_s - self._first_s >= self._min_s:
            self.spans.append((self._first_s, time_s))


def share(spans: Sequence[Span], start_s: float, end_s: float) -> float:
    """The share of [start, end) that lies in the spans, 0 to 1; the spans do not overlap."""
    if end_s <= start_s:
        return 0.0
    frozen_s = sum(max(0.0, min(end, end_s) - max(start, start_s)) for start, end in spans)
    return min(1.0, frozen_s / (end_s - start_s))
