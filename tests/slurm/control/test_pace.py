"""How far a step is and when it will be finished, of steps whose chunks cost very different amounts."""

import time
from itertools import pairwise
from pathlib import Path
from shutil import rmtree

import polars as pl
import pytest
from support.steps import finish, made_step

from slurm.control.pace import Pace, costs_of, pace_of
from slurm.control.survey import Survey
from slurm.record.chunks import borders_of
from slurm.record.done import Costs
from slurm.record.formats import write_record
from slurm.record.history import Past
from slurm.record.manifest import Step

NOW_S = 1_000_000.0
COSTS = [1.0, 1.0, 1.0, 1.0, 10.0, 10.0, 10.0, 10.0]  # of eight videos, in seconds of work
PAST = Past("7_0_0", "7_0", 0, "n1", 1, 0, 0, 0, None, "", "", "f", "n1")


def made(folder: Path) -> Step:
    """A step with a chunk for each of the videos, behind a step that gives their lengths."""
    gives = {"video_id": "String", "duration_s": "Float64", "error": "String", "error_detail": "String"}
    source = made_step(folder, "source", n=1, gives=gives)
    empty = pl.lit(None, pl.String)
    rows = pl.DataFrame({"video_id": [f"v{i}" for i in range(8)], "duration_s": COSTS})
    finish(source, 0, rows.with_columns(error=empty, error_detail=empty))
    step = made_step(folder, "step", n=8, inputs=["source"], cost="duration_s")
    write_record(step.paths.costs_of(0), Costs(COSTS))  # no border lies so that chunks are more alike
    return step


def at(step: Step, passed_s: float, workers: int) -> Survey:
    """What is known after so many seconds, where `workers` chunks are worked on at once, in order."""
    costs, found = [c * sum(COSTS) / 8 for c in costs_of(step)], Survey(step, submissions=1)
    free = [0.0] * workers
    template = finish(step, 0, pl.DataFrame({"video_id": ["v"], "error": [None], "error_detail": [None]}))
    for chunk, cost in enumerate(costs):
        began = min(free)
        free[free.index(began)] = end = began + cost
        if end <= passed_s:
            found.done[chunk] = template._replace(chunk=chunk, rows_in=100, seconds=cost, ended=NOW_S - passed_s + end)
        elif began < passed_s:
            rows = round(100 * (passed_s - began) / cost)
            found.active[chunk] = "RUNNING"
            found.past[chunk] = [PAST._replace(started=NOW_S - passed_s + began, rows=rows, items=100)]
        else:
            found.active[chunk] = "PENDING Resources"
    return found


def ends_s(workers: int) -> float:
    free = [0.0] * workers
    for cost in COSTS:
        free[free.index(min(free))] += cost
    return max(free)


@pytest.mark.parametrize("workers", [1, 2, 8])
@pytest.mark.parametrize("passed_s", [0.9, 2.5, 4.5, 8.0])
def test_the_time_left_is_by_what_chunks_cost_and_not_by_their_number(
    tmp_path: Path, workers: int, passed_s: float
) -> None:
    step = made(tmp_path)
    left_s = pace_of(at(step, passed_s, workers), NOW_S).left_s
    assert left_s == pytest.approx(ends_s(workers) - passed_s, rel=0.35)


def test_rows_of_chunks_that_are_not_done_are_counted(tmp_path: Path) -> None:
    step = made(tmp_path)
    found = at(step, 9.0, 2)
    assert [sorted(found.done), sorted(found.past)] == [[0, 1, 2, 3], [4, 5]]
    assert pace_of(found, NOW_S).rows == 140
    found.past[4].append(found.past[4][0]._replace(before=70, rows=5))
    assert pace_of(found, NOW_S).rows == 145


def test_where_nothing_runs_there_is_no_pace(tmp_path: Path) -> None:
    step = made(tmp_path)
    found = at(step, 9.0, 2)
    found.active = {}
    assert pace_of(found, NOW_S) == Pace(140, None, None)
    assert pace_of(Survey(step, submissions=0, active={0: "PENDING Resources"}), time.time()) == Pace(0, None, None)


def test_a_step_that_takes_over_chunks_takes_over_their_costs(tmp_path: Path) -> None:
    step = made(tmp_path)
    behind = made_step(tmp_path, "behind", n=8, inputs=["step"], aligned=True)
    assert costs_of(behind) == costs_of(step) == [c * 8 / sum(COSTS) for c in COSTS]
    step.paths.costs_of(0).write_text("{")
    assert costs_of(Step(tmp_path, "behind")) == [1.0] * 8
    rmtree(step.paths.borders)
    borders = borders_of(step, 0).borders
    assert costs_of(step) == [sum(COSTS[a:b]) * 8 / sum(COSTS) for a, b in pairwise(borders)]
