"""Gradual changes from shot to shot: dissolves, wipes and fades, with where they begin and end."""

from array import array
from collections import deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.core.video.measure.fades import fades
from stages.core.video.measure.match import correlation, match
from stages.core.video.read.frames import Image, halved

AT_ONCE = 24  # frames that are looked at together: between frames that are decoded, one alone takes twice as long
LENGTHS_S = (0.2, 0.28, 0.4, 0.55, 0.75, 1.0, 1.4, 2.0, 2.6, 3.1)
LONGEST_S = LENGTHS_S[-1]
SEARCH_S = 1.0
PLACES = 9  # moments of a window that are looked at
ALPHA = np.linspace(0, 1, PLACES)

OTHER = 0.55  # of the picture must be another scene after the change
TOGETHER = 1.75  # sum of how much the middle differs from either end: of a pan it is nothing like both, so nearly 2
EITHER = 0.2  # least that it differs from each: else nothing happened in one half
SMOOTH = 0.57  # two frames in a row differ by less, but for whip pans
BACK_S = (0.5, 1.0, 1.5, 2.0, 2.5)  # what looks like before so long after was hidden for a moment
BACK = 0.45
DIP = 0.68  # of the texture halfway; 0.5 where both pictures have as much of it
FADED = 0.9  # score of a fade
BLEND = 1.7  # score lost per error of the dissolve's curve
CHANGED = 8.0  # mean levels by which the ends differ at least
ALIKE = 0.85  # correlation of two small pictures of one scene
TRAVEL = 0.25  # widths that a camera may pan within a change, unless its middle is
PANNED = 1.5  # clearly something of both ends
FASTEST = 1.25  # widths a second: a whip pan or zoom blurs the picture, which dips its texture as well
STEADY = 0.8  # share of all movement that leads from the first to the last picture; below it is no wipe


class Window(NamedTuple):
    """Frames [start, end], the last of the old shot alone and the first of the new one alone, with a chance, 0 to 1."""

    score: float
    start: int
    end: int
    faded: bool = False


