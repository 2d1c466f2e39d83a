"""Divides a video into shots, at its hard cuts and gradual transitions."""

from array import array
from collections.abc import Mapping
from typing import NamedTuple

from stages.core.video.measure.cuts import FLOOR, CutDetector
from stages.core.video.measure.gradual import AT_ONCE, GradualDetector
from stages.core.video.measure.signals import Samples, make_samples
from stages.core.video.read.frames import Image, Small, halve
from stages.core.video.second_look.look import SecondLook


class Transition(NamedTuple):
    """A possible cut or gradual transition; `taken`: it is a border of shots.

    `kind` is cut or gradual. `start` is the first frame that is not purely the shot before, `end` the first that is
    purely the shot after; of a cut they are the same, but for frames at it that mix both shots or are plain.
    """

    kind: str
    start: int
    end: int
    score: float
    taken: bool


class Shot(NamedTuple):
    """Frames [start, end), and the score of the transition before them, None at the start of the video."""

    start: int
    end: int
    score: float | None


class ShotDetector:
    """A Meter of shots: `changes` (possible transitions), `shots` and `borders_s` grow in order as they become certain.

    A transition is a border of shots from a score of `cut` or `gradual` on. `scores` has the score of a cut before each
    frame. `horizon` is the number of frames after which the end of a shot is certain. `second` looks again at what is
    by up to `doubt` below; the score is then the mean of both if that is more.
    """

    def __init__(
        self, cut: float, gradual: float, fps: float, second: SecondLook | None = None, doubt: float = 0.0
    ) -> None:
        self._least = {"cut": cut, "gradual": gradual}
        self._second, self._doubt = second, doubt
        self._cuts = CutDetector(fps)
        self._graduals = GradualDetector(fps)
        self._delay = self._graduals.delay_frames + self._cuts.delay_frames
        self.horizon = self._delay + AT_ONCE + round(fps)
        self._new: list[Image] = []  # not measured yet
        self._times_s = array("d")
        self._frames = 0
        self._hard: list[int] = []  # frames of cuts, with those at them that are of neither shot
        self._open: list[Transition] = []  # a gradual transition may still be found around these
        self._last: Transition | None = None  # the border before the current shot
        self.scores = array("f")
        self.changes: list[Transition] = []
        self.shots: list[Shot] = []
        self.borders_s: list[float] = []  # when the shots after each border begin

    def add(self, number: int, time_s: float, small: Small) -> None:
        self._new.append(small.luma)
        self._times_s.append(time_s)
        if self._second is not None:
            self._second.add(small)
        if len(self._new) == AT_ONCE:
            self._detect()
            self._gather(ended=False)
            self._settle(self._frames - self._delay)
            if self._second is not None:
                oldest = min((change.start for change in self._open), default=self._frames)
                self._second.forget(min(oldest, self._frames - self._delay) - self._delay)

    def finish(self, end_s: float) -> None:
        self._detect()
        self._cuts.finish()
        self._gather(ended=True)
        self._settle(self._frames + 1)  # a fade out ends behind the last frame
        self._close(self._frames)

    def signals(self) -> Mapping[str, Samples]:
        return {"cut_score": make_samples(self._times_s, self._times_s, self.scores)}

    def _detect(self) -> None:
        for luma in self._new:
            half = halve(luma, 1)
            self._cuts.add(half)
            self._graduals.add(half)
        self._frames += len(self._new)
        self._new.clear()

    def _gather(self, ended: bool) -> None:
        """Takes over the new scores and transitions of the detectors; `ended`: there are no more frames."""
        for number in range(len(self.scores), len(self._cuts.scores)):
            score, end = self._cuts.scores[number], number + self._cuts.mixed.get(number, 0)
            self.scores.append(score)
            if score >= FLOOR:
                self._open.append(Transition("cut", number, end, score, score >= self._least["cut"]))
            if score >= self._least["cut"]:
                self._hard += range(number, end + 1)
        for window in self._graduals.find(self._hard, ended):
            taken = window.score >= self._least["gradual"]
            change = Transition("gradual", window.start + 1, window.end, window.score, taken)
            inside = [c for c in self._open if change.start <= c.start <= change.end]
            if taken:
                self._open = [c for c in self._open if c not in inside]
            self._open.append(change)

    def _settle(self, before: int) -> None:
        """Makes the transitions certain that end before a frame."""
        if not self._open or min(change.end for change in self._open) >= before:
            return
        certain = sorted((c for c in self._open if c.end < before), key=lambda change: change.start)
        self._open = [c for c in self._open if c.end >= before]
        for candidate in certain:
            apart = self._last is None or candidate.start >= self._last.end
            change = self._look_again(candidate) if apart else candidate
            self.changes.append(change._replace(taken=change.taken and apart))
            if self.changes[-1].taken:
                self._close(change.start)
                self._last = change
                if change.end < len(self._times_s):  # else a fade out ends the video
                    self.borders_s.append(self._times_s[change.end])

    def _look_again(self, change: Transition) -> Transition:
        """The transition with the score that it has after the second look, where it is in doubt."""
        least = self._least[change.kind]
        if self._second is None or not least - self._doubt <= change.score < least:
            return change
        seen = self._second.probability(change.start, change.end, gradual=change.kind == "gradual")
        score = max(change.score, (change.score + seen) / 2)
        return change._replace(score=score, taken=score >= least)

    def _close(self, end: int) -> None:
        start, score = (self._last.end, self._last.score) if self._last else (0, None)
        if end > start:
            self.shots.append(Shot(start, end, score))
