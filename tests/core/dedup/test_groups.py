"""Groups are stars: every row that is dropped is like the one that is kept, which is the best of its group."""

import numpy as np
import polars as pl
import pytest

from stages.core.dedup.groups import LINKS, choose_kept, components, rank

Link = tuple[int, int]


def links(*pairs: Link, how: int = 1, score: float = 0.9, covered: float = 1.0) -> pl.DataFrame:
    rows = [(later, earlier, how, score, 0.0, covered) for later, earlier in pairs]
    return pl.DataFrame(rows, schema=LINKS, orient="row")


def kept_of(found: pl.DataFrame, lengths_s: list[float], foreign: int = 0, first: int = 0) -> dict[int, int]:
    """Of each row that is dropped the one that is kept."""
    order = rank(found, np.array(lengths_s), first, 0.75)
    return dict(choose_kept(found, order, foreign, first, 0.5).select("row", "kept").iter_rows())


def test_the_better_one_is_kept() -> None:
    assert kept_of(links((1, 0), (2, 0), (2, 1)), [10, 10, 10]) == {1: 0, 2: 0}


def test_a_chain_does_not_join_its_ends() -> None:
    assert kept_of(links((1, 0), (2, 1), (3, 2)), [10] * 4) == {1: 0, 3: 2}


def test_a_film_is_kept_and_not_its_better_part() -> None:
    assert kept_of(links((1, 0)), [5, 10]) == {0: 1}
    assert kept_of(links((1, 0)), [9, 10]) == {1: 0}


def test_two_parts_of_a_film_go_for_the_film() -> None:
    assert kept_of(links((2, 0), (2, 1)), [5, 4, 10]) == {0: 2, 1: 2}


def test_a_row_that_was_kept_before_stays_whatever_comes() -> None:
    assert kept_of(links((1, 0)), [0, 10], first=1) == {1: 0}


def test_a_new_row_that_holds_much_more_than_one_of_before_is_kept_too() -> None:
    assert kept_of(links((1, 0), covered=0.3), [0, 10], first=1) == {}
    assert kept_of(links((1, 0), covered=0.6), [0, 10], first=1) == {1: 0}


def test_what_leaked_is_dropped_however_little_it_covers_and_for_that_reason() -> None:
    found = pl.concat([links((2, 0), covered=0.1), links((2, 1), how=0, score=1.0)])
    assert kept_of(found, [0, 10, 10], foreign=1, first=1) == {2: 0}


def test_the_surest_reason_is_told() -> None:
    found = pl.concat([links((2, 0)), links((2, 1), how=0, score=1.0)])
    assert kept_of(found, [10] * 3) == {2: 1}


@pytest.mark.parametrize("seed", range(40))
def test_any_links_make_stars_around_the_best(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows, count = int(rng.integers(2, 40)), int(rng.integers(1, 120))
    pairs = np.sort(rng.integers(0, rows, (count, 2)), axis=1)[:, ::-1]
    pairs = np.unique(pairs[pairs[:, 0] != pairs[:, 1]], axis=0)
    found = links(*map(tuple, pairs.tolist())).with_columns(score=pl.Series(rng.random(len(pairs))))
    lengths_s = rng.uniform(1, 20, rows)
    order = rank(found, lengths_s, 0, 0.75)
    dropped = dict(choose_kept(found, order, 0, 0, 0.5).select("row", "kept").iter_rows())
    linked = {frozenset(pair) for pair in pairs.tolist()}
    assert sorted(order) == list(range(rows))
    for row, kept in dropped.items():
        assert kept not in dropped  # so that each row is in one group
        assert frozenset((row, kept)) in linked
        assert order[kept] < order[row]
        assert lengths_s[kept] >= 0.75 * lengths_s[row]
    alive = set(range(rows)) - dropped.keys()
    assert not any(pair <= alive for pair in linked)  # no two that are kept are alike
    shuffled = found.sample(fraction=1, shuffle=True, seed=seed)
    assert dict(choose_kept(shuffled, order, 0, 0, 0.5).select("row", "kept").iter_rows()) == dropped
    assert np.array_equal(rank(shuffled, lengths_s, 0, 0.75), order)


def test_rows_hang_together_by_links_of_any_number() -> None:
    chain = np.arange(1000)
    assert set(components(1001, chain[::-1] + 1, chain[::-1]).tolist()) == {0}
    assert components(5, np.array([4]), np.array([2])).tolist() == [0, 1, 2, 3, 2]
