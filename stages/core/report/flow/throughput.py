"""How many items the steps did over time: the rows of each chunk, spread over the time that its last attempt took."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from slurm.record.manifest import Step
from stages.core.report.flow.lineage import unit

BINS = 120
IDLE_S = 60.0  # a time without work is left out if it is longer than this …
IDLE_SHARE = 0.1  # … and than this share of the time with work

Numbers = np.ndarray[tuple[int], np.dtype[np.float64]]


class Rate(NamedTuple):
    """Of a step: items an hour in each bin, and over all the time that it was worked on."""

    step: Step
    unit: str
    items: int
    per_hour: list[float]
    mean: float


class Throughput(NamedTuple):
    """`breaks`: where time without work was left out, as a share of the axis, and how long that was."""

    started: float  # seconds since 1970
    ended: float
    breaks: list[tuple[float, float]]
    rates: list[Rate]


def read_throughput(steps: Sequence[Step]) -> Throughput | None:
    """Of the steps that work on items; None if none of them is known to have taken time."""
    works = {}
    for step in steps:
        records = [d for d in step.all_done() if d.ended and d.seconds > 0 and d.rows_in] if step.plan.item_keys else []
        if records:
            works[step.name] = step, np.array([(d.ended - d.seconds, d.ended, d.rows_in) for d in records])
    if not works:
        return None
    spans = merge(np.concatenate([times[:, :2] for _, times in works.values()]))
    lengths = np.array([end - start for start, end in spans])
    offsets = np.concatenate([[0.0], np.cumsum(lengths)])
    total = float(offsets[-1])
    gaps = [after[0] - before[1] for before, after in pairwise(spans)]
    edges = np.linspace(0, total, BINS + 1)
    bin_h = total / BINS / 3600
    rates = []
    for step, times in works.values():
        started, ended = (place(spans, offsets, times[:, side]) for side in (0, 1))
        done = np.array([(times[:, 2] * progress(started, ended, edge)).sum() for edge in edges])
        busy = sum(end - start for start, end in merge(times[:, :2]))
        items = int(times[:, 2].sum())
        per_hour = [float(rate) for rate in np.diff(done) / bin_h]
        rates.append(Rate(step, unit(step.plan.item_key), items, per_hour, items / busy * 3600))
    breaks = [(float(offset / total), gap) for offset, gap in zip(offsets[1:-1], gaps, strict=True)]
    return Throughput(spans[0][0], spans[-1][1], breaks, rates)


def merge(times: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> list[tuple[float, float]]:
    """The spans in which there was work, without the long pauses between them."""
    ordered = sorted((float(start), float(end)) for start, end in times)
    covered, reach = 0.0, ordered[0][0]
    for start, end in ordered:
        covered += max(0.0, end - max(start, reach))
        reach = max(reach, end)
    longest = max(IDLE_S, IDLE_SHARE * covered)
    spans = [list(ordered[0])]
    for start, end in ordered[1:]:
        if start - spans[-1][1] > longest:
            spans.append([start, end])
        else:
            spans[-1][1] = max(spans[-1][1], end)
    return [(start, end) for start, end in spans]


def place(spans: Sequence[tuple[float, float]], offsets: Numbers, times: Numbers) -> Numbers:
    """Where these times lie on an axis of the spans alone, in seconds from its start."""
    starts = np.array([start for start, _ in spans])
    at = np.clip(np.searchsorted(starts, times, side="right") - 1, 0, None)
    placed: Numbers = np.minimum(times - starts[at] + offsets[at], offsets[at + 1])
    return placed


def progress(started: Numbers, ended: Numbers, at: float) -> Numbers:
    """The share of each span that lies before a time."""
    share: Numbers = np.clip((at - started) / np.maximum(ended - started, 1e-9), 0, 1)
    return share
