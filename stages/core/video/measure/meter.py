"""The protocol of everything that measures the frames of a video."""

from collections.abc import Mapping
from typing import Protocol

from stages.core.video.measure.signals import Samples
from stages.core.video.read.frames import Small


class Meter(Protocol):
    """Gets every frame in order, then the end of the video, after which its results are complete.

    A meter that keeps `small.native` keeps the decoder's memory of the frame; no meter may write to the frame.
    """

    def add(self, number: int, time_s: float, small: Small) -> None:
        """Takes a frame: `number` counts decoded frames from 0, `time_s` is in seconds from the container's start."""

    def finish(self, end_s: float) -> None:
        """Measures what is left after the last frame, which ends at `end_s`."""

    def signals(self) -> Mapping[str, Samples]:
        """The samples of its signals, by their names in MEASURED; call it after `finish`."""
