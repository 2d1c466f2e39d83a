"""What is kept of each source agrees with the rows of the steps."""

from collections.abc import Callable

import polars as pl

from slurm.record.manifest import Step
from stages.core.report.flow.funnel import read_flow
from stages.core.report.flow.sources import MOST, read_sources
from stages.core.report.summary import by_source, find_way

Make = Callable[..., Step]


def catalogue(make: Make, sources: list[str | None]) -> Step:
    rows = pl.DataFrame({"video_id": [f"v{n}" for n in range(len(sources))], "source": sources})
    return make("ingest", rows.cast({"source": pl.String}), kind="reduce", item_keys=[])


def measured(make: Make, lengths_s: list[float | None], failed: set[int]) -> Step:
    """`analyze` over videos v0, v1, …"""
    rows = pl.DataFrame({"video_id": [f"v{n}" for n in range(len(lengths_s))], "duration_s": lengths_s})
    errors = pl.Series("error", ["corrupt" if n in failed else None for n in range(len(rows))], pl.String)
    return make("analyze", rows.cast({"duration_s": pl.Float64}).with_columns(errors), ("ingest",))


def test_rows_hours_and_failures_of_each_source_add_up_to_those_of_the_steps(make: Make) -> None:
    first = catalogue(make, ["a", "b", "a", None, "b", "a"])
    second = measured(make, [100.0, 50.0, 10.0, 20.0, None, 30.0], {2, 4})
    spans = [
        ("c0", "v0", 40.0, None),
        ("c1", "v0", 40.0, "too_short"),
        ("c2", "v1", 25.0, None),
        ("c3", "v3", 5.5, None),
    ]
    schema = {"clip_id": pl.String, "video_id": pl.String, "duration_s": pl.Float64, "drop_reason": pl.String}
    third = make("split", pl.DataFrame(spans, schema=schema, orient="row"), ("analyze",))
    verdicts = pl.DataFrame(
        {"clip_id": ["c0", "c2", "c3"], "video_id": ["v0", "v1", "v3"], "drop_reason": [None, "x.min", None]}
    )
    steps = [first, second, third, make("filter", verdicts.cast(pl.String), ("split",))]
    sources = read_sources(steps)
    flows = [read_flow(step, sources) for step in steps]
    rows = {row.name: row for row in by_source(flows, sources)}
    assert list(rows) == ["a", "b", "unknown"]  # those with most videos first
    assert [row.videos for row in rows.values()] == [3, 2, 1]
    assert [row.failed for row in rows.values()] == [1, 1, 0]
    assert [row.read for row in rows.values()] == [(2, 130.0, 0), (1, 50.0, 0), (1, 20.0, 0)]
    assert [row.made.rows for row in rows.values()] == [2, 1, 1]
    assert [row.kept for row in rows.values()] == [(1, 40.0, 0), (0, 0.0, 0), (1, 5.5, 0)]
    way = find_way(flows)
    assert way is not None
    assert (way.first.step.name, way.made.step.name, way.last.step.name) == ("ingest", "split", "filter")
    assert sum(row.kept.seconds for row in rows.values()) == way.last.kept.seconds == 45.5


def test_of_many_sources_the_rare_ones_are_one_line(make: Make) -> None:
    names = [f"list {n}" for n in range(MOST + 5)]
    steps = [catalogue(make, [*names, *names[:3]]), measured(make, [1.0] * (len(names) + 3), set())]
    sources = read_sources(steps)
    rows = by_source([read_flow(step, sources) for step in steps], sources)
    assert len(rows) == MOST
    assert [row.name for row in rows[:3]] == ["list 0", "list 1", "list 2"]
    assert (rows[-1].name, rows[-1].videos) == ("6 others", 6)
    assert sum(row.kept.seconds for row in rows) == len(names) + 3


def test_a_password_in_the_address_of_a_source_is_not_shown(make: Make) -> None:
    assert "secret" not in read_sources([catalogue(make, ["https://me:secret@lists.example/x.csv"])]).names[0]


def test_a_run_whose_catalogue_names_no_source_has_none(make: Make) -> None:
    step = make("ingest", pl.DataFrame({"video_id": ["v"]}), kind="reduce", item_keys=[])
    assert read_sources([step]).names == []
    assert by_source([read_flow(step)], read_sources([step])) == []
