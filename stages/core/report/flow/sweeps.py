"""The points of the run's sweeps beside each other: how much each keeps, why it drops rows, and what they share."""

import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np

from slurm.record.files import names
from slurm.record.manifest import Step
from stages.core.report.flow.funnel import Flow, read_flow
from stages.core.report.flow.lineage import hashed
from stages.core.report.flow.still import hold_still

MOST_POINTS = 24  # of a sweep; more are in the tables that the sweep's own command wrote
MATRIX = 8  # points of which the overlap of every two is shown

Bits = np.ndarray[tuple[int], np.dtype[np.uint8]]
Hashes = np.ndarray[tuple[int], np.dtype[np.uint64]]


class Point(NamedTuple):
    """A step at a point; `words` are those that tell it from others, "" for the run's own step."""

    step: Step
    words: str
    flow: Flow
    kept: Bits | None  # a bit for each of the sweep's ids; None: its rows have no names


class Sweep:
    """The points of a step, those of the run itself first."""

    def __init__(self, name: str, steps: Sequence[Step], left_out: int, unfinished: Sequence[Step]) -> None:
        self.name, self.left_out, self.unfinished = name, left_out, [step.name for step in unfinished]
        self.ids: Hashes = np.empty(0, np.uint64)  # hashes of the ids that any point has, sorted
        for step in steps:  # read again below: all points' hashes at once would take eight bytes a row and point
            if (kept := read_kept(step)) is not None:
                self.ids = np.union1d(self.ids, kept)
        self.points = [
            Point(step, step.name.partition("@")[2], read_flow(step), self.bits(read_kept(step))) for step in steps
        ]

    def bits(self, kept: Hashes | None) -> Bits | None:
        """A bit for each of the sweep's ids: whether it is one of these."""
        if kept is None:
            return None
        flags = np.zeros(len(self.ids), np.bool_)
        flags[np.searchsorted(self.ids, kept)] = True
        return np.packbits(flags)

    @property
    def keeps(self) -> list[np.ndarray[tuple[int], np.dtype[np.bool_]]]:
        """Of each point whether it keeps each id."""
        nothing = np.zeros((len(self.ids) + 7) // 8, np.uint8)
        bits = (nothing if point.kept is None else point.kept for point in self.points)
        return [np.unpackbits(one, count=len(self.ids)).astype(np.bool_) for one in bits]

    @cached_property
    def overlap(self) -> list[list[float | None]]:
        """Of each point with every other (of many, with the one above): the share of both that either keeps."""
        rows: list[list[float | None]] = []
        for number, point in enumerate(self.points):
            beside = self.points if len(self.points) <= MATRIX else self.points[max(0, number - 1) : number]
            rows.append([None if other is point else jaccard(point.kept, other.kept) for other in beside])
        return rows


def jaccard(a: Bits | None, b: Bits | None) -> float | None:
    if a is None or b is None:
        return None
    either = int(np.bitwise_count(a | b).sum())
    return int(np.bitwise_count(a & b).sum()) / either if either else 1.0


def read_kept(step: Step) -> Hashes | None:
    """The hashes of the ids that a step keeps."""
    if step.plan.key not in step.plan.gives:
        return None
    kept = step.kept().select(hash=hashed(step.plan.key)).drop_nulls().collect(engine="streaming")
    return kept["hash"].to_numpy()


def read_sweeps(run: Path) -> list[Sweep]:
    """The sweeps of a run, by the steps of their points: `filter@rules.motion.min=0.1`."""
    steps = [Step(run, name) for name in names(run) if "@" in name]
    steps = sorted((step for step in steps if step.exists and step.plan.kind == "map"), key=in_order)
    sweeps = []
    for name in dict.fromkeys(step.name.partition("@")[0] for step in steps):
        own = hold_still([Step(run, name), *(step for step in steps if step.name.partition("@")[0] == name)])
        there = [step for step in own if step.exists]
        done = [step for step in there if step.complete() and step.scan() is not None]
        if done:
            unfinished = [step for step in there if step not in done]
            sweeps.append(Sweep(name, done[:MOST_POINTS], len(done[MOST_POINTS:]), unfinished))
    return sweeps


def in_order(step: Step) -> list[tuple[float, str]]:
    """By which names are sorted with their numbers as numbers: 0.5 before 10."""
    parts = re.split(r"(\d+(?:\.\d+)?)", step.name)
    return [(float(part), "") if number % 2 else (0.0, part) for number, part in enumerate(parts)]
