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
AT_ONCE = 1 << 21  # pairs that are compared at once: 64 MiB


class Seeds(NamedTuple):
    """Places in the hashes: each `later` is like `earlier`, which stands before it. [n] each."""

    later: Numbers
    earlier: Numbers


class Band(NamedTuple):
    """All hashes sorted by one part of them, and by place where that is equal. [n] each, but `starts`."""

    part: NDArray[np.uint16]  # of each hash, not sorted
    places: Numbers
    hashes: Hashes
    keys: Numbers  # the part, then the place
    starts: Numbers  # where each value of the part begins, [65536]


def find_seeds(hashes: Hashes, first: int, bits: int, most: int) -> Iterator[Seeds]:
    """The pairs of hashes that differ in at most `bits` bits, of which the later one's place is `first` or beyond.

    Multi-index hashing (Norouzi, Punjani, Fleet 2012): of two hashes that differ in 7 bits or less, one of 4 parts of
    16 bits differs in 1 at most, so only hashes are compared of which a part is the same or has one bit turned. All
    pairs of up to 7 bits are found, of 10 bits 73 %, of 12 bits 48 %; some of them several times. Of more than `most`
    hashes with the same part only the first ones are compared with those behind them: a picture that occurs a million
    times (a test card) costs a million times `most`.
    """
    for number in range(BANDS):
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
    part = np.zeros(len(hashes), dtype=np.uint64)
    for bit in range(WIDTH):
        part |= (hashes >> np.uint64(BANDS * bit + number) & np.uint64(1)) << np.uint64(bit)
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
        alike = np.flatnonzero(np.bitwise_count(own ^ band.hashes[places]) <= bits)
        if len(alike):
            whose = np.searchsorted(skipped, alike, side="right") - 1
            yield Seeds(asked[low + whose], band.places[places[alike]])
