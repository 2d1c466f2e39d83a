"""Measurements of single moments gathered into whole seconds."""

from collections.abc import Iterable, Sequence

import numpy as np

from stages.core.video.freeze import Span, share
from stages.core.video.look import Look
from stages.core.video.motion import Sample


def per_second(
    end_s: float,
    *,
    looks: Sequence[Look],
    motion: Sequence[Sample],
    frozen: Sequence[Span],
    times_s: Sequence[float],
    cut_scores: Sequence[float],
) -> list[dict[str, object]]:
    """A record for each second [k, k + 1) up to the last frame's: second, luma, sharpness, motion, frozen, cut_score.

    Means of the samples that begin in it, share of it that is frozen, its largest cut score (`cut_scores` has one for
    each of `times_s`); None where it has no sample.
    """
    count = int(times_s[-1]) + 1
    columns = zip(
        means(((look.time_s, look.luma) for look in looks), count),
        means(((look.time_s, look.sharpness) for look in looks), count),
        means(((sample.start_s, sample.widths_per_s) for sample in motion), count),
        [share(frozen, second, min(second + 1, end_s)) for second in range(count)],
        peaks(times_s, cut_scores, count),
        strict=True,
    )
    names = ("luma", "sharpness", "motion", "frozen", "cut_score")
    return [{"second": second, **dict(zip(names, row, strict=True))} for second, row in enumerate(columns)]


def means(samples: Iterable[tuple[float, float]], count: int) -> list[float | None]:
    """Mean value of the samples (time_s, value) in each second; None for a second that has none."""
    sums, numbers = np.zeros(count), np.zeros(count)
    for time_s, value in samples:
        if 0 <= (second := int(time_s)) < count:
            sums[second] += value
            numbers[second] += 1
    return [float(s / n) if n else None for s, n in zip(sums, numbers, strict=True)]


def peaks(times_s: Sequence[float], values: Sequence[float], count: int) -> list[float | None]:
    """Largest value in each second; None for a second that has none."""
    highest = np.full(count, np.nan)
    second = np.asarray(times_s).astype(np.int64)
    inside = (second >= 0) & (second < count)
    np.fmax.at(highest, second[inside], np.asarray(values, dtype=np.float64)[inside])
    return [None if np.isnan(value) else float(value) for value in highest]
