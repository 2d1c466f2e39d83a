"""Finds hard cuts: frames that show another scene than the frame before, and not only for a moment.

A change of the frame rate may leave a few frames at a cut that mix both scenes, and editing a plain one; such a
cut lies at the first of them.
"""

from collections import deque
from collections.abc import Sequence
from statistics import median

import cv2
import numpy as np

from stages.core.schema.video import MIXED
from stages.core.video.measure.match import Match, correlation, match
from stages.core.video.read.frames import Image, difference, halve

FLASH_S = 0.13  # a change that is undone within this time is a flash, not a shot
LEAST = 1.0  # smallest mean difference of two frames, in levels of 255, that may be a cut
ABOVE = 1.4  # a cut differs by more than this times the median difference of its neighbours
FLOOR = 0.25  # lower scores are not computed exactly, and are no candidates for a cut
ALIKE = 0.95  # correlation of two thumbnails above which there is no cut between them
FAST = 8.0  # frames that differ by more are examined whatever their neighbours: between fast pans a cut is no peak
JUMP = 0.03  # frame widths; a shift of more than this between two frames, with still neighbours, is a cut
STILL = 8.0  # neighbours are still where the frame differs by more than this times any of them
OTHER = 0.15  # a cut changes at least this share of the picture
STRAIGHT = 1.2  # largest ratio of the steps over mixed frames to the step over all of them: nothing else moves there
SLIGHT = 0.06  # a frame with less than this share of one of two scenes is no mixture
TAIL = 0.13  # a step of less than this share of the change beside it is no part of it: a frame that is nearly pure
ONWARD = 0.6  # share of a longer step that leads the same way as the change, from which on it is a part of it
EXPLAINED = 0.45  # what a mixture leaves unexplained of a frame's difference from the nearer scene, at most
NEAR_S = 0.5  # where frames repeat, as in a screen recording, motion comes in steps that lie up to this far apart
SHOWN = 0.65  # a step that changes this share of the picture is no motion: pictures shown one after another
PLAIN = 3.0  # largest standard deviation of a plain frame, in levels of 255


