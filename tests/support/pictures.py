"""A stage for tests whose items have many pictures: more than a worker keeps in memory."""

import os
import random
import signal
import time
from collections.abc import Iterator

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from slurm.errors import ItemError
from slurm.task.attempt import Output
from stages.core.runner.stage import Stage
from stages.core.runner.work import Rows
from stages.core.schema.types import INT, PICTURE, TEXT, Row, Schema
from stages.core.storage.spill import Spill, Tables

BYTES = 1 << 20
PICTURES: Schema = {"place": INT, "picture": PICTURE}


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Config:
    count: int


def picture(item: str, place: int) -> bytes:
    return random.Random(f"{item} {place}").randbytes(BYTES)


def take(row: Row, config: Config) -> Tables:
    """`count` pictures of 1 MiB; `bad` fails after them, `stuck` and `dead` go no further, `few` has only one."""
    item = str(row["video_id"])
    with Spill(PICTURES) as pictures:
        for place in range(1 if item == "few" else config.count):
            pictures.add({"place": place, "picture": picture(item, place)})
        if item == "stuck":
            time.sleep(3600)
        if item == "dead":
            os.kill(os.getpid(), signal.SIGKILL)
        if item == "bad":
            raise ItemError("corrupt", "the test said so")
        return {"rows": [{"value": item}], "pictures": pictures.rows()}


def run(rows: Rows, config: Config) -> Iterator[Output]:
    yield from rows.each(take, config)


STAGE = Stage(
    name="support.pictures",
    kind="map",
    config=Config,
    run=run,
    gives={"value": TEXT},
    needs=("path",),
    tables={"pictures": PICTURES},
)
