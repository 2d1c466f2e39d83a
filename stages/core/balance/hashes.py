"""Keyed hashes of ids: the same on every machine, in any order, with any version of any library."""

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]

STEP = 0x9E3779B97F4A7C15  # constants and shifts of SplitMix64 (Steele, Lea, Flood 2014)
FIRST, SECOND = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
UNIT = 2.0**-53


def keyed_hashes(ids: pl.Series, seed: int) -> Hashes:
    """A 64-bit hash of the UTF-8 bytes of each id, by a seed of 0 or more; no id is null.

    SplitMix64 over the id's words of 8 bytes, then its length. 1,800,000 ids of 11 characters take a third of the time
    that hashlib's fastest takes one by one.
    """
    text = ids.cast(pl.Binary).to_arrow().cast(pa.large_binary())
    _, offsets, content = text.buffers()
    ends = np.frombuffer(offsets, "<i8", len(text) + 1, text.offset * 8)
    starts, lengths = ends[:-1], np.diff(ends)
    padded = np.concatenate([np.frombuffer(content or b"", np.uint8), np.zeros(8, np.uint8)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, 8)
    found: Hashes = np.repeat(mixed(np.array([seed % 2**64], np.uint64)), len(text))
    for first in range(0, int(lengths.max(initial=0)), 8):
        rows = np.flatnonzero(lengths > first)
        words = windows[starts[rows] + first].view("<u8")[:, 0].astype(np.uint64)
        inside = np.minimum(lengths[rows] - first, 8).astype(np.uint64)  # bytes of the word that are the id's own
        words &= np.uint64(2**64 - 1) >> (np.uint64(64) - inside * np.uint64(8))
        found[rows] = mixed(found[rows] ^ words)
    return mixed(found ^ lengths.astype(np.uint64))


def mixed(values: Hashes) -> Hashes:
    """Each value as SplitMix64 scatters it; one to one."""
    values = values + np.uint64(STEP)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(FIRST)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(SECOND)
    return values ^ (values >> np.uint64(31))


def shares_of(hashes: Hashes) -> NDArray[np.float64]:
    """Each hash as a number of 0 or more and below 1, evenly spread."""
    return (hashes >> np.uint64(11)).astype(np.float64) * UNIT
