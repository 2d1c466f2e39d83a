"""The selection: hours are poured into all categories at once, each row is one drop."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from heapq import heapify, heappop, heapreplace
from itertools import chain
from math import ceil, inf
from typing import Literal

import numpy as np
from numpy.typing import NDArray

TOLERANCE = 0.01  # of the target
FULL, RANK, RELAXED, KEEP, PASSED, DAMPED, CHANNEL_CAP, VIDEO_CAP = range(8)  # what became of a row
CHOSEN = (RANK, RELAXED, KEEP)
NO_LIMIT = 2**31  # videos of a channel
STEPS = 8  # parts of what is missing, one of which a category rises at a time
BLOCK = 10_000  # rows that are Python's numbers at a time

Ints = NDArray[np.int64]
Fates = NDArray[np.uint8]


@dataclass(frozen=True)
class Supply:
    """The rows that there are, in the order in which each category's are taken, one category after another.

    Categories, channels and videos are numbers, counted from 0. `fate` is KEEP of a row that was chosen before, PASSED
    of one that was not, and FULL of all others: those that may be chosen now.
    """

    category: Ints
    duration_us: Ints
    channel: Ints
    video: Ints
    chance: NDArray[np.float64]  # of the video: 0 to 1
    fate: Fates


@dataclass(frozen=True)
class Limits:
    """What is wanted of a selection; `shares` has a number for each category, `ties` says which comes first."""

    target_us: int
    shares: NDArray[np.float64]
    ties: Ints
    damping: float
    relax: Literal["hours", "quotas", "never"]
    channel_videos: float = inf
    channel_us: float = inf
    video_rows: float = inf
    video_us: float = inf

    @cached_property
    def capped(self) -> bool:
        return min(self.channel_videos, self.channel_us, self.video_rows, self.video_us) < inf


@dataclass(frozen=True)
class Choice:
    """What became of each row of a supply, and whether each category had no more to give."""

    fate: Fates
    exhausted: NDArray[np.bool_]
    counters: "Counters"


class Counters:
    """What is chosen so far, of each category, channel and video."""

    def __init__(self, supply: Supply, categories: int) -> None:
        channels, videos = (int(codes.max(initial=-1)) + 1 for codes in (supply.channel, supply.video))
        self.category_us = [0] * categories
        self.channel_videos, self.channel_us = [0] * channels, [0] * channels
        self.video_rows, self.video_us = [0] * videos, [0] * videos
        columns = (supply.category, supply.channel, supply.video, supply.duration_us)
        kept = (column[supply.fate == KEEP].tolist() for column in columns)
        for category, channel, video, duration_us in zip(*kept, strict=True):
            self.category_us[category] += duration_us
            self.add(channel, video, duration_us)

    def add(self, channel: int, video: int, duration_us: int) -> None:
        if not self.video_rows[video]:
            self.channel_videos[channel] += 1
        self.video_rows[video] += 1
        self.add_us(channel, video, duration_us)

    def add_us(self, channel: int, video: int, duration_us: int) -> None:
        self.channel_us[channel] += duration_us
        self.video_us[video] += duration_us

    def remove(self, channel: int, video: int, duration_us: int) -> None:
        self.video_rows[video] -= 1
        if not self.video_rows[video]:
            self.channel_videos[channel] -= 1
        self.channel_us[channel] -= duration_us
        self.video_us[video] -= duration_us


def choose(supply: Supply, limits: Limits) -> Choice:
    """Chooses rows until the target is reached.

    The next row is always taken from the category that has least for its share, so all are filled evenly, and what a
    poor one cannot give comes from the others. It is taken whatever its length, so that long ones are as likely as
    short ones; only where that would go more than TOLERANCE beyond the target, shorter ones are looked for.

    The first video of a channel is taken, and while k videos of it are chosen, in whatever category, another one is
    only if its own chance is below 1 - damping * k. Those that this passes over are taken after all where
    `limits.relax` says so: to reach the target, or each category's part of it. Caps always hold. Rows that are kept
    from before come first, whatever the limits.
    """
    if limits.relax != "hours":
        return pour(supply, limits, relaxing=limits.relax == "quotas")
    there_us = sum_us(supply, np.isin(supply.fate, (FULL, KEEP)))
    all_of_it = not limits.capped and there_us <= limits.target_us
    lowest_us = round(limits.target_us * (1 - TOLERANCE))
    if not all_of_it and most_us(supply, limits.damping) < lowest_us:
        return pour(supply, limits, relaxing=True)
    choice = pour(supply, limits, spare_us=inf if all_of_it else max(0, there_us - lowest_us))
    if all_of_it:  # no need to go row by row once more
        choice.fate[choice.fate == DAMPED] = RELAXED
    elif sum_us(supply, np.isin(choice.fate, CHOSEN)) < lowest_us and (choice.fate == DAMPED).any():
        return pour(supply, limits, relaxing=True)
    return choice


def sum_us(supply: Supply, rows: NDArray[np.bool_]) -> int:
    return int(supply.duration_us[rows].sum())


def most_us(supply: Supply, damping: float) -> float:
    """No less than can be chosen without rows that were passed over: of a channel so many of its longest video."""
    if damping < 1 / NO_LIMIT:
        return inf
    kept, free = supply.fate == KEEP, supply.fate == FULL
    of_video_us = np.bincount(supply.video[free], supply.duration_us[free], int(supply.video.max(initial=-1)) + 1)
    channels, channel = int(supply.channel.max(initial=-1)) + 1, np.zeros(len(of_video_us), np.int64)
    channel[supply.video] = supply.channel
    longest_us = np.zeros(channels)
    np.maximum.at(longest_us, channel, of_video_us)
    longest_us[supply.channel[kept]] = inf  # what else there is of a video that was kept is never passed over
    of_channel_us = np.bincount(channel, of_video_us, channels)
    return sum_us(supply, kept) + float(np.minimum(of_channel_us, ceil(1 / damping) * longest_us).sum())


def pour(supply: Supply, limits: Limits, *, relaxing: bool = False, spare_us: float = inf) -> Choice:
    """Takes rows until the target is reached, no category has more to give, or more than `spare_us` is passed over.

    With `relaxing`, a category that has no other rows gives those that were passed over, its channels in turn. The
    category that is lowest rises by a row each time, so that a channel's videos are of all its categories; by a part of
    what is missing where none can take a row from another.
    """
    fate, counters = supply.fate.copy(), Counters(supply, len(limits.shares))
    waiting = [rows_of(queue, supply, limits.damping) for queue in split(np.flatnonzero(fate == FULL), supply, limits)]
    taking = [RANK] * len(waiting)
    shares, goal_us, capped = limits.shares.tolist(), limits.target_us, limits.capped
    highest_us, lowest_us = (round(goal_us * (1 + by)) for by in (TOLERANCE, -TOLERANCE))
    fates, filled_us = memoryview(fate.data), counters.category_us
    begun, of_channel = counters.video_rows, counters.channel_videos
    heap = [(filled_us[n] / shares[n], tie, n) for n, tie in enumerate(limits.ties.tolist()) if shares[n] > 0]
    heapify(heap)
    total_us, passed_us = sum(filled_us), 0
    while heap and total_us < goal_us and passed_us <= spare_us:
        level, tie, category = heap[0]
        ceiling_us = 0.0  # one row
        if not capped and (taking[category] == RELAXED or not limits.damping):
            open_shares = sum(shares[n] for _, _, n in heap)
            ceiling_us = (level + (goal_us - total_us) / STEPS / open_shares) * shares[category]
        for row, channel, video, duration_us, most in waiting[category]:
            if of_channel[channel] > most and not begun[video]:
                fates[row] = DAMPED
                passed_us += duration_us
            elif capped and (cap := over_cap(counters, limits, channel, video, duration_us)):
                fates[row] = cap
            elif total_us + duration_us <= highest_us:
                fates[row] = taking[category]
                total_us += duration_us
                filled_us[category] += duration_us
                of_channel[channel] += not begun[video]
                begun[video] += 1
                if capped:
                    counters.add_us(channel, video, duration_us)
                if filled_us[category] >= ceiling_us:
                    heapreplace(heap, (filled_us[category] / shares[category], tie, category))
                    break
            elif total_us >= lowest_us:
                goal_us = total_us
                break
        else:
            if relaxing and taking[category] == RANK:
                taking[category] = RELAXED
                heapreplace(heap, (filled_us[category] / shares[category], tie, category))
                waiting[category] = rows_of(passed_over(supply, fate, category), supply, damping=0.0)
            else:
                heappop(heap)
    exhausted = np.ones(len(shares), bool)
    exhausted[[category for _, _, category in heap]] = False
    return Choice(fate, exhausted, counters)


def split(rows: Ints, supply: Supply, limits: Limits) -> list[Ints]:
    """These rows by category; they are sorted by it."""
    return np.split(rows, np.searchsorted(supply.category[rows], np.arange(1, len(limits.shares))))


def passed_over(supply: Supply, fate: Fates, category: int) -> Ints:
    """The damped rows of a category: the first of each channel, then the second of each, and so on."""
    first, end = np.searchsorted(supply.category, (category, category + 1))
    rows: Ints = first + np.flatnonzero(fate[first:end] == DAMPED)
    grouped = np.argsort(supply.channel[rows], kind="stable")
    begins = np.flatnonzero(np.diff(supply.channel[rows][grouped], prepend=-1))
    turn = np.empty(len(rows), np.int64)
    turn[grouped] = np.arange(len(rows)) - np.repeat(begins, np.diff(begins, append=len(rows)))
    return rows[np.argsort(turn, kind="stable").astype(np.int64)]


def rows_of(queue: Ints, supply: Supply, damping: float) -> Iterator[tuple[int, int, int, int, int]]:
    """Row, channel, video, duration, and with how many chosen videos of its channel it may still be taken.

    As Python's numbers, some at a time.
    """

    def block(rows: Ints) -> Iterator[tuple[int, int, int, int, int]]:
        most = most_before(supply.chance[rows], damping)
        columns = (rows, supply.channel[rows], supply.video[rows], supply.duration_us[rows], most)
        return zip(*(column.tolist() for column in columns), strict=True)

    return chain.from_iterable(block(queue[start : start + BLOCK]) for start in range(0, len(queue), BLOCK))


def most_before(chance: NDArray[np.float64], damping: float) -> Ints:
    """The most chosen videos k of a channel with which a chance is still below 1 - damping * k."""
    if damping < 1 / NO_LIMIT:
        return np.full(len(chance), NO_LIMIT)
    return np.ceil((1 - chance) / damping).astype(np.int64) - 1


def over_cap(counters: Counters, limits: Limits, channel: int, video: int, duration_us: int) -> int:
    """Which cap a row would go beyond; 0 if none."""
    new = not counters.video_rows[video]
    if counters.channel_us[channel] + duration_us > limits.channel_us:
        return CHANNEL_CAP
    if counters.channel_videos[channel] + new > limits.channel_videos:
        return CHANNEL_CAP
    if counters.video_us[video] + duration_us > limits.video_us or counters.video_rows[video] >= limits.video_rows:
        return VIDEO_CAP
    return FULL
