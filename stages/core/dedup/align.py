"""Rows that show the same in the same order: their seeds vote for how they lie to each other in time."""

import os
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from stages.core.dedup.moments import Moments, is_new
from stages.core.dedup.seeds import BANDS, are_alike, find_seeds
from stages.core.dedup.settings import Perceptual
from stages.core.schema.types import INT, REAL, Schema

Numbers = NDArray[np.int64]

STEP_S = 0.1  # distances in time are told apart by this
WITHIN_S = 0.35  # moments are this near to each other in time: they are 0.5 s apart, so 0.25 s off at most
TRIED = 4  # distances in time that are tried of each pair, those with most votes
STILL_BITS, MORE_BITS = 6, 3  # that may differ where a row has one picture only, and more for each further one
VOTES = 0.1  # a pair is tried if so large a share of the shorter one's moments voted for it
ROWS = 1 << 21  # that fit a key
OFFSETS = 1 << 21
AT_ONCE = 1 << 21  # moments that are compared at once
WAITING = 1 << 23  # votes that wait to be counted

PAIRS: Schema = {"later": INT, "earlier": INT, "score": REAL, "offset_s": REAL, "covered": REAL}


class Seeding(NamedTuple):
    """Moments that may seed: row, seconds, hash. [n] each."""

    row: Numbers
    time_s: NDArray[np.float64]
    hash: NDArray[np.uint64]


class Tried(NamedTuple):
    """Pairs of rows, and when the later one begins in the earlier one. [n] each."""

    later: Numbers
    earlier: Numbers
    offset_s: NDArray[np.float64]


def find_alike(moments: Moments, first: int, how: Perceptual) -> pl.DataFrame:
    """The pairs of rows (PAIRS) that are alike, of which the later one's number is `first` or beyond.

    `score` is the share of the shorter one's moments that are alike, `covered` that of the later one's, `offset_s` when
    the later one begins in the earlier one. Raises ValueError for more than ROWS rows.
    """
    if len(moments.counts) > ROWS:
        raise ValueError(f"{len(moments.counts)} rows are more than {ROWS}")
    tried = choose_offsets(moments, vote(moments, first, how))
    matched = count_matches(moments, tried, allowed_bits(moments, how.bits))
    counts = moments.counts
    own, other = counts[tried.later], counts[tried.earlier]
    return (
        pl.DataFrame(
            {
                "later": tried.later,
                "earlier": tried.earlier,
                "score": matched / np.minimum(own, other).clip(1),
                "offset_s": tried.offset_s,
                "covered": np.minimum(1.0, matched / own.clip(1)),
            },
            schema=PAIRS,
        )
        .filter(pl.col("score") >= how.share)
        .sort("later", "earlier", -pl.col("score"), pl.col("offset_s").abs(), "offset_s")
        .unique(["later", "earlier"], keep="first", maintain_order=True)
    )


def vote(moments: Moments, first: int, how: Perceptual) -> pl.DataFrame:
    """How many seeds say how a pair of rows lie to each other: `later`, `earlier`, `step` (of STEP_S), `votes`."""
    places = np.flatnonzero(is_new(moments))
    seeding = Seeding(moments.row[places], moments.time_s[places], moments.hash[places])
    begin = int(np.searchsorted(seeding.row, first))
    with ThreadPoolExecutor(min(BANDS, len(os.sched_getaffinity(0)))) as threads:  # numpy lets others go on
        counted = list(threads.map(lambda band: vote_by(seeding, band, begin, how), range(BANDS)))
    votes = count_keys([], counted)
    pair = pl.col("key") // OFFSETS
    return votes.select(
        later=pair // ROWS, earlier=pair % ROWS, step=pl.col("key") % OFFSETS - OFFSETS // 2, votes="votes"
    )


