"""What every meter of optical flow does: it prepares frames, and measures pairs of them."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol, TypeVar

from av.video.frame import VideoFrame

from stages.core.video.read.frames import Orientation

Picture = TypeVar("Picture")
Pair = tuple[Picture, Picture]


class View(NamedTuple):
    """The size to which frames are stretched, as displayed, and how a stored one is turned to be displayed."""

    width_px: int
    height_px: int
    orientation: Orientation


class Meter(Protocol[Picture]):
    """`measure` gives of each pair the mean length of its flow vectors, in pixels of the view; `batch` pairs at most.

    `name` says what it is, in rows.
    """

    name: str

    @property
    def batch(self) -> int: ...

    def prepare(self, frame: VideoFrame, view: View) -> Picture: ...
    def measure(self, pairs: Sequence[Pair[Picture]]) -> list[float]: ...
