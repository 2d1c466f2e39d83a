"""A stage for tests: a value an item, slowly, with faults on demand.

Each item leaves a line in `folder`/calls every time it is worked on, and one in `folder`/beside that tells what else
its worker has under way. A file `folder`/<item>.<fault> makes it misbehave: `raise`, `refuse` (an UnavailableError),
`crash` (SIGSEGV), `exit`, `hang`, `eat` (memory), `bad` or `net` (ItemErrors, the second of a kind that passes); with
content "once", the first time only.
"""

import hashlib
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from slurm.errors import ItemError, UnavailableError
from slurm.task.attempt import Output
from stages.core.runner.stage import Stage
from stages.core.runner.work import Rows
from stages.core.schema.types import INT, TEXT, Row


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Config:
    folder: str
    seconds: float
    eat_gb: float = 64.0


UNDER_WAY: dict[str, None] = {}


def work_on(row: Row, config: Config) -> dict[str, list[Row]]:
    item, folder = str(row["video_id"]), Path(config.folder)
    note(folder / "calls" / item, f"{os.getpid()} {os.getppid()}")
    UNDER_WAY[item] = None  # before it looks: of rows begun at the same instant, the last sees the others
    note(folder / "beside" / item, " ".join(other for other in list(UNDER_WAY) if other != item))
    try:
        return value_of(item, config)
    finally:
        del UNDER_WAY[item]


def note(file: Path, line: str) -> None:
    file.parent.mkdir(exist_ok=True)
    with file.open("a") as lines:
        lines.write(f"{line}\n")


def value_of(item: str, config: Config) -> dict[str, list[Row]]:
    folder = Path(config.folder)
    time.sleep(config.seconds)
    for fault, act in FAULTS.items():
        order = folder / f"{item}.{fault}"
        if order.exists():
            if order.read_text() == "once":
                order.unlink()
            act(config)
    value = hashlib.sha256(item.encode()).hexdigest()
    return {"rows": [{"value": value}], "letters": [{"place": i, "letter": value[i]} for i in range(3)]}


def large(row: Row, chars: int) -> dict[str, list[Row]]:
    """A row of so many characters."""
    item = str(row["video_id"])
    return {"rows": [{"value": item * (chars // len(item))}]}


def crash(config: Config) -> None:
    signal.raise_signal(signal.SIGSEGV)  # in this thread: sent to the process it might come after the row's result


def hang(config: Config) -> None:
    time.sleep(3600)


def eat(config: Config) -> None:
    held = []
    for _ in range(int(config.eat_gb * 16)):
        held.append(bytearray(os.urandom(1)) * (64 * 2**20))
        time.sleep(0.01)
    time.sleep(4)  # Slurm looks at memory once a second


def bad(config: Config) -> None:
    raise ItemError("corrupt", "the test said so")


def net(config: Config) -> None:
    raise ItemError("network", "the test said so")


def fail(config: Config) -> None:
    raise RuntimeError("the test said so")


def refuse(config: Config) -> None:
    raise UnavailableError("the site of the test wants no more requests")


def leave(config: Config) -> None:
    sys.exit(3)


FAULTS = {
    "raise": fail,
    "refuse": refuse,
    "crash": crash,
    "exit": leave,
    "hang": hang,
    "eat": eat,
    "bad": bad,
    "net": net,
}


def run(rows: Rows, config: Config) -> Iterator[Output]:
    yield from rows.each(work_on, config)


STAGE = Stage(
    name="support.probe",
    kind="map",
    config=Config,
    run=run,
    gives={"value": TEXT},
    needs=("path",),
    tables={"letters": {"place": INT, "letter": TEXT}},
)
