"""Chunks: slices that cover a table, in order, at about equal cost."""

import random
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest
from support.steps import finish, made_step

from slurm.record.chunks import MOST_LARGER, borders, borders_of, count, covered, follow_input
from slurm.record.inputs import source_of
from slurm.record.manifest import Step
from stages.core.runner.inputs import read_items

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


def keyed(ids: list[str]) -> pl.DataFrame:
    return pl.DataFrame({"video_id": ids, "value": ids, "error": None, "error_detail": None}, dict.fromkeys(
        ("video_id", "value", "error", "error_detail"), pl.String
    ))  # fmt: skip


def chunks_of(step: Step) -> list[list[str]]:
    """The items of each chunk of a step."""
    return [read_items(step, chunk)["video_id"].to_list() for chunk in range(step.plan.n)]


@pytest.mark.parametrize("seed", range(12))
def test_borders_that_move_keep_every_row_in_one_chunk_and_leave_chunks_with_the_same_input_as_they_are(
    tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    sizes = [chance.choice([0, 1, 5, 20]) for _ in range(7)]
    source = made_step(tmp_path, "source", n=len(sizes))
    ids = [[f"{chunk}-{row:03d}" for row in range(0, 2 * size, 2)] for chunk, size in enumerate(sizes)]
    for chunk, own in enumerate(ids):
        finish(source, chunk, keyed(own))
    step = made_step(tmp_path, "step", n=chance.choice([1, 3, 8]), inputs=["source"])
    for round_number in range(4):
        step = Step(tmp_path, "step")
        before = chunks_of(step)
        sources = [source_of(step, chunk) for chunk in range(step.plan.n)]
        for chunk, own in enumerate(before):
            finish(step, chunk, keyed(own), attempt=f"{round_number}_0_0")
        changed = chance.sample(range(len(ids)), k=2)
        for chunk in changed:  # some rows are gone, some are new
            there = [f"{chunk}-{row:03d}" for row in range(2 * sizes[chunk] + 2)]
            ids[chunk] = sorted({*chance.sample(there, k=len(there) // 3), *ids[chunk][chance.randrange(2) :]})
            finish(source, chunk, keyed(ids[chunk]), attempt=f"{round_number + 2}_0_0")
        step = Step(tmp_path, "step")
        stale = {chunk for chunk in range(step.plan.n) if source_of(step, chunk) != sources[chunk]}
        touched = {c for c, own in enumerate(before) if {int(i[0]) for i in own} & {*changed}}
        assert touched <= stale
        largest = max(map(len, before))
        follow_input(step, step.layouts[0])
        after = chunks_of(step)
        assert [i for own in after for i in own] == [i for own in ids for i in own]
        if max(map(len, after)) <= MOST_LARGER * largest:
            assert all(after[chunk] == before[chunk] for chunk in range(step.plan.n) if chunk not in stale)
        same = {c for c in range(step.plan.n) if source_of(step, c) == sources[c]}
        assert all(after[chunk] == before[chunk] for chunk in same)


def test_a_border_stays_before_the_same_row_and_else_in_proportion(tmp_path: Path) -> None:
    source = made_step(tmp_path, "source", n=1)
    finish(source, 0, keyed(list("abcdef")))
    step = made_step(tmp_path, "step", n=3, inputs=["source"])
    assert chunks_of(step) == [["a", "b"], ["c", "d"], ["e", "f"]]
    finish(step, 2, keyed(["e", "f"]))
    finish(source, 0, keyed(list("abcdefgh")), attempt="2_0_0")
    follow_input(step, step.layouts[0])
    assert chunks_of(step) == [["a", "b", "c"], ["d"], ["e", "f", "g", "h"]]


def test_an_input_that_grew_much_is_cut_anew(tmp_path: Path) -> None:
    source = made_step(tmp_path, "source", n=2)
    finish(source, 0, keyed([]))
    finish(source, 1, keyed(["a", "b"]))
    step = made_step(tmp_path, "step", n=2, inputs=["source"])
    assert chunks_of(step) == [["a"], ["b"]]
    finish(source, 0, keyed(list("stuvwx")), attempt="2_0_0")
    follow_input(step, step.layouts[0])
    assert chunks_of(step) == [["s", "t", "u", "v"], ["w", "x", "a", "b"]]


def test_chunks_of_the_input_without_a_row_belong_to_the_chunk_that_their_rows_will_be_in(tmp_path: Path) -> None:
    source = made_step(tmp_path, "source", n=4)
    for chunk, ids in enumerate((["a", "b"], [], ["c", "d"], [])):
        finish(source, chunk, keyed(ids))
    step = made_step(tmp_path, "step", n=2, inputs=["source"])
    assert chunks_of(step) == [["a", "b"], ["c", "d"]]
    assert [covered(borders_of(step, 0), number) for number in range(2)] == [range(1), range(1, 4)]
    before = [source_of(step, chunk) for chunk in range(2)]
    for late, rows in ((3, ["e"]), (1, ["x"])):
        finish(source, late, keyed(rows), attempt="2_0_0")
        assert source_of(step, 0) == before[0]
        assert source_of(step, 1) != before[1]
        follow_input(step, step.layouts[0])
        before[1] = source_of(step, 1)
    assert chunks_of(step) == [["a", "b"], ["x", "c", "d", "e"]]
