"""Pairs of hashes that differ in a few bits, without comparing all with all."""

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]
Numbers = NDArray[np.int64]

BANDS = 4  # parts of a hash, of 16 bits each
WIDTH = 16
EDGES = 40  # set bits of two hashes together from which on all of `bits` may differ; of films about 50
EVERY_FOURTH = (  # shifts and masks by which every fourth of 64 bits moves to the lowest 16
    (0, 0x1111_1111_1111_1111),
    (3, 0x0303_0303_0303_0303),
    (6, 0x000F_000F_000F_000F),
    (12, 0x0000_00FF_0000_00FF),
    (24, 0xFFFF),
)
AT_ONCE = 1 << 21  # pairs that are compared at once: 64 MiB


class Seeds(NamedTuple):
    """Places in the hashes: each `later` is like `earlier`, which stands before it. [n] each."""

    later: Numbers
    earlier: Numbers


def are_alike(some: Hashes, others: Hashes, bits: int | NDArray[np.int16]) -> NDArray[np.bool_]:
    """Whether hashes show the same: they differ in at most `bits` bits, or less where only few bits are set.

    A set bit is an edge. Hashes with 6 edges each differ in 12 bits at most, so of these no more than 4 may.
    """
    edges = np.bitwise_count(some).astype(np.int16) + np.bitwise_count(others)
    differing = np.bitwise_count(some ^ others).astype(np.int16)
    return np.asarray(differing * EDGES <= bits * np.minimum(edges, EDGES), dtype=np.bool_)


class Band(NamedTuple):
    """All hashes sorted by one part of them, and by place where that is equal. [n] each, but `starts`."""

    part: NDArray[np.uint16]  # of each hash, not sorted
    places: Numbers
    hashes: Hashes
    keys: Numbers  # the part, then the place
    starts: Numbers  # where each value of the part begins, [65536]


def find_seeds(hashes: Hashes, number: int, first: int, bits: int, most: int) -> Iterator[Seeds]:
    """The pairs of hashes that are alike, by band `number`, of which the later one's place is `first` or beyond.

    Multi-index hashing (Norouzi, Punjani, Fleet 2012): of two hashes that differ in 7 bits or less, one of 4 parts of
    16 bits differs in 1 at most, so only hashes are compared of which a part is the same or has one bit turned. By one
    band or another all pairs of up to 7 bits are found, of 10 bits 73 %, of 12 bits 48 %. Of more than `most` hashes
    with the same part only the first ones are compared with those behind them: a picture that occurs a million times
    (a test card) costs a million times `most`.
    """
    band = sort_by(hashes, number)
    asked = band.places[band.places >= first]
    for turned in (0, *(1 << bit for bit in range(WIDTH))):
        wanted = band.part[asked].astype(np.int64) ^ turned
        begin = band.starts[wanted]
        count = np.minimum(np.searchsorted(band.keys, (wanted << 32) | asked) - begin, most)
        some = count > 0
        yield from compare(hashes, band, asked[some], begin[some], count[some], bits)


def sort_by(hashes: Hashes, number: int) -> Band:
    """The hashes by every fourth bit: bits beside each other, of one row of the picture, are seldom independent."""
    part = hashes >> np.uint64(number)
    for shift, mask in EVERY_FOURTH:
        part = (part | part >> np.uint64(shift)) & np.uint64(mask)
    short = part.astype(np.uint16)
    places = np.argsort(short, kind="stable")  # radix sort: 10 ms a million
    ordered = short[places].astype(np.int64)
    starts = np.searchsorted(ordered, np.arange(1 << WIDTH))
    return Band(short, places, hashes[places], (ordered << 32) | places, starts)


def compare(  # noqa: PLR0917
    hashes: Hashes, band: Band, asked: Numbers, begin: Numbers, count: Numbers, bits: int
) -> Iterator[Seeds]:
    """The seeds among these pairs: each hash `asked` with the `count` sorted ones from `begin` on."""
    ends = np.cumsum(count)
    cuts = np.searchsorted(ends, np.arange(AT_ONCE, ends[-1] if len(ends) else 0, AT_ONCE))
    for low, high in pairwise([0, *cuts, len(asked)]):
        if low == high:
            continue
        counts = count[low:high]
        skipped = ends[low:high] - counts - (ends[low] - count[low])
        places = np.arange(counts.sum()) + np.repeat(begin[low:high] - skipped, counts)
        own = np.repeat(hashes[asked[low:high]], counts)
        near = np.flatnonzero(np.bitwise_count(own ^ band.hashes[places]) <= bits)
        alike = near[are_alike(own[near], band.hashes[places[near]], bits)]
        if len(alike):
            whose = np.searchsorted(skipped, alike, side="right") - 1
            yield Seeds(asked[low + whose], band.places[places[alike]])
