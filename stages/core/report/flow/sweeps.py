"""The points of the run's sweeps beside each other: how much each keeps, why it drops rows, and what they share."""

import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

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
        self.ids: Hashes = np.empty(0, np.uint64)  # hashes of the ids that any point has, as they come
        kept = [self.read_bits(step) for step in steps]
        self.points = [
            Point(step, step.name.partition("@")[2], read_flow(step), None if own is None else self.whole(own))
            for step, own in zip(steps, kept, strict=True)
        ]

    def read_bits(self, step: Step) -> Bits | None:
        """A bit for each of the ids known by then: whether the step keeps it."""
        rows = step.scan()
        if rows is None or step.plan.key not in step.plan.gives:
            return None
        marks = [pl.col(mark).is_null() for mark in ("error", "drop_reason") if mark in step.plan.gives]
        table = rows.select(hash=hashed(step.plan.key), kept=pl.all_horizontal(pl.lit(value=True), *marks))
        known = table.drop_nulls("hash").collect(engine="streaming")
        flags = np.zeros(len(self.ids), np.bool_)
        numbers = self.number(known["hash"].to_numpy())
        flags.resize(len(self.ids))
        flags[numbers[known["kept"].to_numpy()]] = True
        return np.packbits(flags)

    def number(self, hashes: Hashes) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """The number of each of these ids; new ones get the next. Points of a filter mostly have the same rows."""
        if not np.array_equal(hashes, self.ids):
            new = np.unique(hashes[~np.isin(hashes, self.ids)]) if len(self.ids) else hashes
            self.ids = np.concatenate([self.ids, new])
        if np.array_equal(hashes, self.ids):
            return np.arange(len(hashes))
        order = np.argsort(self.ids)
        numbers: np.ndarray[tuple[int], np.dtype[np.int64]] = order[np.searchsorted(self.ids, hashes, sorter=order)]
        return numbers

    def whole(self, bits: Bits) -> Bits:
        """The bits of a point, and none of the ids that came after it."""
        return np.pad(bits, (0, (len(self.ids) + 7) // 8 - len(bits)))

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
