"""Finds gradual transitions between shots: dissolves, wipes and fades, with their first and last frames."""

from array import array
from collections import deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.core.video.measure.fades import FAINT, SEEN, fades, fades_out
from stages.core.video.measure.match import correlation, match
from stages.core.video.measure.mixture import STEPS, evidence, uneven
from stages.core.video.read.frames import Image, halve

AT_ONCE = 24  # frames measured together: after a decode the caches are cold, so one alone takes twice as long
# Lengths of the windows that are tried.
LENGTHS_S = (0.2, 0.28, 0.4, 0.55, 0.75, 1.0, 1.4, 2.0, 2.6, 3.1)
LONGEST_S = LENGTHS_S[-1]
SEARCH_S = 1.0  # windows are searched once a second
PLACES = 9  # moments of a window that are compared
ALPHA = np.linspace(0, 1, PLACES)

FLOOR = 0.25  # windows that score less are not examined, and are no candidates
OTHER = 0.55  # least share of the picture that is another scene after the transition
TOGETHER = 1.75  # largest sum of the middle's differences from both ends; in a pan it is like neither: nearly 2
EITHER = 0.2  # least difference of the middle from each end: else nothing happened in one half
SMOOTH = 0.57  # largest difference of two frames in a row; in whip pans it is more
BACK_S = (0.5, 1.0, 1.5, 2.0, 2.5)  # if the old scene is back after one of these, something passed the camera
BACK = 0.45  # difference from the old scene below which it is back
DIP = 0.68  # largest ratio of the texture halfway to that of the ends; 0.5 where these have the same texture
FADED = 0.9  # score of a fade
FAINTER = 0.6  # least correlation of the picture that a fade shows with what it shows of it before
SHOWN = 0.13  # least share of blocks with content in that picture
BLEND = 1.7  # score lost per unit of error against the dissolve's curve
CHANGED = 8.0  # least mean difference of the ends of a wipe, in levels of 255
ALIKE = 0.85  # correlation of two thumbnails above which they show one scene
TRAVEL = 0.25  # frame widths that a camera may pan within a transition, unless the sum for TOGETHER is below
PANNED = 1.5  # this: then the middle clearly shows both ends
FASTEST = 1.25  # frame widths a second; faster pans and zooms blur the picture, so that its texture dips as well
STEADY = 0.7  # least ratio, in a wipe, of the ends' difference to the sum of all steps between them


class Window(NamedTuple):
    """From the last frame of the old shot only, `start`, to the first of the new shot only, `end`; score 0 to 1.

    A fade from the first frame on has no old shot, and starts at -1; one to the last frame has no new one, and ends
    behind that.
    """

    score: float
    start: int
    end: int
    faded: bool = False


