"""A stage for tests: three frames of every item under a key of their own, each with a score; none of items named."""

from collections.abc import Iterator

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from slurm.task.attempt import Output
from stages.core.runner.stage import Stage
from stages.core.runner.work import Rows
from stages.core.schema.types import INT, REAL, Row


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Config:
    scores: tuple[float, float, float]
    without: list[str]  # items that have no frame


def score_frames(row: Row, key: str, config: Config) -> dict[str, list[Row]]:
    item = str(row[key])
    if item in config.without:
        return {"rows": []}
    scored = enumerate(config.scores)
    return {
        "rows": [{"frame_id": f"{item}_{n}", "score": score} for n, score in scored],
        "boxes": [{"box": n, "area": 0.5 * n} for n in range(2)],
        "moments": [{"time_s": 0.5 * n, "loud": 1.0 * n} for n in range(4)],
    }


def run(rows: Rows, config: Config) -> Iterator[Output]:
    yield from rows.each(score_frames, rows.keys[0], config)


STAGE = Stage(
    name="support.frames",
    kind="map",
    config=Config,
    run=run,
    gives={"score": REAL},
    key="frame_id",
    tables={"boxes": {"box": INT, "area": REAL}, "moments": {"time_s": REAL, "loud": REAL}},
)
