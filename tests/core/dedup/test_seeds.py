"""Hashes that are alike are found without comparing all with all."""

import numpy as np
import pytest
from support.hashed import Hashes, some_hashes, turned

from stages.core.dedup.seeds import BANDS, EDGES, are_alike, find_seeds


def pairs(hashes: Hashes, first: int = 0, bits: int = 12, most: int = 64) -> set[tuple[int, int]]:
    """Of all bands: later, earlier."""
    seeds = [one for band in range(BANDS) for one in find_seeds(hashes, band, first, bits, most)]
    return {pair for one in seeds for pair in zip(one.later.tolist(), one.earlier.tolist(), strict=True)}


@pytest.mark.parametrize("bits", range(8))
def test_every_pair_that_differs_in_up_to_seven_bits_is_found(bits: int) -> None:
    base = some_hashes(300, 1)
    found = pairs(np.concatenate([base, turned(base, bits)]))
    assert {(300 + n, n) for n in range(300)} <= found


def test_most_pairs_that_differ_in_ten_bits_are_found() -> None:
    base = some_hashes(1000, 2)
    found = pairs(np.concatenate([base, turned(base, 10)]))
    assert 650 < len(found & {(1000 + n, n) for n in range(1000)}) < 850


def test_only_pairs_that_are_alike_are_found_the_later_one_first() -> None:
    hashes = turned(np.repeat(some_hashes(40, 3), 10), 6, seed=4)
    found = pairs(hashes, bits=10)
    assert all(later > earlier for later, earlier in found)
    later, earlier = np.array(sorted(found)).T
    assert are_alike(hashes[later], hashes[earlier], 10).all()


def test_of_rows_that_were_there_before_none_is_compared_with_another() -> None:
    hashes = np.repeat(some_hashes(10, 5), 4)
    found = pairs(hashes, first=30)
    assert min(later for later, _ in found) == 30
    assert found == {pair for pair in pairs(hashes) if pair[0] >= 30}


def test_a_picture_that_is_everywhere_is_compared_with_the_first_ones_alone() -> None:
    found = pairs(np.full(5000, 0x0F0F_3C3C_5A5A_1234, np.uint64), most=8)
    assert {earlier for _, earlier in found} == set(range(8))
    assert {later for later, _ in found} == set(range(1, 5000))


def test_pictures_with_few_edges_must_be_more_alike() -> None:
    few = np.array([0b111111], np.uint64)
    assert not are_alike(few, few << np.uint64(6), 12).any()
    assert are_alike(few, few ^ np.uint64(0b11), 12).all()
    many = np.array([(1 << EDGES // 2) - 1], np.uint64)
    assert are_alike(many, many ^ np.uint64(0b111111 << 58 | 0b111111), 12).all()
    assert not are_alike(many, many ^ np.uint64(0b1111111 << 57 | 0b111111), 12).any()


def test_without_hashes_there_is_nothing() -> None:
    assert pairs(np.empty(0, np.uint64)) == set()
