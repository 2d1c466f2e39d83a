"""Takes from a clip the frames that are shown at even times, and pairs each with the one before it."""

from collections.abc import Callable
from typing import Generic

from av.video.frame import VideoFrame

from stages.core.video.flow.meter import Pair, Picture
from stages.core.video.read.span import EARLY_S


class Sampler(Generic[Picture]):
    """The pairs of one clip, in `pairs`, from its frames in order.

    Times count from the clip's first frame. A frame is shown until the next one comes, so where the frame rate varies
    one may be taken several times: then both pictures of a pair are one object.
    """

    def __init__(self, every_s: float, prepare: Callable[[VideoFrame], Picture]) -> None:
        self.pairs: list[Pair[Picture]] = []
        self.end_s: float | None = None  # of the last frame
        self._every_s, self._prepare = every_s, prepare
        self._first_s, self._taken = 0.0, 0
        self._frame: VideoFrame | None = None
        self._picture: Picture | None = None  # of that frame, once it was taken
        self._before: Picture | None = None

    def add(self, time_s: float, frame: VideoFrame, lasts_s: float) -> None:
        """Holds the frame, with the decoder's memory of it, until the next one comes."""
        if self.end_s is None:
            self._first_s = time_s
        self.finish(time_s)
        self.end_s, self._frame, self._picture = time_s + lasts_s, frame, None

    def finish(self, end_s: float) -> None:
        """Takes the frame that is held as often as its turn comes before `end_s`."""
        while self._frame is not None and self._first_s + self._taken * self._every_s < end_s - EARLY_S:
            self._taken += 1
            if self._picture is None:
                self._picture = self._prepare(self._frame)
            if self._before is not None:
                self.pairs.append((self._before, self._picture))
            self._before = self._picture
