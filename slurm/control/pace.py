"""How far the chunks under way are, and when a step will be finished: by the cost by which its chunks were balanced.

A chunk counts as far as its rows are finished, so that chunks which take long weigh in before they are done.
"""

import time
from contextlib import suppress
from typing import NamedTuple

from slurm.control.survey import Survey
from slurm.record.done import Costs
from slurm.record.formats import DamagedError, read_record
from slurm.record.history import Past
from slurm.record.manifest import Step

OVER_S = 3600.0  # what was done before that tells little of the pace now


class Pace(NamedTuple):
    """How a step goes on; None: not known, as where nothing runs."""

    rows: int  # finished in chunks that are not done
    rows_per_s: float | None
    left_s: float | None


Stretch = tuple[float, float, float, int]  # work on a chunk: when it began and ended, its cost, its rows


def pace_of(found: Survey, now_s: float | None = None) -> Pace:
    """The pace over the last hour, or since the work began."""
    now_s = time.time() if now_s is None else now_s
    latest = {chunk: past[-1] for chunk, past in found.past.items()}
    open_chunks = {c: past for c, past in latest.items() if c not in found.done and past.cause != "done"}
    rows = sum(past.finished for past in open_chunks.values())
    if not found.active:
        return Pace(rows, None, None)
    costs = costs_of(found.step)
    running = {chunk: past for chunk, past in open_chunks.items() if past.cause is None and chunk in found.active}
    stretches = _stretches(found, costs, running, now_s)
    if not stretches:
        return Pace(rows, None, None)
    begin = max(now_s - OVER_S, min(stretch[0] for stretch in stretches))
    passed_s, work, worked = max(now_s - begin, 1e-9), 0.0, 0.0
    for began, ended, cost, chunk_rows in stretches:
        share = 1.0 if began >= begin else (ended - begin) / (ended - began)  # of it that was done since
        work += cost * share
        worked += chunk_rows * share
    rows_per_s = worked / passed_s
    left = {chunk: cost for chunk, cost in enumerate(costs) if chunk not in found.done}
    for chunk, past in open_chunks.items():
        left[chunk] *= 1 - _share(past, past.finished)
    if not work:
        return Pace(rows, rows_per_s or None, None)
    alone_s = [  # the last chunks are no faster because others are done
        left[chunk] / costs[chunk] / share * (now_s - past.started)
        for chunk, past in running.items()
        if (share := _share(past, past.rows))
    ]
    return Pace(rows, rows_per_s, max([sum(left.values()) * passed_s / work, *alone_s]))


def _stretches(found: Survey, costs: list[float], running: dict[int, Past], now_s: float) -> list[Stretch]:
    """The work of the last hour."""
    done = [
        (record.ended - record.seconds, record.ended, costs[chunk], record.rows_in)
        for chunk, record in found.done.items()
        if record.ended > now_s - OVER_S
    ]
    return done + [
        (past.started, now_s, costs[chunk] * _share(past, past.rows), past.rows) for chunk, past in running.items()
    ]


def _share(past: Past, rows: int) -> float:
    """The share of a chunk that so many of its rows are."""
    return min(1.0, rows / past.items) if past.items else 0.0


def costs_of(step: Step) -> list[float]:
    """The cost of each chunk by which they were balanced, 1.0 on average; all alike where it is not known."""
    owner = step.other(step.chunk_owner) if step.chunk_owner != step.name else step
    costs: list[float] = []
    for layout in owner.layouts:
        path, n, known = owner.paths.costs_of(layout.number), layout.end - layout.first, list[float]()
        with suppress(FileNotFoundError, DamagedError):
            known = read_record(path, Costs).costs
        mean = sum(known) / n if len(known) == n else 0.0
        costs += [cost / mean for cost in known] if mean > 0 else [1.0] * n
    return [*costs, *[1.0] * (step.plan.n - len(costs))][: step.plan.n]
