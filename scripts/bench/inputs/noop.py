"""A stage that does nothing, so that what is measured is the runner and the manifest; see bench_slurm.py."""

from collections.abc import Iterator

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from slurm.task.attempt import Output
from stages.core.runner.stage import Stage
from stages.core.runner.work import Rows
from stages.core.schema.types import TEXT, Row


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Config:
    pass


def same(row: Row) -> dict[str, list[Row]]:
    return {"rows": [{"same": row["path"]}]}


def run(rows: Rows, config: Config) -> Iterator[Output]:
    yield from rows.each(same)


def idle(number: int) -> None:
    """A job that does nothing, for submitit's own arrays."""


STAGE = Stage(
    name="scripts.bench.inputs.noop",
    kind="map",
    config=Config,
    run=run,
    gives={"same": TEXT},
    needs=("path",),
    key="video_id",
)
