"""Measurements of single moments gathered into whole seconds, and over the whole video."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from stages.core.video.measure.freeze import Span
from stages.core.video.measure.look import Look
from stages.core.video.measure.motion import Sample

LOOKS = ("luma", "contrast", "black", "white", "sharpness", "colour")
SPEEDS = {"motion": "mean", "moving": "moving", "camera": "camera", "object": "object"}


def per_second(
    end_s: float,
    *,
    looks: Sequence[Look],
    motion: Sequence[Sample],
    frozen: Sequence[Span],
    times_s: Sequence[float],
    cut_scores: Sequence[float],
) -> list[dict[str, object]]:
    """A record for each second [k, k + 1) up to the last frame's, as SIGNALS has it.

    Means of the samples that begin in it, share of it that is frozen, its largest cut score (`cut_scores` has one for
    each of `times_s`); None where it has no sample.
    """
    count = int(times_s[-1]) + 1
    at_s = np.array([one.time_s for one in looks])
    columns = {name: means(at_s, column(looks, name), count) for name in LOOKS}
    at_s = np.array([one.start_s for one in motion])
    columns |= {name: means(at_s, column(motion, field), count) for name, field in SPEEDS.items()}
    columns["frozen"] = shares(frozen, end_s, count)
    columns["cut_score"] = peaks(times_s, cut_scores, count)
    return [{"second": n, **{name: values[n] for name, values in columns.items()}} for n in range(count)]


def overall(looks: Sequence[Look], motion: Sequence[Sample]) -> Mapping[str, float | None]:
    """Means over all samples, under the names that VIDEO has; None where there are none."""
    found = {name: mean(column(looks, name)) for name in LOOKS}
    found |= {name: mean(column(motion, field)) for name, field in SPEEDS.items()}
    return found | {f"motion_{field}": mean(column(motion, field)) for field in ("median", "p90")}


def column(samples: Sequence[Look] | Sequence[Sample], field: str) -> NDArray[np.float64]:
    return np.array([getattr(one, field) for one in samples], dtype=np.float64)


def mean(values: NDArray[np.float64]) -> float | None:
    return float(values.mean()) if len(values) else None


def means(at_s: NDArray[np.float64], values: NDArray[np.float64], count: int) -> list[float | None]:
    """Mean value of the samples in each second; None for a second that has none."""
    second = at_s.astype(np.int64)
    inside = (second >= 0) & (second < count)
    sums = np.bincount(second[inside], weights=values[inside], minlength=count)
    numbers = np.bincount(second[inside], minlength=count)
    return [float(s / n) if n else None for s, n in zip(sums, numbers, strict=True)]


def shares(spans: Sequence[Span], end_s: float, count: int) -> list[float | None]:
    """The share of each second that lies in the spans, 0 to 1; the last second ends at `end_s`."""
    covered_s = np.zeros(count)
    for start, end in spans:
        seconds = np.arange(int(start), min(count, int(end) + 1))
        covered_s[seconds] += np.minimum(seconds + 1, end) - np.maximum(seconds, start)
    lengths_s = np.minimum(1, end_s - np.arange(count))
    return [float(share) for share in np.clip(covered_s / lengths_s, 0, 1)]


def peaks(times_s: Sequence[float], values: Sequence[float], count: int) -> list[float | None]:
    """Largest value in each second; None for a second that has none."""
    highest = np.full(count, np.nan)
    second = np.asarray(times_s).astype(np.int64)
    inside = (second >= 0) & (second < count)
    np.fmax.at(highest, second[inside], np.asarray(values, dtype=np.float64)[inside])
    return [None if np.isnan(value) else float(value) for value in highest]
