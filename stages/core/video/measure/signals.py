"""Samples of signals reduced to whole seconds, and to the whole video."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stages.core.schema.second import MEASURED, Signal

Floats = NDArray[np.float64]


class Samples(NamedTuple):
    """A signal's samples in order of time: float64 [n] each, times in seconds.

    A sample belongs to [start_s, end_s); of a single moment both are the same.
    """

    start_s: Floats
    end_s: Floats
    values: Floats


def make_samples(start_s: Sequence[float], end_s: Sequence[float], values: Sequence[float]) -> Samples:
    """Samples of any sequences of numbers."""
    return Samples(*(np.asarray(each, dtype=np.float64) for each in (start_s, end_s, values)))


def per_second(
    samples: Mapping[str, Samples], last_s: float, end_s: float, signals: Iterable[Signal] = MEASURED
) -> list[dict[str, object]]:
    """A row as SIGNALS has it, without the video's id, for each second [k, k + 1) up to that of `last_s`.

    `last_s` is when the last frame begins, `end_s` when it ends. A value is None where the second has no sample. Raises
    KeyError for a signal without samples, which may be empty.
    """
    count = int(last_s) + 1
    columns = {one.name: REDUCE[one.second](samples[one.name], end_s, count) for one in signals if one.second}
    return [{"second": n, **{name: values[n] for name, values in columns.items()}} for n in range(count)]


def over_video(samples: Mapping[str, Samples], signals: Iterable[Signal] = MEASURED) -> dict[str, float | None]:
    """The means over all samples as VIDEO has them; None for a signal whose samples are empty."""
    return {one.name: mean(samples[one.name].values) for one in signals if one.video}


def mean(values: Floats) -> float | None:
    return float(values.mean()) if len(values) else None


def means(samples: Samples, end_s: float, count: int) -> list[float | None]:
    """Mean value of the samples that begin in each of the first `count` seconds; None for a second without any."""
    second = samples.start_s.astype(np.int64)
    inside = (second >= 0) & (second < count)
    sums = np.bincount(second[inside], weights=samples.values[inside], minlength=count)
    numbers = np.bincount(second[inside], minlength=count)
    return [float(s / n) if n else None for s, n in zip(sums, numbers, strict=True)]


def shares(samples: Samples, end_s: float, count: int) -> list[float | None]:
    """The share of each of the first `count` seconds that lies in a sample, 0 to 1; the last one ends at `end_s`.

    The samples do not overlap; their values do not matter.
    """
    covered_s = np.zeros(count)
    for start, end in zip(samples.start_s, samples.end_s, strict=True):
        seconds = np.arange(int(start), min(count, int(end) + 1))
        covered_s[seconds] += np.minimum(seconds + 1, end) - np.maximum(seconds, start)
    lengths_s = np.minimum(1, end_s - np.arange(count))
    return [float(share) for share in np.clip(covered_s / lengths_s, 0, 1)]


def peaks(samples: Samples, end_s: float, count: int) -> list[float | None]:
    """Largest value of the samples that begin in each of the first `count` seconds; None for a second without any."""
    highest = np.full(count, np.nan)
    second = samples.start_s.astype(np.int64)
    inside = (second >= 0) & (second < count)
    np.fmax.at(highest, second[inside], samples.values[inside])
    return [None if np.isnan(value) else float(value) for value in highest]


# How the samples of a signal become one value a second: by `Signal.second`.
REDUCE: Mapping[str, Callable[[Samples, float, int], list[float | None]]] = {
    "mean": means,
    "peak": peaks,
    "share": shares,
}