class GradualDetector:
    """Feed it every frame in order; `found` gives each change when no better window can overlap it, in order.

    A dissolve mixes two pictures that know nothing of each other, so the texture (energy of the gradient) of what is
    mixed dips: from A to B with share a it is (1 - a)^2 A + a^2 B, whatever moves in them. Windows of all lengths are
    held against this curve. In a wipe, and in a dissolve of pictures that stand still, each place changes once and for
    good: the sum of all changes is no more than the difference of the ends. In a fade the texture vanishes (fades.py).
    What fits is then looked at (see match.py): are the ends different scenes, is the middle something of both, and does
    the first scene not come back as it does behind what passes the camera.
    """

    def __init__(self, fps: float) -> None:
        self._fps = fps
        self._lengths = sorted({max(3, round(length_s * fps) + 1) for length_s in LENGTHS_S})
        self._search = max(1, round(SEARCH_S * fps))
        self._ahead = round(max(BACK_S) * fps)
        self.delay_frames = 2 * self._lengths[-1] + self._ahead + self._search
        kept = 2 * self._lengths[-1] + self._ahead + 2 * self._search + AT_ONCE
        self._lumas: deque[Image] = deque(maxlen=kept)
        self._thumbs: deque[NDArray[np.float32]] = deque(maxlen=kept)
        self._texture = array("d")  # of all frames
        self._searched = 0
        self._waiting: list[Window] = []
        self._looked: dict[Window, bool] = {}

    def add(self, luma: Image) -> None:
        """`luma` is uint8 [height, width], about 128 pixels wide."""
        half = halved(luma, 1)
        self._lumas.append(luma)
        self._thumbs.append(halved(half, 1).astype(np.float32).ravel())
        sideways = cv2.norm(half[:, 1:], half[:, :-1], cv2.NORM_L2SQR)
        self._texture.append((sideways + cv2.norm(half[1:], half[:-1], cv2.NORM_L2SQR)) / half.size)

    def found(self, cuts: Sequence[int], ended: bool = False) -> Iterator[Window]:
        """The changes that have become certain; `cuts` are the hard cuts of all frames but the last few, sorted.

        To be asked for every AT_ONCE frames.
        """
        frames = len(self._texture)
        end = frames if ended else frames - self._ahead
        if end - self._searched < (1 if ended else self._search):
            return
        begin, self._searched = self._searched, end
        self._waiting += [w for w in self._candidates(begin, end, cuts) if w.score > 0]
        self._waiting.sort(key=lambda window: (-window.score, window.start))
        best: list[Window] = []
        for window in self._waiting:
            if not any(overlap(window, other) for other in best) and self._good(window):
                best.append(window)
        certain = [w for w in best if ended or w.end + self._lengths[-1] <= end]
        self._waiting = [
            w for w in self._waiting if not any(overlap(w, c) for c in certain) and w.end + self._lengths[-1] > end
        ]
        self._waiting = [w for w in self._waiting if self._looked.get(w, True)]
        self._looked = {w: good for w, good in self._looked.items() if good and w in self._waiting}
        yield from sorted(certain, key=lambda window: window.start)

    def _candidates(self, begin: int, end: int, cuts: Sequence[int]) -> Iterator[Window]:
        """Windows whose last frame lies in [begin, end) and that hold no cut."""
        texture = np.frombuffer(self._texture)
        for start, stop in fades(texture, begin, end, self._lengths[-1], cuts):
            yield Window(FADED, start, stop, faded=True)
        hard = np.asarray(cuts, dtype=np.int64)
        needed = len(self._texture) - max(0, begin - self._lengths[-1])
        thumbs = np.stack(list(self._thumbs)[-needed:])
        for length in self._lengths:
            step = max(1, length // PLACES)
            starts = np.arange(max(0, -(-(begin - length) // step)) * step, end - length, step)
            starts = starts[hard.searchsorted(starts, "right") == hard.searchsorted(starts + length, "right")]
            if len(starts):
                yield from self._dissolves(texture, starts, length)
                yield from self._wipes(thumbs, starts[:: PLACES // 4], length)

    def _dissolves(self, texture: NDArray[np.float64], starts: NDArray[np.int64], length: int) -> Iterator[Window]:
        span = texture[starts[0] : starts[-1] + length + 1]
        if span.min() > DIP * span.max():
            return
        at = starts[:, None] - starts[0] + ALPHA * length
        seen = np.interp(at, np.arange(len(span)), span)
        first, last = seen[:, :1], seen[:, -1:]
        straight = (1 - ALPHA) * first + ALPHA * last
        mixed = (1 - ALPHA) ** 2 * first + ALPHA**2 * last
        error = np.abs(seen - mixed)[:, 1:-1].mean(1) / ((straight - mixed)[:, 1:-1].mean(1) + 1)
        dip = (seen / (straight + 0.5))[:, 2:-2].min(1)
        for n in np.flatnonzero((dip < DIP) & (seen[:, [0, -1]].min(1) > 3) & (error * BLEND < 1)):
            yield Window(1 - BLEND * float(error[n]), int(starts[n]), int(starts[n]) + length)

    def _wipes(self, thumbs: NDArray[np.float32], starts: NDArray[np.int64], length: int) -> Iterator[Window]:
        oldest = len(self._texture) - len(thumbs)
        starts = starts[starts >= oldest]
        whole = np.abs(thumbs[starts - oldest + length] - thumbs[starts - oldest]).mean(1)
        starts, whole = starts[whole >= CHANGED], whole[whole >= CHANGED]
        if not len(starts):
            return
        places = (starts - oldest)[:, None] + np.round(ALPHA * length).astype(np.int64)
        steps = np.abs(np.diff(thumbs[places], axis=1)).mean(2)
        moved = steps.sum(1)
        straight = (whole / moved - STEADY) / (1 - STEADY)
        for n in np.flatnonzero((straight > 0) & (steps.max(1) < 0.5 * moved)):
            # the window that holds all of the change, and nothing else
            score = float(straight[n] * whole[n] / (whole[n] + CHANGED / 2)) - 0.03 * length / self._lengths[-1]
            yield Window(score, int(starts[n]), int(starts[n]) + length)

    def _good(self, window: Window) -> bool:
        """Whether the scene changes in it; looked at once."""
        if window not in self._looked:
            self._looked[window] = self._changes_scene(window)
        return self._looked[window]

    def _changes_scene(self, window: Window) -> bool:
        oldest = len(self._texture) - len(self._lumas)
        start, end = window.start - oldest, window.end - oldest
        if start < 0 or correlation(self._thumbs[start], self._thumbs[end]) > ALIKE or self._other(start, end) < OTHER:
            return False
        middle = (start + end) // 2
        before, after = self._other(start, middle), self._other(middle, end)
        return window.faded or (
            min(before, after) >= EITHER
            and before + after <= TOGETHER
            and not self._comes_back(start, end)
            and self._is_smooth(start, end)
            and (before + after < PANNED or self._travel(start, end) < TRAVEL)
        )

    def _other(self, one: int, other: int) -> float:
        return match(self._lumas[one], self._lumas[other]).other

    def _comes_back(self, start: int, end: int) -> bool:
        """Whether the scene before is seen again soon, as behind what passes the camera."""
        later = (end + round(far_s * self._fps) for far_s in BACK_S)
        return any(self._other(start, at) < BACK for at in later if at < len(self._lumas))

    def _is_smooth(self, start: int, end: int) -> bool:
        """Whether even the largest steps from frame to frame stay in one scene, and leave it in its place."""
        thumbs = np.stack([self._thumbs[n] for n in range(start, end + 1)])
        largest = np.argsort(np.abs(np.diff(thumbs, axis=0)).sum(1))[-3:]
        steps = [match(self._lumas[start + int(n)], self._lumas[start + int(n) + 1]) for n in largest]
        return all(step.other < SMOOTH and step.shift * self._fps < FASTEST for step in steps)

    def _travel(self, start: int, end: int) -> float:
        """How far the picture moves on the way, in widths."""
        steps = np.linspace(start, end - 1, 5).round().astype(int)
        return (end - start) * float(np.mean([match(self._lumas[n], self._lumas[n + 1]).shift for n in steps]))


def overlap(one: Window, other: Window) -> bool:
    return one.start < other.end and other.start < one.end