def vote_by(seeding: Seeding, band: int, begin: int, how: Perceptual) -> pl.DataFrame:
    """The votes of the seeds of one band: `key`, of both rows and the step, and `votes`."""
    row, time_s, hashes = seeding
    counted: list[pl.DataFrame] = []
    waiting: list[Numbers] = []
    size = 0
    for later, earlier in find_seeds(hashes, band, begin, how.bits, how.most):
        steps = np.rint((time_s[earlier] - time_s[later]) / STEP_S).astype(np.int64)
        of_two = (row[later] != row[earlier]) & (np.abs(steps) < OFFSETS // 2)
        keys = (row[later] * ROWS + row[earlier]) * OFFSETS + steps + OFFSETS // 2
        waiting.append(keys[of_two])
        size += len(waiting[-1])
        if size > WAITING:
            counted = [count_keys(waiting, counted)]
            waiting, size = [], 0
    return count_keys(waiting, counted)


def count_keys(waiting: list[Numbers], counted: list[pl.DataFrame]) -> pl.DataFrame:
    """How often each key occurs among those that wait, and in what was counted before."""
    new = pl.DataFrame({"key": np.concatenate(waiting) if waiting else np.empty(0, np.int64)}).with_columns(votes=1)
    both = pl.concat([new.cast({"votes": pl.Int64}), *counted])
    return both.group_by("key").agg(pl.col("votes").sum()).sort("key")


def choose_offsets(moments: Moments, votes: pl.DataFrame) -> Tried:
    """The distances in time that are tried: of each pair with enough votes those that have most."""
    seeding = np.bincount(moments.row[is_new(moments)], minlength=len(moments.counts))
    later, earlier = (votes[name].to_numpy() for name in ("later", "earlier"))
    needed = VOTES * np.minimum(seeding[later], seeding[earlier])
    chosen = (
        votes.with_columns(needed=needed, all=pl.col("votes").sum().over("later", "earlier"))
        .filter(pl.col("all") >= pl.col("needed"))
        .sort("later", "earlier", -pl.col("votes"), pl.col("step").abs(), "step")
        .filter(pl.int_range(pl.len()).over("later", "earlier") < TRIED)
    )
    steps = chosen["step"].to_numpy()
    return Tried(chosen["later"].to_numpy(), chosen["earlier"].to_numpy(), steps * STEP_S)


def allowed_bits(moments: Moments, bits: int) -> NDArray[np.int16]:
    """In how many bits the moments of each row may differ: less where it has few pictures that differ from each other.

    One picture that looks alike says little: in a large collection some unrelated one always does.
    """
    pictures = np.bincount(moments.row[is_new(moments)], minlength=len(moments.counts))
    return np.asarray(np.minimum(bits, STILL_BITS + MORE_BITS * np.maximum(pictures - 1, 0)), dtype=np.int16)


def count_matches(moments: Moments, tried: Tried, bits: NDArray[np.int16]) -> Numbers:
    """How many moments of the shorter row of each pair are like the other's at that time; `bits` may differ, by row."""
    counts = moments.counts
    is_later = counts[tried.later] <= counts[tried.earlier]
    short = np.where(is_later, tried.later, tried.earlier)
    long = np.where(is_later, tried.earlier, tried.later)
    shift_s = np.where(is_later, tried.offset_s, -tried.offset_s)
    matched = np.zeros(len(short), dtype=np.int64)
    ends = np.cumsum(counts[short])
    cuts = np.searchsorted(ends, np.arange(AT_ONCE, ends[-1] if len(ends) else 0, AT_ONCE))
    for low, high in zip([0, *cuts], [*cuts, len(short)], strict=True):
        if low == high:
            continue
        size = counts[short[low:high]]
        pair = np.repeat(np.arange(high - low), size)
        own = np.arange(size.sum()) - np.repeat(np.cumsum(size) - size - moments.starts[short[low:high]], size)
        alike = find_matches(
            moments, own, long[low:high][pair], moments.time_s[own] + shift_s[low:high][pair], bits[moments.row[own]]
        )
        matched[low:high] = np.bincount(pair, alike, high - low).astype(np.int64)
    return matched


def find_matches(
    moments: Moments, own: Numbers, other: Numbers, at_s: NDArray[np.float64], bits: NDArray[np.int16]
) -> NDArray[np.bool_]:
    """Whether each moment `own` is like one of the two of row `other` that are nearest to the time `at_s`."""
    span_s = float(moments.time_s.max(initial=0.0)) + 1
    line = moments.row * span_s + moments.time_s  # all moments on one line of time, row behind row
    after = np.searchsorted(line, other * span_s + at_s.clip(-0.5, span_s - 0.5))
    found = np.zeros(len(own), dtype=np.bool_)
    for place in (after - 1, after):
        near = place.clip(0, len(line) - 1)
        same = (moments.row[near] == other) & (np.abs(moments.time_s[near] - at_s) <= WITHIN_S)
        found |= same & are_alike(moments.hash[own], moments.hash[near], bits)
    return found
