"""What was measured along a video, as a model is told it: parts of bearable length, their shots, and what is said."""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise
from math import ceil
from typing import Any, NamedTuple

from stages.core.text.annotation.times import write_time
from stages.core.text.prompts import BYTES_PER_TOKEN

SNAP = 0.25  # of a part's length: as far a border between two parts goes to a cut


class Line(NamedTuple):
    """What is said in a span."""

    start_s: float
    end_s: float
    text: str


class Shot(NamedTuple):
    """A shot, or several of them that follow each other: their number, and what was measured."""

    start_s: float
    end_s: float
    shots: int
    motion: float | None  # frame widths a second
    speech: float | None  # share of the time in which somebody speaks; None: no transcript

    def told(self) -> dict[str, object]:
        """What a prompt says of it."""
        return {
            "start": write_time(self.start_s),
            "end": write_time(self.end_s),
            "shots": self.shots,
            "motion": None if self.motion is None else round(self.motion, 3),
            "speech": None if self.speech is None else f"{self.speech:.0%}",
        }


class Timeline(NamedTuple):
    """What is known of a video by time: where its shots begin, what is said, and the motion of each second."""

    duration_s: float
    begins_s: Sequence[float]  # of the shots, growing
    lines: Sequence[Line]
    motion: Sequence[float | None]  # of each second; empty: not measured

    def parts(self, part_s: float) -> list[tuple[float, float]]:
        """As few equal parts as none is much longer than `part_s`, their borders moved to the nearest cut."""
        count = max(1, ceil(self.duration_s / part_s))
        length_s = self.duration_s / count
        borders = [
            0.0,
            *(self.nearest_cut(number * length_s, SNAP * length_s) for number in range(1, count)),
            self.duration_s,
        ]
        return list(pairwise(borders))

    def nearest_cut(self, at_s: float, within_s: float) -> float:
        """The beginning of the shot that is nearest to a time; the time itself if none is near."""
        place = bisect_left(self.begins_s, at_s)
        near = [cut for cut in self.begins_s[max(0, place - 1) : place + 1] if 0 < abs(cut - at_s) < within_s]
        return min(near, key=lambda cut: abs(cut - at_s), default=at_s)

    def shots(self, start_s: float, end_s: float, most: int) -> list[Shot]:
        """The shots of a part; where there are more than `most`, several that follow each other as one."""
        inside = [begin for begin in self.begins_s if start_s < begin < end_s]
        spans = list(pairwise([start_s, *inside, end_s]))
        size = ceil(len(spans) / most)
        groups = [spans[place : place + size] for place in range(0, len(spans), size)]
        return [self.measured(group[0][0], group[-1][1], len(group)) for group in groups]

    def measured(self, start_s: float, end_s: float, shots: int) -> Shot:
        seconds = self.motion[int(start_s) : max(int(start_s) + 1, ceil(end_s))]
        known = [value for value in seconds if value is not None]
        motion = sum(known) / len(known) if known else None
        return Shot(start_s, end_s, shots, motion, self.speech_share(start_s, end_s) if self.lines else None)

    def speech_share(self, start_s: float, end_s: float) -> float:
        """The share of a span in which somebody speaks, by the times of the transcript."""
        spoken_s, until_s = 0.0, start_s
        for line in self.lines:
            begin, end = max(line.start_s, until_s), min(line.end_s, end_s)
            if end > begin:
                spoken_s += end - begin
                until_s = end
        return spoken_s / (end_s - start_s) if end_s > start_s else 0.0

    def said(self, start_s: float, end_s: float, tokens: int) -> list[dict[str, str]]:
        """What is said in a part, until about so many tokens are full."""
        told, left = [], tokens * BYTES_PER_TOKEN
        for line in self.lines:
            if start_s <= line.start_s < end_s:
                left -= len(line.text.encode()) + len(write_time(line.start_s))
                if left < 0:
                    break
                told.append({"start": write_time(line.start_s), "text": line.text})
        return told


def make_timeline(
    duration_s: float,
    begins_s: Sequence[float],
    lines: Sequence[Sequence[Any]],
    signals: Sequence[Sequence[Any]],
    offset_s: float = 0.0,
) -> Timeline:
    """A timeline of columns: of the transcript the start, end and text of its lines, of signals the second and motion.

    Times of the transcript are `offset_s` later than in the video.
    """
    said = sorted(
        Line(start - offset_s, end - offset_s, " ".join(text.split()))
        for start, end, text in zip(*lines, strict=True)
        if text and text.strip() and start is not None and end is not None
    )
    by_second = dict(zip(*signals, strict=True))
    motion = [by_second.get(second) for second in range(max(by_second, default=-1) + 1)]
    return Timeline(duration_s, sorted(begins_s), said, motion)
