"""Chunks: slices that cover a table, in order, at about equal cost."""

import random
from collections.abc import Callable
from itertools import pairwise

import polars as pl
import pytest

from slurm.record.chunks import borders, count

KINDS: dict[str, Callable[[random.Random], float]] = {
    "even": lambda chance: 1.0,
    "uniform": lambda chance: chance.random(),
    "long tail": lambda chance: chance.paretovariate(1.1),
    "mostly free": lambda chance: chance.choice([0.0, 0.0, 0.0, 5.0]),
    "whole numbers": lambda chance: float(chance.randrange(10)),
}


def assert_cover(cut: list[int], rows: int, n: int) -> None:
    assert len(cut) == n + 1
    assert (cut[0], cut[-1]) == (0, rows)
    assert cut == sorted(cut)


@pytest.mark.parametrize("kind", KINDS)
def test_chunks_cover_the_table_in_order_at_about_equal_cost(kind: str) -> None:
    chance = random.Random(kind)
    for _ in range(300):
        n = chance.randint(1, 40)
        cost = [KINDS[kind](chance) for _ in range(chance.randint(0, 300))]
        cut = borders(pl.Series(cost, dtype=pl.Float64), n)
        assert_cover(cut, len(cost), n)
        largest = max((sum(cost[a:b]) for a, b in pairwise(cut)), default=0.0)
        assert largest <= sum(cost) / n + max(cost, default=0.0) + 1e-6 * sum(cost)


def test_costs_that_are_not_known_count_as_the_median() -> None:
    chance = random.Random(1)
    for _ in range(200):
        known = [chance.uniform(1, 9) for _ in range(chance.randint(1, 60))]
        median = float(pl.Series(known).median())  # type: ignore[arg-type]
        gaps = [chance.choice([None, float("nan"), -1.0, -float("inf")]) for _ in range(chance.randint(0, 30))]
        mixed = chance.sample([*known, *gaps], len(known) + len(gaps))
        filled = [median if value in gaps else value for value in mixed]
        n = chance.randint(1, 12)
        assert borders(pl.Series(mixed, dtype=pl.Float64), n) == borders(pl.Series(filled, dtype=pl.Float64), n)


@pytest.mark.parametrize("unknown", [None, float("nan"), -3.0, 0.0])
def test_costs_that_are_all_unknown_or_zero_balance_by_count(unknown: float | None) -> None:
    cut = borders(pl.Series([unknown] * 100, dtype=pl.Float64), 8)
    assert_cover(cut, 100, 8)
    assert {b - a for a, b in pairwise(cut)} <= {12, 13}


def test_an_infinite_cost_still_gives_chunks_that_cover_the_table() -> None:
    assert_cover(borders(pl.Series([1.0, float("inf"), 2.0, 3.0, 1.0]), 3), 5, 3)


def test_more_chunks_than_rows_leave_some_empty() -> None:
    for rows in range(5):
        cut = borders(pl.repeat(1.0, rows, eager=True), 9)
        assert_cover(cut, rows, 9)
        assert max(b - a for a, b in pairwise(cut)) <= 1


def test_an_empty_table_has_empty_chunks() -> None:
    assert borders(pl.Series([], dtype=pl.Float64), 3) == [0, 0, 0, 0]


def test_whole_number_costs_give_the_borders_of_the_same_floats() -> None:
    cost = [1, 5, 2, 8, 3, 1, 1, 1]
    assert borders(pl.Series(cost), 3) == borders(pl.Series(cost, dtype=pl.Float64), 3)


def test_an_expensive_row_is_a_chunk_of_its_own() -> None:
    cut = borders(pl.Series([1.0, 1.0, 100.0, 1.0, 1.0]), 3)
    assert (2, 3) in list(pairwise(cut))


@pytest.mark.parametrize(("rows", "chunks"), [(0, 1), (1, 1), (64, 1), (65, 2), (1000, 16)])
def test_count_is_enough_chunks_of_the_size_and_at_least_one(rows: int, chunks: int) -> None:
    assert count(rows, 64) == chunks
