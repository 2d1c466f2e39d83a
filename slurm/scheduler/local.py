"""cluster.executor=local: each task is a process of this machine; the command waits for all of them."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slurm.scheduler.accounting import Ended, Queued
from slurm.scheduler.array import Array, Watch
from slurm.scheduler.cluster import Cluster
from slurm.scheduler.environment import variables

if TYPE_CHECKING:
    import submitit


class Local:
    """See `Backend`. Nothing is queued: tasks run while `send` does, and end with it."""

    submits = False
    in_process = False
    limits_memory = False
    beat_s = 1.0  # a person watches

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster

    def check(self, folder: Path) -> None:
        """Nothing refuses a process."""
        variables(self.cluster)

    def array_size(self, tasks: int) -> int:
        return max(tasks, 1)

    def send(self, array: Array, watch: Watch | None = None, tries: int = 1) -> str:
        """Runs the tasks, `array.parallel` at once; Ctrl-C ends those that run."""
        os.environ.update(variables(self.cluster))
        made, running = local_executor(self.cluster, array.folder), list["submitit.Job[None]"]()
        showing: AbstractContextManager[Callable[[], None]] = watch() if watch else nullcontext(lambda: None)
        try:
            with showing as show:
                for argument in array.arguments:
                    running.append(made.submit(array.function, argument))
                    while len(running) >= array.parallel:
                        running = _wait(running, show)
                while running:
                    running = _wait(running, show)
                show()
        except KeyboardInterrupt:
            for job in running:
                with suppress(ProcessLookupError):
                    job.cancel()
            raise
        return "local"

    def script(self, folder: Path, tasks: int) -> str:
        return ""

    def nodes(self) -> list[str]:
        return []

    def queued(self, jobs: list[str]) -> list[Queued] | None:
        return []

    def just_ended(self, jobs: list[str]) -> set[tuple[str, int]]:
        return set()

    def ended(self, jobs: list[str]) -> dict[str, list[Ended]] | None:
        return {}

    def find(self, name: str) -> str | None:
        return None

    def cancel(self, jobs: list[str], *, waiting_only: bool = False) -> None:
        """There are none."""


def local_executor(cluster: Cluster, folder: Path) -> "submitit.LocalExecutor":
    from slurm.scheduler.begin import LocalExecutor  # here, since commands that send nothing need none of it

    made = LocalExecutor(folder)
    made.update_parameters(timeout_min=cluster.minutes, setup=cluster.setup, gpus_per_node=cluster.gpus)
    made.parameters["stderr_to_stdout"] = True
    return made


@contextmanager
def processes(
    cluster: Cluster, function: Callable[[Any], None], arguments: Sequence[Any], folder: Path
) -> Iterator[None]:
    """Starts a process for each argument; all are ended and waited for at the end of the `with` block."""
    made = local_executor(cluster, folder)
    jobs = [made.submit(function, argument) for argument in arguments]
    try:
        yield
    finally:
        for job in jobs:
            with suppress(ProcessLookupError):
                job.cancel(check=False)
        for job in jobs:
            job.wait()


def _wait(running: list["submitit.Job[None]"], show: Callable[[], None]) -> list["submitit.Job[None]"]:
    """The jobs that still run when one has ended, or after half a second."""
    for _ in range(10):
        time.sleep(0.05)
        if any(job.done() for job in running):
            break
    show()
    return [job for job in running if not job.done()]
