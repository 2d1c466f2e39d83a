"""First, middle and last frame of every shot as JPEG, from a pass that learns of a cut only after it."""

from collections import deque
from typing import NamedTuple

import cv2
import numpy as np
from av.video.frame import VideoFrame

from stages.core.video.frames import Image, convert, quarter_turns, upright


class KeyFrame(NamedTuple):
    """One picture of a shot; `position` is first, middle or last."""

    shot: int
    position: str
    time_s: float
    width_px: int
    height_px: int
    jpeg: bytes


class _Picture(NamedTuple):
    frame: int
    time_s: float
    bgr: Image


class KeyFrames:
    """Feed it every frame in order and the cuts as they are found; `found` grows by three a shot.

    The memory is bounded whatever the length: `candidates` small pictures a shot for its middle (when there are too
    many, every second goes and the interval doubles, so the middle is off by an eighth of the shot at most), and the
    last `delay_frames` + 2 decoded frames, which are kept because a cut is found that late. `max_px` bounds the long
    side; `quality` is JPEG's, 1 to 100.
    """

    def __init__(
        self, max_px: int, quality: int, delay_frames: int, candidates: int = 8, every_s: float = 0.25
    ) -> None:
        self._max_px = max_px
        self._quality = quality
        self._most = candidates
        self._every_s = every_s
        self._recent: deque[tuple[int, float, VideoFrame]] = deque(maxlen=delay_frames + 2)
        self._first: _Picture | None = None
        self._middles: list[_Picture] = []
        self._interval_s = every_s
        self.found: list[KeyFrame] = []

    def add(self, time_s: float, frame: VideoFrame, cuts: list[int]) -> None:
        """`cuts` are the frame numbers of cuts found with this frame; they lie within the frames kept."""
        number = self._recent[-1][0] + 1 if self._recent else 0
        self._recent.append((number, time_s, frame))
        if self._first is None:
            self._first = self._picture(number)
        self._consider(number)
        for cut in cuts:
            self._close(cut)
            self._first = self._picture(cut)
            for later in range(cut, number + 1):
                self._consider(later)

    def finish(self) -> list[KeyFrame]:
        """All key frames, by shot and position, after the last frame has closed the last shot."""
        if self._recent:
            self._close(self._recent[-1][0] + 1)
        return self.found

    def _consider(self, number: int) -> None:
        """Keeps the frame as a candidate for the middle when it lies an interval after the last one."""
        assert self._first is not None
        last_s = self._middles[-1].time_s if self._middles else self._first.time_s
        if self._kept(number)[1] - last_s < self._interval_s - 1e-6:
            return
        self._middles.append(self._picture(number))
        if len(self._middles) > self._most:
            self._middles = self._middles[1::2]
            self._interval_s *= 2

    def _close(self, end: int) -> None:
        """Adds the three pictures of the shot that ends before frame `end`, and forgets the shot."""
        assert self._first is not None
        last = self._picture(end - 1)
        inside = [self._first, *(m for m in self._middles if m.frame < end), last]
        half_s = (self._first.time_s + last.time_s) / 2
        middle = min(inside, key=lambda picture: abs(picture.time_s - half_s))
        shot = self.found[-1].shot + 1 if self.found else 0
        for position, picture in (("first", self._first), ("middle", middle), ("last", last)):
            height_px, width_px = picture.bgr.shape[:2]
            self.found.append(
                KeyFrame(shot, position, picture.time_s, width_px, height_px, jpeg(picture.bgr, self._quality))
            )
        self._middles, self._interval_s = [], self._every_s

    def _kept(self, number: int) -> tuple[int, float, VideoFrame]:
        return self._recent[number - self._recent[-1][0] - 1]

    def _picture(self, number: int) -> _Picture:
        """The kept frame with this number, made small."""
        _, time_s, frame = self._kept(number)
        return _Picture(number, time_s, picture(frame, self._max_px))


def picture(frame: VideoFrame, max_px: int) -> Image:
    """The frame as shown, uint8 BGR [height, width, 3], its long side at most `max_px`, never enlarged."""
    scale = min(1.0, max_px / max(frame.width, frame.height))
    width_px, height_px = max(1, round(frame.width * scale)), max(1, round(frame.height * scale))
    bgr = convert(frame, width_px, height_px, "bgr24").to_ndarray()
    return upright(np.asarray(bgr, dtype=np.uint8), quarter_turns(frame))


def jpeg(bgr: Image, quality: int) -> bytes:
    """The picture as a JPEG file's bytes; `bgr` is uint8 [height, width, 3]."""
    done, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise RuntimeError("OpenCV could not write a JPEG")
    return data.tobytes()
