"""How what was measured on a film compares with what is known of it: cuts, gradual changes, freezes, motion.

Frames are numbers from 0. A cut lies before its frame. A gradual change is [start, end]: the first frame that is not
purely the old shot, the first that is purely the new one. Spans of freezes are seconds.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

Span = tuple[float, float]
Interval = tuple[int, int]

EDGE = 1  # a cut so many frames beside a gradual change belongs to it


@dataclass(frozen=True)
class Score:
    """How many were found, and the frames of what was found wrongly and of what was missed."""

    hits: int = 0
    wrong: tuple[int, ...] = ()
    missed: tuple[int, ...] = ()

    def __add__(self, other: "Score") -> "Score":
        return Score(self.hits + other.hits, self.wrong + other.wrong, self.missed + other.missed)

    @property
    def precision(self) -> float:
        """1 where nothing was found, since nothing was wrong then."""
        return self.hits / (self.hits + len(self.wrong)) if self.hits + len(self.wrong) else 1.0

    @property
    def recall(self) -> float:
        """1 where there was nothing to find."""
        return self.hits / (self.hits + len(self.missed)) if self.hits + len(self.missed) else 1.0

    @property
    def f1(self) -> float:
        return 2 * self.precision * self.recall / max(1e-9, self.precision + self.recall)

    @property
    def errors(self) -> int:
        return len(self.wrong) + len(self.missed)


def total(scores: Iterable[Score]) -> Score:
    return sum(scores, Score())


def score_cuts(
    cuts: Sequence[int], graduals: Sequence[Interval], found: Sequence[int], *, strict: bool, tolerance: int = 0
) -> Score:
    """Found cuts against the true ones, each of which is met by one at most.

    What lies in a gradual change, or EDGE beside it, is an error if `strict` and does not count otherwise.
    """
    left, wrong = list(cuts), []
    for cut in sorted(found):
        nearest = min(left, key=lambda true: abs(true - cut), default=None)
        if nearest is not None and abs(nearest - cut) <= tolerance:
            left.remove(nearest)
        elif strict or not any(start - EDGE <= cut <= end + EDGE for start, end in graduals):
            wrong.append(cut)
    return Score(len(cuts) - len(left), tuple(wrong), tuple(left))


def score_graduals(graduals: Sequence[Interval], found: Sequence[Interval], cuts: Sequence[int]) -> Score:
    """Found gradual changes against the true ones: right if their middle lies in one, which counts once.

    A found cut inside a true one finds it as well; other cuts are score_cuts' affair.
    """
    spans = [*found, *((cut, cut) for cut in cuts)]
    met: set[int] = set()
    wrong = []
    for n, (start, end) in enumerate(spans):
        around = [k for k, (begin, over) in enumerate(graduals) if begin <= (start + end) / 2 <= over]
        if around and around[0] not in met:
            met.add(around[0])
        elif n < len(found):  # the second cut within a change is no change of its own
            wrong.append(start)
    return Score(len(met), tuple(wrong), tuple(graduals[k][0] for k in range(len(graduals)) if k not in met))


def same_spans(ours: Sequence[Span], theirs: Sequence[Span], within_s: float) -> bool:
    """As many spans, each beginning and ending at the same time, but for so much."""
    return len(ours) == len(theirs) and all(
        abs(a - b) <= within_s + 1e-6
        for one, other in zip(ours, theirs, strict=True)
        for a, b in zip(one, other, strict=True)
    )


def share(spans: Sequence[Span], length_s: float) -> float:
    """Share of the time that lies in the spans."""
    return sum(end - start for start, end in spans) / length_s


def mean_within(values: Sequence[float | None], start_s: float, end_s: float) -> float | None:
    """Mean of the values, one a second, of the whole seconds within a span; of all it touches where it has none."""
    whole = [
        value for n, value in enumerate(values) if value is not None and start_s - 0.01 <= n and n + 1 <= end_s + 0.01
    ]
    some = whole or [v for n, v in enumerate(values) if v is not None and n < end_s and n + 1 > start_s]
    return sum(some) / len(some) if some else None


def spread(values: Sequence[float]) -> float:
    """By how much the largest is more than the smallest, as a share of that."""
    return max(values) / max(1e-9, min(values)) - 1


def best(scores: Mapping[str, Score]) -> str:
    """The name of the best by F1, the first of those."""
    return max(scores, key=lambda name: scores[name].f1)
