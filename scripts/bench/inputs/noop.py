"""A stage that does nothing, so that what is measured is the runner and its records; its rows say how to misbehave.

A row whose path holds `corrupt` fails, `odd` fails its chunk, `stop` ends its task as a lost node would: by SIGTERM.

    python -m scripts.bench.inputs.noop --config-dir scripts/bench/inputs/conf run=NAME
"""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from slurm.errors import ItemError
from stages.core.command_line.start import main
from stages.core.runner.stage import Stage

Row = dict[str, Any]


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Config:
    first: str | None


def same(row: Row) -> dict[str, list[Row]]:
    if "corrupt" in row["path"]:
        raise ItemError("corrupt", "made for the benchmark")
    if "odd" in row["path"]:
        raise RuntimeError(f"item {row['path']} is odd")
    return {"rows": [{"same": row["path"]}]}


def run(rows: Any, config: Config) -> Iterator[Any]:
    if rows.table["path"].str.contains("odd").any():
        raise RuntimeError("an odd item")
    if rows.table["path"].str.contains("stop").any():
        os.kill(os.getpid(), signal.SIGTERM)
    for output in rows.each(same):
        yield output
        if config.first:
            Path(config.first).touch()


STAGE = Stage(
    name="scripts.bench.inputs.noop",
    kind="map",
    config=Config,
    run=run,
    gives={"same": pl.String()},
    needs=("path",),
    key="video_id",
)

if __name__ == "__main__":
    main(STAGE)
