"""Measures clips of an open video in passes over its frames, each of which several clips may share."""

from collections.abc import Iterable, Sequence
from math import inf
from typing import Generic, NamedTuple

from av.video.frame import VideoFrame

from slurm.errors import ItemError
from stages.core.video.flow.meter import Meter, Pair, Picture, View
from stages.core.video.flow.sampler import Sampler
from stages.core.video.flow.settings import Settings
from stages.core.video.read.frames import displayed_px, read_orientation, square_px
from stages.core.video.read.packets import Video
from stages.core.video.read.span import EARLY_S

LONG_PX, SHORT_PX = 960, 520  # LVD-2M's frames, to which every shape is stretched; portrait: 520 wide, 960 high


class Span(NamedTuple):
    """[start_s, end_s), seconds from the container's start; the whole video from -inf to inf."""

    start_s: float = -inf
    end_s: float = inf


class Flows(Generic[Picture]):
    """Of each clip the flow between every two frames that follow each other, or the error that it has instead."""

    def __init__(self, video: Video, spans: Sequence[Span], settings: Settings, meter: Meter[Picture]) -> None:
        self.found: list[list[float]] = [[] for _ in spans]
        self.errors: dict[int, ItemError] = {}
        self._video, self._spans, self._meter = video, spans, meter
        self._every_s, self._min_coverage = 1 / settings.fps, settings.min_coverage
        self._view: View | None = None
        self._waiting: list[tuple[int, Pair[Picture]]] = []

    def measure(self, numbers: Iterable[int], frames: Iterable[tuple[float, VideoFrame]]) -> None:
        """Measures these clips, by frames that come in order after their times; a clip's error costs no other.

        Raises what the frames raise, other than ItemError.
        """
        samplers = {number: Sampler(self._every_s, self._prepare) for number in numbers}
        mean_s, tick_s = float(1 / self._video.facts.fps), float(self._video.tick_s)
        try:
            for time_s, frame in frames:
                for number in [n for n in samplers if time_s >= self._spans[n].end_s - EARLY_S]:
                    self._finish(number, samplers.pop(number))
                if not samplers:
                    break
                for number, sampler in samplers.items():
                    if time_s >= self._spans[number].start_s - EARLY_S:
                        sampler.add(time_s, frame, max(mean_s, (frame.duration or 0) * tick_s))
                        self._take(number, sampler)
            while samplers:
                self._finish(*samplers.popitem())
        except ItemError as error:
            self.errors |= dict.fromkeys(samplers, error)
        self._compute(at_least=1)

    def _finish(self, number: int, sampler: Sampler[Picture]) -> None:
        start_s, end_s = self._spans[number]
        if sampler.end_s is None:
            self.errors[number] = ItemError("no_frames", f"{self._video.path}: none in {start_s:.3f} to {end_s:.3f} s")
            return
        reached_s = min(end_s, sampler.end_s)
        share = self._video.coverage(reached_s) if end_s == inf else (reached_s - start_s) / (end_s - start_s)
        if share < self._min_coverage:
            self.errors[number] = ItemError("corrupt", f"{self._video.path}: only {share:.0%} of it could be decoded")
            return
        sampler.finish(reached_s)
        self._take(number, sampler)

    def _take(self, number: int, sampler: Sampler[Picture]) -> None:
        self._waiting += [(number, pair) for pair in sampler.pairs]
        sampler.pairs.clear()
        self._compute(at_least=self._meter.batch)

    def _compute(self, at_least: int) -> None:
        """Computes the flow of pairs that wait, as long as there are so many."""
        while len(self._waiting) >= at_least:
            part, self._waiting = self._waiting[: self._meter.batch], self._waiting[self._meter.batch :]
            flows = iter(self._meter.measure([pair for _, pair in part if pair[0] is not pair[1]]))
            for number, (first, second) in part:
                self.found[number].append(0.0 if first is second else next(flows))

    def _prepare(self, frame: VideoFrame) -> Picture:
        self._view = self._view or view_of(frame, self._video)
        return self._meter.prepare(frame, self._view)


def view_of(frame: VideoFrame, video: Video) -> View:
    """How the frames of the video that begins with this one are looked at."""
    orientation = read_orientation(frame)
    wide, high = displayed_px(frame, *square_px(frame.width, frame.height, float(video.facts.sar)))
    return View(*((LONG_PX, SHORT_PX) if wide >= high else (SHORT_PX, LONG_PX)), orientation)
