"""Keyed hashes are the same everywhere, differ by id and seed, and are evenly spread."""

import numpy as np
import polars as pl

from stages.core.balance.hashes import keyed_hashes, shares_of

MASK = 2**64 - 1


def mixed(value: int) -> int:
    value = (value + 0x9E3779B97F4A7C15) & MASK
    value = ((value ^ value >> 30) * 0xBF58476D1CE4E5B9) & MASK
    value = ((value ^ value >> 27) * 0x94D049BB133111EB) & MASK
    return value ^ value >> 31


def by_hand(text: str, seed: int) -> int:
    """The same, an id and a word at a time, with Python's whole numbers."""
    content, found = text.encode(), mixed(seed)
    for first in range(0, len(content), 8):
        found = mixed(found ^ int.from_bytes(content[first : first + 8], "little"))
    return mixed(found ^ len(content))


IDS = ["", "a", "dQw4w9WgXcQ", "12345678", "123456789", "a" * 300, "ä€😀", "folder/a b, c=[d].mp4", "\0", "\0\0"]


def test_a_hash_is_that_of_the_ids_bytes_and_the_seed() -> None:
    for seed in (0, 1, 2**64 - 1):
        assert keyed_hashes(pl.Series(IDS), seed).tolist() == [by_hand(text, seed) for text in IDS]


def test_a_hash_depends_on_nothing_but_its_id() -> None:
    ids = pl.Series([f"video-{n}" for n in range(1000)])
    whole = keyed_hashes(ids, 3)
    assert keyed_hashes(ids.reverse(), 3)[::-1].tolist() == whole.tolist()
    assert keyed_hashes(ids.slice(100, 50), 3).tolist() == whole[100:150].tolist()
    assert len(keyed_hashes(ids.clear(), 3)) == 0


def test_shares_are_spread_evenly_and_seeds_have_nothing_in_common() -> None:
    ids = pl.Series([f"{n:011d}" for n in range(100_000)])
    first, second = (shares_of(keyed_hashes(ids, seed)) for seed in (0, 1))
    assert 0 <= first.min() <= first.max() < 1
    assert np.abs(np.histogram(first, 10, (0, 1))[0] - 10_000).max() < 500
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.02
