"""A reduce stage for tests that judges: drops every second row, numbered over the whole run, and may lose some."""

from collections.abc import Iterator

import polars as pl
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from slurm.task.attempt import Output
from stages.core.runner.stage import Former, Stage
from stages.core.runner.work import Rows
from stages.core.schema.types import INT, TEXT


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Config:
    loses: int = 0


def run(rows: Rows, config: Config, former: Former) -> Iterator[Output]:
    before = 0 if former.items is None else len(former.items)
    number = pl.int_range(pl.len()) + before
    judged = rows.table.select(*rows.keys, number=number, drop_reason=pl.when(number % 2 == 1).then(pl.lit("odd")))
    seen = [] if former.items is None else former.items["path"].to_list()
    table = pl.DataFrame({"seen": ["".join(seen)]})
    yield from rows.whole({"rows": judged.head(len(judged) - config.loses), "former": table})


STAGE = Stage(
    name="support.judging",
    kind="reduce",
    config=Config,
    run=run,
    gives={"number": INT, "drop_reason": TEXT},
    needs=["path"],
    tables={"former": {"seen": TEXT}},
    continues=True,
    judges=True,
)
