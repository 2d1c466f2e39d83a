"""Hard cuts: where a picture follows one that shows something else, and not only for a moment."""

from collections import deque
from statistics import median

import cv2

from stages.core.video.frames import Image, halved
from stages.core.video.match import Match, alike, match

FLASH_S = 0.13  # what is gone again after so long was a flash, not a shot
LEAST = 1.0  # mean difference, in levels, of frames that may be a cut
ABOVE = 1.4  # times the median difference of its neighbours
FLOOR = 0.25  # lower scores are not worth looking closer
ALIKE = 0.95  # correlation of two very small pictures
FAST = 8.0  # what differs by so much is looked at whatever its neighbours do: a cut between two fast pans is no peak
JUMP = 0.03  # widths: who jumps so far within one frame, and stands still before and after, was cut
STILL = 8.0  # times the difference of all its neighbours, then
AT_ONCE = 24  # frames that are scored together: one by one, between frames that are decoded, it takes twice as long
OTHER = 0.15  # least share of the picture that a cut changes


class CutDetector:
    """Feed it every frame in order; `scores` has the chance of a cut before each frame, 0 to 1.

    A frame's score is known at most `delay_frames` later. Nearly all frames are told to be none by their difference
    from the one before, which costs microseconds; only the others are looked at (see match.py): whether the frame shows
    another scene than the one before, whether the scene comes back within a flash's time, and whether its neighbours
    follow each other more smoothly, as they do not in a fast pan.
    """

    def __init__(self, fps: float) -> None:
        self._flash = max(2, round(FLASH_S * fps))
        self.delay_frames = self._flash + 1 + AT_ONCE
        kept = 2 * (self._flash + 1) + AT_ONCE
        self._lumas: deque[Image] = deque(maxlen=kept)
        self._changes: deque[float] = deque(maxlen=kept)
        self._matches: dict[int, Match] = {}
        self._frames = 0
        self.scores: list[float] = []

    def add(self, luma: Image) -> bool:
        """Whether a cut may lie before this frame. `luma` is uint8 [height, width], about 128 pixels wide."""
        change = cv2.norm(luma, self._lumas[-1], cv2.NORM_L1) / luma.size if self._lumas else 0.0
        before = list(self._changes)[-self._flash :]
        self._lumas.append(luma)
        self._changes.append(change)
        self._frames += 1
        if self._frames - len(self.scores) > self.delay_frames:
            for number in range(len(self.scores), len(self.scores) + AT_ONCE):
                self.scores.append(self._score(number))
        return change >= LEAST and (change >= FAST or change >= ABOVE * median(before))

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
        if not jump and ((not peak and change < FAST) or self._alike(at)):
            return 0.0
        seen = self._match(number)
        if seen.other < OTHER:
            return 0.0
        calm = 1 - self._unrest(number)
        score = calm * self._lasting(at, seen.other) if calm * seen.other >= FLOOR else 0.0
        if jump:
            score = max(score, min(1.0, 0.5 * seen.shift / JUMP))
        return score

    def _alike(self, at: int) -> bool:
        """Whether a frame and the one before it are nearly the same at a glance: in rain, in water, in a crowd."""
        return alike(halved(self._lumas[at - 1], 2), halved(self._lumas[at], 2)) > ALIKE

    def _lasting(self, at: int, other: float) -> float:
        """How much of the change at a place in the deque is there to stay: a flash shows the same scene after it."""
        before, after = self._lumas[at - 1], self._lumas[at]
        step = max(1, self._flash // 4)
        for far in range(step, self._flash + 1, step):
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
