"""Shots of a video: hard cuts found by PySceneDetect's detectors in the frames of the one pass."""

from array import array
from fractions import Fraction
from itertools import pairwise

from scenedetect.common import FrameTimecode
from scenedetect.detector import FlashFilter
from scenedetect.detectors import AdaptiveDetector, ContentDetector

from stages.core.video.frames import Image


class ShotDetector:
    """Feed it every frame in order; `cuts` are the numbers of the frames that begin a new shot.

    `threshold` is the detector's own: for "adaptive" how many times the mean change of its neighbours a change must be
    (3), for "content" the change itself (27). `min_change` bounds a change that "adaptive" takes for a cut. A change is
    the mean difference of hue, saturation and value, 0 to 255. Shots are at least `min_s` long, but for the last.
    """

    def __init__(self, detector: str, threshold: float, min_change: float, min_s: float, fps: Fraction) -> None:
        self._fps = fps
        min_frames = max(1, round(min_s * fps))
        # "suppress" decides at once; "merge" would hold `min_frames` full pictures until it knows
        self._detector: ContentDetector = (
            AdaptiveDetector(adaptive_threshold=threshold, min_scene_len=min_frames, min_content_val=min_change)
            if detector == "adaptive"
            else ContentDetector(threshold, min_frames, filter_mode=FlashFilter.Mode.SUPPRESS)
        )
        self.cuts: list[int] = []
        self.scores = array("f")

    @property
    def delay_frames(self) -> int:
        """How many frames after a cut it is found, at most."""
        return int(self._detector.event_buffer_length)

    def add(self, bgr: Image) -> list[int]:
        """The cuts found with this frame: they lie up to `delay_frames` back. `bgr` is uint8 [height, width, 3]."""
        found = self._detector.process_frame(FrameTimecode(len(self.scores), self._fps), bgr)
        # the score is only public through a StatsManager, which makes the detector compute edges as well
        self.scores.append(self._detector._frame_score or 0.0)
        new = [timecode.frame_num for timecode in found if timecode.frame_num > 0]
        self.cuts += new
        return new


def spans(cuts: list[int], times_s: list[float], end_s: float) -> list[dict[str, object]]:
    """The shots between the cuts: shot, start_frame, end_frame (exclusive), start_s, end_s; one when there is no cut.

    `times_s` has the time of every frame; a shot ends where the next begins, the last one at `end_s`.
    """
    borders = [0, *cuts, len(times_s)]
    at_s = [*times_s, end_s]
    return [
        {"shot": shot, "start_frame": start, "end_frame": end, "start_s": at_s[start], "end_s": at_s[end]}
        for shot, (start, end) in enumerate(pairwise(borders))
    ]
