"""The one shape of everything that looks at the frames of a video."""

from collections.abc import Mapping
from typing import Protocol

from stages.core.video.measure.signals import Samples
from stages.core.video.read.frames import Small


class Meter(Protocol):
    """Gets every frame in order, then the end; only after that its results are complete.

    A meter that keeps `small.native` keeps the decoder's memory of the frame.
    """

    def add(self, number: int, time_s: float, small: Small) -> None:
        """Looks at a frame: `number` counts from 0, `time_s` is its time in seconds from the container's start."""

    def finish(self, end_s: float) -> None:
        """Measures what is left, after the last frame; the video ends at `end_s`."""

    def signals(self) -> Mapping[str, Samples]:
        """The samples of its signals, by their names in MEASURED; to be asked for after `finish`."""
