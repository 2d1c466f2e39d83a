"""Reduce stages for tests: a running count of rows, which continues, and one that is made again (`AGAIN`)."""

from collections.abc import Mapping
from pathlib import Path

import polars as pl
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from slurm.record.manifest import Step
from stages.core.runner.stage import Former, Stage
from stages.core.schema.types import INT, Schema


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Config:
    refuses: str = ""  # raises over new rows while this file exists


def rows_of(steps: Mapping[str, Step]) -> pl.DataFrame:
    (step,) = steps.values()
    return step.kept().select("video_id").collect()


def count_on(steps: Mapping[str, Step], config: Config, folder: Path, former: Former) -> dict[str, pl.DataFrame]:
    """Every row with its number in the whole run; `seen` says how many rows it was handed."""
    rows = rows_of(steps)
    if former.tables and config.refuses and Path(config.refuses).exists():
        raise ValueError(f"refused by {config.refuses}")
    before = former.tables["rows"].select(pl.len()).collect().item() if former.tables else 0
    return {"rows": rows.with_columns(number=pl.int_range(pl.len()) + before, seen=pl.lit(len(rows)))}


def count(steps: Mapping[str, Step], config: Config, folder: Path) -> dict[str, pl.DataFrame]:
    rows = rows_of(steps)
    return {"rows": rows.with_columns(number=pl.int_range(pl.len()), seen=pl.lit(len(rows)))}


GIVES: Schema = {"number": INT, "seen": INT}
STAGE = Stage(
    name="support.tally", kind="reduce", config=Config, run=count_on, gives=GIVES, key="video_id", continues=True
)
AGAIN = Stage(name="support.again", kind="reduce", config=Config, run=count, gives=GIVES, key="video_id")
