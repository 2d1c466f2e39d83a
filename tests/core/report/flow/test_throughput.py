"""Items over time: all of them, where their chunks worked, without the time in which nothing did."""

from collections.abc import Callable

import polars as pl
import pytest

from slurm.record.manifest import Step
from stages.core.report.flow.throughput import BINS, read_throughput

Make = Callable[..., Step]
NOON = 1_700_000_000.0


def worked(make: Make, name: str, items: int, ended: float, seconds: float) -> Step:
    step = make(name, pl.DataFrame({"video_id": [f"v{n}" for n in range(items)]}))
    (done,) = step.all_done()
    step.finish(done._replace(ended=ended, seconds=seconds))
    return step


def test_every_item_is_counted_once_and_where_its_chunk_worked(make: Make) -> None:
    steps = [worked(make, "first", 10, NOON + 100, 100.0), worked(make, "second", 30, NOON + 200, 50.0)]
    found = read_throughput(steps)
    assert found is not None
    assert (found.started, found.ended, found.breaks) == (NOON, NOON + 200, [])
    bin_h = 200 / BINS / 3600
    first, second = found.rates
    assert sum(first.per_hour) * bin_h == pytest.approx(10)
    assert sum(second.per_hour) * bin_h == pytest.approx(30)
    assert sum(first.per_hour[BINS // 2 :]) == pytest.approx(0)
    assert sum(second.per_hour[: BINS * 3 // 4]) == pytest.approx(0)
    assert [first.mean, second.mean] == pytest.approx([360, 2160])
    assert (first.items, first.unit) == (10, "videos")


def test_a_month_between_two_steps_is_a_break_and_takes_no_place(make: Make) -> None:
    month_s = 30 * 86_400.0
    steps = [worked(make, "then", 5, NOON, 60.0), worked(make, "now", 5, NOON + month_s, 60.0)]
    found = read_throughput(steps)
    assert found is not None
    (pause,) = found.breaks
    assert pause == pytest.approx((0.5, month_s - 60))
    then, now = found.rates
    assert min(then.per_hour[: BINS // 2]) == pytest.approx(300)
    assert min(now.per_hour[BINS // 2 :]) == pytest.approx(300)


def test_reduce_steps_and_chunks_without_a_time_have_none(make: Make) -> None:
    source = make("ingest", pl.DataFrame({"video_id": ["v"]}), kind="reduce", item_keys=[])
    assert read_throughput([source, make("other", pl.DataFrame({"video_id": ["v"]}))]) is None
    assert read_throughput([]) is None
