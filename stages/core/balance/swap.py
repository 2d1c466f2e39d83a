"""The last percent: where all that is left is too long for what is missing, chosen rows give way to longer ones."""

from collections.abc import Iterator

import numpy as np

from stages.core.balance.choose import (
    CHOSEN,
    FULL,
    KEEP,
    NO_LIMIT,
    RELAXED,
    TOLERANCE,
    Choice,
    Ints,
    Limits,
    Supply,
    most_before,
    over_cap,
)

MOST = 1000  # swaps


def swap(supply: Supply, limits: Limits, choice: Choice) -> None:
    """Changes a choice that is short of its target: each time, a chosen row for the one that closes most of the gap.

    Of the same category where there is one, never more than TOLERANCE beyond the target. Rows that are kept from
    before stay. Of a few dozen rows this finds nearly always what there is; no more is searched for.
    """
    fate, total_us = choice.fate, int(supply.duration_us[np.isin(choice.fate, CHOSEN)].sum())
    lowest_us, highest_us = (round(limits.target_us * (1 + by)) for by in (-TOLERANCE, TOLERANCE))
    refused = np.zeros(len(fate), bool)
    for _ in range(MOST):
        if total_us >= lowest_us:
            return
        taken = np.flatnonzero(np.isin(fate, CHOSEN) & (fate != KEEP))
        left = np.flatnonzero((fate == FULL) & ~refused & (limits.shares[supply.category] > 0))
        pairs = list(pairs_of(supply, taken, left, highest_us - total_us))
        if not pairs:
            return
        gain_us, out, into = max(pairs, key=lambda pair: (pair[0], -pair[1], -pair[2]))
        if exchange(supply, limits, choice, out, into):
            total_us += gain_us
        else:
            refused[into] = True


def pairs_of(supply: Supply, taken: Ints, left: Ints, most_us: int) -> Iterator[tuple[int, int, int]]:
    """Of each category, else of all together: the most that a swap gains, the row that goes and the one that comes."""
    of_taken, of_left = supply.category[taken], supply.category[left]
    found = False
    for category in np.intersect1d(of_taken, of_left):
        for pair in best_pair(supply, taken[of_taken == category], left[of_left == category], most_us):
            found = True
            yield pair
    if not found:
        yield from best_pair(supply, taken, left, most_us)


def best_pair(supply: Supply, taken: Ints, left: Ints, most_us: int) -> Iterator[tuple[int, int, int]]:
    """The pair with the most gain that is more than 0 and no more than `most_us`, if there is one."""
    if not len(taken) or not len(left):
        return
    left = left[np.argsort(supply.duration_us[left], kind="stable")]
    place = np.searchsorted(supply.duration_us[left], supply.duration_us[taken] + most_us, side="right") - 1
    gain_us = np.where(place < 0, 0, supply.duration_us[left[place]] - supply.duration_us[taken])
    best = int(np.argmax(gain_us))
    if gain_us[best] > 0:
        yield int(gain_us[best]), int(taken[best]), int(left[place[best]])


def exchange(supply: Supply, limits: Limits, choice: Choice, out: int, into: int) -> bool:
    """Lets one row go and another one come; whether its channel and its video allow that."""
    counters, (gone, come) = choice.counters, (row_of(supply, row) for row in (out, into))
    relaxed = bool((choice.fate == RELAXED).any())
    most = NO_LIMIT if relaxed else int(most_before(supply.chance[into : into + 1], limits.damping)[0])
    counters.remove(*gone)
    channel, video, _ = come
    damped = counters.channel_videos[channel] > most and not counters.video_rows[video]
    if damped or over_cap(counters, limits, *come):
        counters.add(*gone)
        return False
    counters.add(*come)
    choice.fate[into], choice.fate[out] = choice.fate[out], FULL
    return True


def row_of(supply: Supply, row: int) -> tuple[int, int, int]:
    return int(supply.channel[row]), int(supply.video[row]), int(supply.duration_us[row])