class GradualDetector:
    """Gets every frame in order; `find` gives each gradual transition once no better window can overlap it.

    A dissolve mixes two unrelated pictures, so the texture (mean squared gradient) of the mixture dips: from A to B
    with share a it is (1 - a)^2 A + a^2 B, whatever moves in them. Windows of all lengths are compared with this curve.
    In a wipe, and in a dissolve of still pictures, each pixel changes once: the sum of all steps is the difference of
    the ends. In a fade the texture vanishes (fades.py). The windows that fit are examined (see match.py): the ends must
    be different scenes, the middle must show both, and the first scene must not come back, as it does behind something
    that passes the camera.
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
        self._examined: dict[Window, bool] = {}

    def add(self, luma: Image) -> None:
        """`luma` is uint8 [height, width], about 128 pixels wide."""
        half = halve(luma, 1)
        self._lumas.append(luma)
        self._thumbs.append(halve(half, 1).astype(np.float32).ravel())
        sideways = cv2.norm(half[:, 1:], half[:, :-1], cv2.NORM_L2SQR)
        self._texture.append((sideways + cv2.norm(half[1:], half[:-1], cv2.NORM_L2SQR)) / half.size)

    def find(self, cuts: Sequence[int], ended: bool = False) -> Iterator[Window]:
        """The transitions that have become certain since the last call, in order; call it every AT_ONCE frames.

        `cuts` are the frames of hard cuts so far, sorted, those of the last few frames excepted. `ended`: there are no
        more frames.
        """
        frames = len(self._texture)
        end = frames if ended else frames - self._ahead
        if end - self._searched < (1 if ended else self._search):
            return
        begin, self._searched = self._searched, end
        self._waiting += [w for w in self._candidates(begin, end, cuts, ended) if w.score >= FLOOR]
        self._waiting.sort(key=lambda window: (-window.score, window.start))
        best: list[Window] = []
        for window in self._waiting:
            if not any(overlap(window, other) for other in best) and self._good(window):
                best.append(window)
        certain = [w for w in best if ended or w.end + self._lengths[-1] <= end]
        self._waiting = [
            w for w in self._waiting if not any(overlap(w, c) for c in certain) and w.end + self._lengths[-1] > end
        ]
        self._waiting = [w for w in self._waiting if self._examined.get(w, True)]
        self._examined = {w: good for w, good in self._examined.items() if good and w in self._waiting}
        yield from sorted(certain, key=lambda window: window.start)

    def _candidates(self, begin: int, end: int, cuts: Sequence[int], ended: bool) -> Iterator[Window]:
        """Windows whose last frame lies in [begin, end) and that contain no cut."""
        texture = np.frombuffer(self._texture)
        longest = self._lengths[-1]
        across, out = (
            fades(texture, begin, end, longest, cuts),
            fades_out(texture, begin, end, longest, cuts, ended=ended),
        )
        yield from (Window(FADED, int(start), int(stop), faded=True) for start, stop in (*across, *out))
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
        """The windows of this length whose texture follows the curve of a dissolve."""
        span = texture[starts[0] : starts[-1] + length + 1]
        if span.min() > DIP * span.max():
            return
        at = starts[:, None] - starts[0] + ALPHA * length
        measured = np.interp(at, np.arange(len(span)), span)
        first, last = measured[:, :1], measured[:, -1:]
        straight = (1 - ALPHA) * first + ALPHA * last
        mixed = (1 - ALPHA) ** 2 * first + ALPHA**2 * last
        error = np.abs(measured - mixed)[:, 1:-1].mean(1) / ((straight - mixed)[:, 1:-1].mean(1) + 1)
        dip = (measured / (straight + 0.5))[:, 2:-2].min(1)
        for n in np.flatnonzero((dip < DIP) & (measured[:, [0, -1]].min(1) > 3) & (error * BLEND < 1)):
            yield Window(1 - BLEND * float(error[n]), int(starts[n]), int(starts[n]) + length)

    def _wipes(self, thumbs: NDArray[np.float32], starts: NDArray[np.int64], length: int) -> Iterator[Window]:
        """The windows of this length in which each pixel changes once; `thumbs`: the last frames, [frames, pixels]."""
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
            # highest for the shortest window that contains the whole transition
            score = float(straight[n] * whole[n] / (whole[n] + CHANGED / 2)) - 0.03 * length / self._lengths[-1]
            yield Window(score, int(starts[n]), int(starts[n]) + length)

    def _good(self, window: Window) -> bool:
        """Whether the scene changes in the window; computed once for each."""
        if window not in self._examined:
            self._examined[window] = self._changes_scene(window)
        return self._examined[window]

    def _changes_scene(self, window: Window) -> bool:
        oldest = len(self._texture) - len(self._lumas)
        start = max(0, window.start) - oldest  # a fade at the edge of the video has plain frames alone on that side
        end = min(window.end, len(self._texture) - 1) - oldest
        if start < 0 or correlation(self._thumbs[start], self._thumbs[end]) > ALIKE:
            return False
        plainer, richer = sorted(map(self._texture_at, (start, end)))
        if window.faded and plainer < max(SEEN, FAINT * richer):
            return self._appears(start, end)
        if self._other(start, end) < OTHER:
            return False
        middle = (start + end) // 2
        before, after = self._other(start, middle), self._other(middle, end)
        return window.faded or (
            min(before, after) >= EITHER
            and before + after <= TOGETHER
            and not self._comes_back(start, end)
            and self._is_smooth(start, end)
            and (before + after < PANNED or self._travel(start, end) < TRAVEL)
            and self._evidence(start, end) > 0
        )

    def _appears(self, start: int, end: int) -> bool:
        """Whether a picture that fills the frame appears from plain frames, or vanishes, all of it at once."""
        shown, plain = (end, start) if self._texture_at(end) > self._texture_at(start) else (start, end)
        halfway = self._thumbs[round(0.7 * shown + 0.3 * plain)]
        return uneven(self._lumas[shown]) >= SHOWN and correlation(halfway, self._thumbs[shown]) > FAINTER

    def _texture_at(self, place: int) -> float:
        return self._texture[len(self._texture) - len(self._lumas) + place]

    def _other(self, one: int, other: int) -> float:
        return match(self._lumas[one], self._lumas[other]).other

    def _comes_back(self, start: int, end: int) -> bool:
        """Whether the old scene is back soon after, as behind something that passes the camera."""
        later = (end + round(far_s * self._fps) for far_s in BACK_S)
        return any(self._other(start, at) < BACK for at in later if at < len(self._lumas))

    def _is_smooth(self, start: int, end: int) -> bool:
        """Whether even the largest steps from frame to frame stay in one scene and hardly shift it."""
        thumbs = np.stack([self._thumbs[n] for n in range(start, end + 1)])
        largest = np.argsort(np.abs(np.diff(thumbs, axis=0)).sum(1))[-3:]
        steps = [match(self._lumas[start + int(n)], self._lumas[start + int(n) + 1]) for n in largest]
        return all(step.other < SMOOTH and step.shift * self._fps < FASTEST for step in steps)

    def _evidence(self, start: int, end: int) -> float:
        """Above 0 if one scene turns into another, and neither motion nor a change of light explains the pictures."""
        places = np.linspace(start, end, min(STEPS, end - start) + 1).round().astype(int)
        return evidence(self._other(start, end), [self._lumas[n] for n in places])

    def _travel(self, start: int, end: int) -> float:
        """How far the picture moves from start to end, in frame widths."""
        steps = np.linspace(start, end - 1, 5).round().astype(int)
        return (end - start) * float(np.mean([match(self._lumas[n], self._lumas[n + 1]).shift for n in steps]))


def overlap(one: Window, other: Window) -> bool:
    return one.start < other.end and other.start < one.end
