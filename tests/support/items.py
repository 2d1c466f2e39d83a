"""Made-up items in worker processes, for tests below the stage runner."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from support.probe import Config, work_on
from support.runs import until

from slurm.scheduler.signals import Stop
from stages.core.runner.processes import Processes, Result
from stages.core.schema.types import Row


def tell_rank(row: Row, folder: str, together: int) -> dict[str, list[Row]]:
    """This worker's number among its task's, and its process, when so many have come; it dies over the key `kill`."""
    rank = os.environ["LOCAL_RANK"]
    (Path(folder) / f"{rank}.rank").touch()
    until(lambda: len(list(Path(folder).glob("*.rank"))) >= together)
    if row["video_id"] == "kill":
        os._exit(1)
    return {"rows": [{"rank": rank, "pid": os.getpid()}]}


class Items:
    """Made-up items and the probe's function over them in `workers` processes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.made: list[Processes] = []

    def order(self, item: str, fault: str, *, once: bool = False) -> None:
        (self.folder / f"{item}.{fault}").write_text("once" if once else "")

    def processes(
        self,
        stop: Stop | None = None,
        workers: int = 2,
        timeout_s: float = 60,
        mem_gb: float | None = None,
        at_once: int = 1,
    ) -> Processes:
        self.made.append(Processes(workers, timeout_s, mem_gb, stop or Stop(), at_once))
        return self.made[-1]

    def map(self, processes: Processes, keys: Iterable[str], seconds: float = 0.0) -> Iterator[Result]:
        rows: list[Row] = [{"video_id": key} for key in keys]
        return processes.map(work_on, (Config(str(self.folder), seconds),), rows)

    def errors(self, processes: Processes, keys: Iterable[str], seconds: float = 0.0) -> dict[str, str | None]:
        """The error of each item, of all of which there is exactly one result."""
        results = list(self.map(processes, keys, seconds))
        assert sorted(str(result.row["video_id"]) for result in results) == sorted(keys)
        return {str(result.row["video_id"]): result.error for result in results}

    def pids(self, item: str) -> list[int]:
        """The worker of each time that the item was begun."""
        path = self.folder / "calls" / item
        return [int(line.split()[0]) for line in path.read_text().splitlines()] if path.exists() else []

    def beside(self, item: str) -> list[set[str]]:
        """The items that its worker had under way each time that the item was begun."""
        path = self.folder / "beside" / item
        return [set(line.split()) for line in path.read_text().splitlines()] if path.exists() else []
