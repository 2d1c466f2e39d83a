"""Hard cuts: where a picture follows one that shows something else, and not only for a moment."""

from collections import deque
from statistics import median

from stages.core.video.measure.match import Match, correlation, match
from stages.core.video.read.frames import Image, difference, halved

FLASH_S = 0.13  # what is gone again after so long was a flash, not a shot
LEAST = 1.0  # mean difference, in levels, of frames that may be a cut
ABOVE = 1.4  # times the median difference of its neighbours
FLOOR = 0.25  # lower scores are not worth looking closer
ALIKE = 0.95  # correlation of two very small pictures
FAST = 8.0  # what differs by so much is looked at whatever its neighbours do: a cut between two fast pans is no peak
JUMP = 0.03  # widths: who jumps so far within one frame, and stands still before and after, was cut
STILL = 8.0  # times the difference of all its neighbours, then
OTHER = 0.15  # least share of the picture that a cut changes


class CutDetector:
    """Feed it every frame in order; `scores` has the chance of a cut before each frame, 0 to 1.

    A frame's score is known `delay_frames` later. Nearly all frames are told to be none by their difference from the
    one before, which costs microseconds; only the others are looked at (see match.py): whether the frame shows another
    scene than the one before, whether the scene comes back within a flash's time, and whether its neighbours follow
    each other more smoothly, as they do not in a fast pan.
    """

    def __init__(self, fps: float) -> None:
        self._flash = flash_frames(fps)
        self.delay_frames = self._flash + 1
        kept = 2 * self.delay_frames + 1
        self._lumas: deque[Image] = deque(maxlen=kept)
        self._changes: deque[float] = deque(maxlen=kept)
        self._matches: dict[int, Match] = {}
        self._frames = 0
        self.scores: list[float] = []

    def add(self, luma: Image) -> None:
        """`luma` is uint8 [height, width], about 128 pixels wide."""
        self._changes.append(difference(luma, self._lumas[-1]) if self._lumas else 0.0)
        self._lumas.append(luma)
        self._frames += 1
        if self._frames - len(self.scores) > self.delay_frames:
            self.scores.append(self._score(len(self.scores)))

    def finish(self) -> None:
        """Scores the last frames, as if the last one stood still."""
        for number in range(len(self.scores), self._frames):
            self.scores.append(self._score(number))

    def _score(self, number: int) -> float:
        first = self._frames - len(self._lumas)  # the number of the oldest frame that is kept
        at, changes = number - first, list(self._changes)
        change = changes[at]
        if number == 0 or change < LEAST:
            return 0.0
        before, after = changes[max(1, at - self._flash) : at], changes[at + 1 : at + 1 + self._flash]
        around = [*before, *after]
        peak = change >= max([*before[-2:], *after[:2]], default=0.0) and change >= ABOVE * median(around or [0.0])
        jump = change >= STILL * max(around, default=0.0)
        if not jump and ((not peak and change < FAST) or alike(self._lumas[at - 1], self._lumas[at])):
            return 0.0
        seen = self._match(number)
        if seen.other < OTHER:
            return 0.0
        calm = 1 - self._unrest(number)
        score = calm * self._lasting(at, seen.other) if calm * seen.other >= FLOOR else 0.0
        if jump:
            score = max(score, min(1.0, 0.5 * seen.shift / JUMP))
        return score

    def _lasting(self, at: int, other: float) -> float:
        """How much of the change at a place in the deque is there to stay: a flash shows the same scene after it."""
        before, after = self._lumas[at - 1], self._lumas[at]
        for far in (self._flash // 2, self._flash):
            if other < OTHER:
                break
            if at + far < len(self._lumas):
                other = min(other, match(before, self._lumas[at + far]).other)
            if at - 1 - far >= 0:
                other = min(other, match(self._lumas[at - 1 - far], after).other)
        return other

    def _unrest(self, number: int) -> float:
        """How much the frames beside a frame differ from it where there is no cut between them."""
        beside = [near for near in (number - 1, number + 1) if 0 < near < self._frames]
        return max((self._match(near).other for near in beside), default=0.0)

    def _match(self, number: int) -> Match:
        """The frame against the one before it."""
        if number not in self._matches:
            at = number - (self._frames - len(self._lumas))
            self._matches = {n: found for n, found in self._matches.items() if n > number - 4}
            self._matches[number] = match(self._lumas[at - 1], self._lumas[at]) if at > 0 else Match(0.0, 0.0)
        return self._matches[number]


class Suspicion:
    """Whether a cut may lie before a frame, told at once and by the past alone: fed every frame in order.

    All 462 cuts that CutDetector found in the truth corpus were, and seven frames in a hundred that were none.
    """

    def __init__(self, fps: float) -> None:
        self._changes: deque[float] = deque(maxlen=flash_frames(fps))
        self._last: Image | None = None

    def add(self, luma: Image) -> bool:
        """`luma` is uint8 [height, width], about 256 pixels wide."""
        last, self._last = self._last, luma
        change = difference(luma[::4], last[::4]) if last is not None else 0.0  # enough lines for a guess
        large = change >= LEAST and (change >= FAST or change >= ABOVE * median(self._changes))
        self._changes.append(change)
        return large and last is not None and not alike(halved(last, 1), halved(luma, 1))


def flash_frames(fps: float) -> int:
    return max(2, round(FLASH_S * fps))


def alike(one: Image, other: Image) -> bool:
    """Whether two pictures of about 128 pixels are nearly the same at a glance: in rain, in water, in a crowd."""
    return correlation(halved(one, 2), halved(other, 2)) > ALIKE
