"""Steps that are done, made of tables, without a stage that computes anything."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from support.steps import plan

from slurm.record.done import Done
from slurm.record.files import write_table
from slurm.record.manifest import Step
from slurm.record.plan import fingerprint

Make = Callable[..., Step]


def columns_of(table: pl.DataFrame) -> dict[str, str]:
    return {column: str(dtype) for column, dtype in table.schema.items()}


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """make(name, rows, inputs, **plan fields): a step of the run `run` in tmp_path, with these rows in one part."""

    def made(name: str, rows: pl.DataFrame, inputs: tuple[str, ...] = (), **about: Any) -> Step:
        step = Step(tmp_path / "run", name)
        tables: dict[str, pl.DataFrame] = about.pop("tables", {})
        gives = columns_of(rows)
        identity = {"stage": name, **{f"upstream.{i}": Step(step.run, i).plan.fingerprint for i in inputs}}
        key = "clip_id" if "clip_id" in rows.columns else "video_id"
        keys = [key, "video_id"] if key == "clip_id" else [key]
        standing: dict[str, Any] = {
            **{"stage": name, "n": 1, "inputs": list(inputs), "input_chunks": dict.fromkeys(inputs, 1)},
            **{
                "keys": keys,
                "item_keys": keys,
                "gives": gives,
                "tables": {name: columns_of(table) for name, table in tables.items()},
            },
            **{"identity": identity, "fingerprint": fingerprint(identity), **about},
        }
        step.create(plan(**standing))
        write_table(step.paths.part("000/0.parquet"), rows)
        for table, content in tables.items():
            write_table(step.paths.part("000/0.parquet", table), content)
        failed = len(rows.drop_nulls("error")) if "error" in rows.columns else 0
        record: dict[str, Any] = {
            **{"chunk": 0, "fingerprint": step.plan.fingerprint, "part": "000/0.parquet", "tables": sorted(tables)},
            **{"rows_in": len(rows), "rows_out": len(rows), "rows_kept": 0, "rows_failed": failed, "errors": {}},
            **{"seconds": 36.0, "wasted_s": 0.0, "cpus": 2, "gpus": 0, "attempt": "a", "host": "h", "ended": 0.0},
        }
        step.finish(Done(**record))
        return step

    return made


@pytest.fixture
def clips() -> Callable[[list[float | None]], pl.DataFrame]:
    """clips(lengths): rows c0, c1, … of one video, ten seconds apart."""

    def made(lengths_s: list[float | None]) -> pl.DataFrame:
        starts = [10.0 * i for i in range(len(lengths_s))]
        rows = [(f"c{i}", "v", start, start + 5, lengths_s[i], None) for i, start in enumerate(starts)]
        numbers = dict.fromkeys(("start_s", "end_s", "duration_s"), pl.Float64)
        schema = {"clip_id": pl.String, "video_id": pl.String, **numbers, "error": pl.String}
        return pl.DataFrame(rows, schema=schema, orient="row")

    return made


@pytest.fixture
def verdicts() -> Callable[..., pl.DataFrame]:
    """verdicts(*reasons): rows c0, c1, … with these drop_reasons."""

    def made(*reasons: str | None) -> pl.DataFrame:
        ids = [f"c{i}" for i in range(len(reasons))]
        columns = {"clip_id": ids, "video_id": ["v"] * len(ids), "drop_reason": reasons, "error": [None] * len(ids)}
        return pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))

    return made


@pytest.fixture
def scored() -> Callable[..., dict[str, Any]]:
    """scored(values, **limits): the side table and the config of a filter step with one rule, `score`."""

    def made(values: list[float | None], **rule: Any) -> dict[str, Any]:
        schema = {"rule": pl.String, "value": pl.Float64}
        table = pl.DataFrame({"rule": ["score"] * len(values), "value": values}, schema=schema)
        limits = {"column": None, "reduce": "mean", "min": None, "max": None, **rule}
        return {"tables": {"values": table}, "config": {"rules": {"score": limits}}}

    return made