class CutDetector:
    """Gets every frame in order; `scores` has the score of a cut before each frame, 0 to 1.

    `mixed` has the number of frames, from that of a cut on, that mix both scenes or are plain, where there are any. A
    frame's score is known `delay_frames` later. Nearly all frames are ruled out by their difference from the frame
    before, which costs microseconds. The others are examined (see match.py): whether the frame shows another scene than
    the one before, whether the scene before comes back within FLASH_S, and whether neighbouring frames are more alike,
    which they are not in a fast pan.
    """

    def __init__(self, fps: float) -> None:
        self._flash = flash_frames(fps)
        self._near = max(self._flash, round(NEAR_S * fps))
        self.delay_frames = self._near + 1
        kept = 2 * self.delay_frames + 1
        self._lumas: deque[Image] = deque(maxlen=kept)
        self._differences: deque[float] = deque(maxlen=kept)
        self._matches: dict[int, Match] = {}
        self._frames = 0
        self.scores: list[float] = []
        self.mixed: dict[int, int] = {}

    def add(self, luma: Image) -> None:
        """`luma` is uint8 [height, width], about 128 pixels wide."""
        self._differences.append(difference(luma, self._lumas[-1]) if self._lumas else 0.0)
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
        at, steps = number - first, list(self._differences)
        step = steps[at]
        if (
            number == 0
            or step < LEAST
            or any(number <= n + self.mixed.get(n, 0) for n in range(number - MIXED, number))
        ):
            return 0.0
        mixed = self._count_mixed(at, steps) or int(self._parts_plain(at, steps))
        if mixed and (score := self._change(number, mixed, steps)) >= FLOOR:
            self.mixed[number] = mixed
            return score
        return self._change(number, 0, steps)

    def _change(self, number: int, mixed: int, steps: Sequence[float]) -> float:
        """The score of a cut at this frame, behind which so many frames are of neither scene."""
        at = number - (self._frames - len(self._lumas))
        before, after = steps[max(1, at - self._flash) : at], steps[at + mixed + 1 : at + mixed + 1 + self._flash]
        around = [*before, *after]
        step = difference(self._lumas[at - 1], self._lumas[at + mixed]) if mixed else steps[at]
        peak = step >= max([*before[-2:], *after[:2]], default=0.0) and step >= ABOVE * median(around or [0.0])
        jump = step >= STILL * max(around, default=0.0) and step >= STILL * max(
            [*steps[max(1, at - self._near) : at], *steps[at + mixed + 1 : at + mixed + 1 + self._near]], default=0.0
        )
        if not jump and ((not peak and step < FAST) or alike(self._lumas[at - 1], self._lumas[at + mixed])):
            return 0.0
        matched = match(self._lumas[at - 1], self._lumas[at + mixed]) if mixed else self._match(number)
        if matched.other < OTHER:
            return 0.0
        calm = 1 - self._unrest(number, mixed, steps) ** 2
        score = calm * self._lasting(at, mixed, matched.other) if calm * matched.other >= FLOOR else 0.0
        if jump:
            score = max(score, min(1.0, 0.5 * matched.shift / JUMP))
        return score

    def _count_mixed(self, at: int, steps: Sequence[float]) -> int:
        """The number of frames from this place of the deque on that mix the one before them and the one after them."""
        most = 0
        for count in range(1, min(MIXED, len(steps) - 1 - at) + 1):
            path = steps[at : at + count + 1]
            beside = [*steps[max(1, at - 1) : at], *steps[at + count + 1 : at + count + 2]]
            if min(path) < SLIGHT * sum(path) or sum(path) < ABOVE * len(path) * max(beside, default=0.0):
                continue
            before, after = self._lumas[at - 1], self._lumas[at + count]
            whole = difference(before, after)
            if (
                sum(path) <= STRAIGHT * whole
                and all(mixes(self._lumas[n], before, after) for n in range(at, at + count))
                and not (at > 1 and goes_on(difference(self._lumas[at - 2], after), whole, steps[at - 1]))
                and not (beside[1:] and goes_on(difference(before, self._lumas[at + count + 1]), whole, beside[-1]))
            ):
                most = count
        return most

    def _parts_plain(self, at: int, steps: Sequence[float]) -> bool:
        """Whether the frame at this place of the deque is a plain one between two pictures, and no shot by itself.

        Of several plain frames the first and the next picture are cuts of their own.
        """
        if steps[at] < max(LEAST, ABOVE * steps[at - 1]) or at + 1 == len(steps):
            return False
        before, plain, after = (self._lumas[n] for n in (at - 1, at, at + 1))
        if not is_plain(plain) or is_plain(before) or is_plain(after):
            return False
        return not (at > 1 and goes_on(difference(self._lumas[at - 2], plain), steps[at], steps[at - 1]))

    def _lasting(self, at: int, mixed: int, other: float) -> float:
        """The share of the picture that changes at this place of the deque and stays changed: after a flash it is 0.

        `other` is the share that changes at once, and the most that can be returned.
        """
        before, after = self._lumas[at - 1], self._lumas[at + mixed]
        for far in (self._flash // 2, self._flash):
            if other < OTHER:
                break
            if at + mixed + far < len(self._lumas):
                other = min(other, match(before, self._lumas[at + mixed + far]).other)
            if at - 1 - far >= 0:
                other = min(other, match(self._lumas[at - 1 - far], after).other)
        return other

    def _unrest(self, number: int, mixed: int, steps: Sequence[float]) -> float:
        """The larger of the shares of the picture that change one step earlier and one step later, 0 to 1.

        Where the frames beside it are repeated, these are the steps before and after them.
        """
        first, last = self._frames - len(self._lumas), number + mixed + 1
        beside = [near for near in (number - 1, last) if 0 < near < self._frames]
        if all(steps[near - first] < LEAST for near in beside):
            earlier = range(number - 2, max(first, number - 1 - self._near), -1)
            later = range(last + 1, min(self._frames, last + self._near))
            ends = [next((n for n in side if steps[n - first] >= LEAST), None) for side in (earlier, later)]
            shares = [self._match(near).other for near in ends if near is not None and near > first]
            return max((share for share in shares if share < SHOWN), default=0.0)
        return max((self._match(near).other for near in beside), default=0.0)

    def _match(self, number: int) -> Match:
        """The frame compared with the one before it; kept for its neighbours' scores."""
        if number not in self._matches:
            at = number - (self._frames - len(self._lumas))
            self._matches = {n: found for n, found in self._matches.items() if n > number - 2 * self._near - 2}
            self._matches[number] = match(self._lumas[at - 1], self._lumas[at]) if at > 0 else Match(0.0, 0.0)
        return self._matches[number]


class CandidateDetector:
    """Gets every frame in order, and says at once, from past frames only, whether a cut before it is possible.

    In the truth corpus its candidates are all 462 cuts that CutDetector found, and 7 % of the other frames.
    """

    def __init__(self, fps: float) -> None:
        self._differences: deque[float] = deque(maxlen=flash_frames(fps))
        self._last: Image | None = None

    def add(self, luma: Image) -> bool:
        """Whether a cut before this frame is possible; `luma` is uint8 [height, width], about 256 pixels wide."""
        last, self._last = self._last, luma
        step = difference(luma[::4], last[::4]) if last is not None else 0.0  # every fourth line is enough for a guess
        large = step >= LEAST and (step >= FAST or step >= ABOVE * median(self._differences))
        self._differences.append(step)
        return large and last is not None and not alike(halve(last, 1), halve(luma, 1))


def flash_frames(fps: float) -> int:
    """The length of the longest flash, in frames."""
    return max(2, round(FLASH_S * fps))


def mixes(picture: Image, one: Image, other: Image) -> bool:
    """Whether a picture is a mixture of two others, about 128 pixels wide, rather than like either of them."""
    middle, a, b = (halve(each, 1).astype(np.float32) for each in (picture, one, other))
    whole, part = b - a, middle - a
    share = float(np.vdot(part, whole) / max(1.0, np.vdot(whole, whole)))
    if not SLIGHT <= share <= 1 - SLIGHT:
        return False
    left = np.abs(part - share * whole).mean()
    return bool(left <= EXPLAINED * min(np.abs(part).mean(), np.abs(whole - part).mean()))


def is_plain(picture: Image) -> bool:
    """Whether all of a picture has one brightness."""
    return float(cv2.meanStdDev(picture)[1][0, 0]) < PLAIN


def goes_on(longer: float, whole: float, beside: float) -> bool:
    """Whether a step beside a change leads the same way, as within a fade: what they differ by adds up."""
    return beside > TAIL * whole and longer > whole + ONWARD * beside


def alike(one: Image, other: Image) -> bool:
    """Whether two pictures, about 128 pixels wide, are nearly equal as thumbnails: so are frames of rain."""
    return correlation(halve(one, 2), halve(other, 2)) > ALIKE
