"""A stage for tests: two clips of every video, a second each."""

from collections.abc import Iterator

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from slurm.task.attempt import Output
from stages.core.runner.stage import Stage
from stages.core.runner.work import Rows
from stages.core.schema.types import REAL, Row


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Config:
    pass


def cut_in_two(row: Row) -> dict[str, list[Row]]:
    return {"rows": [{"clip_id": f"{row['video_id']}_{n}", "start_s": float(n), "end_s": n + 1.0} for n in range(2)]}


def run(rows: Rows, config: Config) -> Iterator[Output]:
    yield from rows.each(cut_in_two)


STAGE = Stage(
    name="support.spans", kind="map", config=Config, run=run, gives={"start_s": REAL, "end_s": REAL}, key="clip_id"
)
