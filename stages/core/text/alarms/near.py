"""Texts that are nearly equal: their sets of shingles (five words in a row) have a Jaccard index of 0.8 or more.

Candidates come from MinHash signatures in bands (Broder 1997; Leskovec et al., Mining of Massive Datasets, section 3.4)
and each is then compared by its shingles themselves, so what is joined is nearly equal for certain.
"""

import numpy as np
import polars as pl
from numpy.typing import NDArray

Words = NDArray[np.uint64]
Places = NDArray[np.int64]

SHINGLE_WORDS = 5
JACCARD = 0.8
BANDS, BAND_ROWS = 21, 6  # finds pairs of 0.8 with a probability of 0.998, of 0.5 with 0.28, of 0.3 with 0.015
NEIGHBOURS = 8  # in its bucket that a text is compared with: enough to join a bucket of nearly equal ones
PAIRS_AT_ONCE = TEXTS_AT_ONCE = 20_000
SEED = 1
FACTOR = np.uint64(0x9E3779B97F4A7C15)


def group_near(texts: pl.Series) -> Places:
    """The group of each folded text, by the number of its first text; all texts must be different ones.

    A group holds all texts that are joined by near-equal ones. Takes about 130 bytes a word.
    """
    if texts.is_empty():
        return np.zeros(0, np.int64)
    shingles, ends = make_shingles(texts)
    starts = np.concatenate([[0], ends[:-1]]).astype(np.int64)
    signatures = sign(shingles, starts)
    group = np.arange(len(texts), dtype=np.int64)
    for band in range(BANDS):
        rows = signatures[band * BAND_ROWS : (band + 1) * BAND_ROWS]
        bucket = combine(rows)
        order = np.argsort(bucket, kind="stable")
        for distance in range(1, NEIGHBOURS + 1):
            first, second = order[:-distance], order[distance:]
            apart = (bucket[first] == bucket[second]) & (group[first] != group[second])
            first, second = first[apart], second[apart]
            likely = np.zeros(len(first), np.int64)
            for row in signatures:
                likely += row[first] == row[second]
            likely_enough = likely >= (JACCARD - 0.15) * len(signatures)
            first, second = first[likely_enough], second[likely_enough]
            for at in range(0, len(first), PAIRS_AT_ONCE):
                one, other = first[at : at + PAIRS_AT_ONCE], second[at : at + PAIRS_AT_ONCE]
                near = compare(shingles, starts, ends, one, other) >= JACCARD
                join(group, one[near], other[near])
            settle(group)
    return group


def make_shingles(texts: pl.Series) -> tuple[Words, Places]:
    """Hashes of the shingles of all texts in a row, and where those of each end; a short text is one shingle."""
    slices = [hash_shingles(texts[at : at + TEXTS_AT_ONCE]) for at in range(0, len(texts), TEXTS_AT_ONCE)]
    counts = np.concatenate([counts for _, counts in slices])
    return np.concatenate([shingles for shingles, _ in slices]), np.cumsum(counts)


def hash_shingles(texts: pl.Series) -> tuple[Words, Places]:
    """Hashes of the shingles of all texts in a row, and how many each has."""
    listed = pl.DataFrame({"text": texts}).select(pl.col("text").str.split(" "))
    lengths = listed["text"].list.len().to_numpy().astype(np.int64)
    words = listed.select(pl.col("text").explode().hash(SEED))["text"].to_numpy()
    widths = np.minimum(lengths, SHINGLE_WORDS)
    counts = lengths - widths + 1
    width = np.repeat(widths, counts)
    at = np.arange(counts.sum()) + np.repeat(np.cumsum(widths - 1) - (widths - 1), counts)
    padded = np.concatenate([words, np.zeros(SHINGLE_WORDS, np.uint64)])
    shingles = np.zeros(len(at), np.uint64)
    for k in range(SHINGLE_WORDS):
        word = np.where(k < width, padded[at + k], np.uint64(0))
        shingles = mix(shingles * FACTOR + word)
    return shingles, counts


def mix(values: Words) -> Words:
    """Spreads the bits of 64-bit numbers (the finalizer of MurmurHash3)."""
    values = (values ^ (values >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
    return (values ^ (values >> np.uint64(33))) * np.uint64(0xC4CEB9FE1A85EC53)


def sign(shingles: Words, starts: Places) -> NDArray[np.uint32]:
    """The MinHash signature of each text: a row a hash function, a column a text."""
    random = np.random.default_rng(SEED)
    short = (shingles >> np.uint64(32)).astype(np.uint32)
    made = np.empty((BANDS * BAND_ROWS, len(starts)), np.uint32)
    for row in made:
        factor, more = random.integers(1, 2**32, 2, dtype=np.uint32)
        values = short * (factor | np.uint32(1)) + more
        values ^= values >> np.uint32(15)
        values *= factor | np.uint32(1)
        np.minimum.reduceat(values, starts, out=row)
    return made


def combine(rows: NDArray[np.uint32]) -> Words:
    """One number of the values of each column."""
    total = np.zeros(rows.shape[1], np.uint64)
    for row in rows:
        total = mix(total * FACTOR + row.astype(np.uint64))
    return total


def compare(shingles: Words, starts: Places, ends: Places, one: Places, other: Places) -> NDArray[np.float64]:
    """The Jaccard index of the shingles of each pair of texts."""
    pairs = np.arange(len(one))
    sizes = [ends[side] - starts[side] for side in (one, other)]
    pair = np.concatenate([np.repeat(pairs, size) for size in sizes])
    value = np.concatenate([take(shingles, starts[side], size) for side, size in zip((one, other), sizes, strict=True)])
    side = np.repeat([0, 1], [sizes[0].sum(), sizes[1].sum()])
    order = np.lexsort((side, value, pair))
    pair, value, side = pair[order], value[order], side[order]
    new_value = np.concatenate([[True], (pair[1:] != pair[:-1]) | (value[1:] != value[:-1])])
    new_side = np.concatenate([[True], side[1:] != side[:-1]])
    union = np.bincount(pair[new_value], minlength=len(one))
    both = np.bincount(pair[~new_value & new_side], minlength=len(one))
    jaccard: NDArray[np.float64] = both / union
    return jaccard


def take(values: Words, starts: Places, sizes: Places) -> Words:
    """Runs of values, one behind the other."""
    at = np.arange(sizes.sum()) + np.repeat(starts - (np.cumsum(sizes) - sizes), sizes)
    taken: Words = values[at]
    return taken


def join(group: Places, one: Places, other: Places) -> None:
    """Joins the groups of each pair; `settle` lets their other texts follow."""
    for a, b in zip(one.tolist(), other.tolist(), strict=True):
        low, high = sorted((root(group, a), root(group, b)))
        group[high] = low


def root(group: Places, text: int) -> int:
    while group[text] != text:
        text = int(group[text])
    return text


def settle(group: Places) -> None:
    """Gives each text the number of the first text of its group."""
    while not np.array_equal(followed := group[group], group):
        group[:] = followed
