"""cluster.executor=local: each task is a process of this machine; the command waits for all of them."""

import os
import signal
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slurm.scheduler.accounting import Ended, Queued
from slurm.scheduler.array import Array, Watch, check_folder
from slurm.scheduler.cluster import Cluster
from slurm.scheduler.environment import variables
from slurm.scheduler.tasks import write_tasks

if TYPE_CHECKING:
    import submitit

    from slurm.scheduler.executors import LocalExecutor


class Local:
    """See `Backend`. Nothing is queued: tasks run while `send` does, and end with it."""

    submits = False
    in_process = False
    limits_memory = False
    beat_s = 1.0  # a person watches

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster

    def check(self, folder: Path, *, again: bool = False) -> None:
        """Raises InputError where tasks cannot have their logs there; nothing else refuses a process."""
        check_folder(folder)
        variables(self.cluster)

    def array_size(self, tasks: int) -> int:
        return max(tasks, 1)

    def send(self, array: Array, watch: Watch | None = None, tries: int = 1) -> str:
        """Runs the tasks, `array.parallel` at once; Ctrl-C ends those that run."""
        os.environ.update(variables(self.cluster))
        made, running = local_executor(self.cluster, array.folder), list["submitit.Job[None]"]()
        record = write_tasks(array.folder, array.function, array.arguments)
        showing: AbstractContextManager[Callable[[], None]] = watch() if watch else nullcontext(lambda: None)
        try:
            with showing as show:
                for number in range(len(array.arguments)):
                    running.append(_start(made, record, number))
                    while len(running) >= array.parallel:
                        running = _wait(running, show)
                while running:
                    running = _wait(running, show)
                show()
        finally:  # they have ended, unless this was interrupted
            _end(running)
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

    def restarts(self, jobs: list[str]) -> dict[tuple[str, int], int]:
        return {}

    def wait_for(self, job: str, others: list[str], no_more: Collection[str] = ()) -> str:
        return ""

    def find(self, name: str) -> str | None:
        return None

    def cancel(self, jobs: list[str], *, waiting_only: bool = False) -> None:
        """There are none."""


def local_executor(cluster: Cluster, folder: Path) -> "LocalExecutor":
    from slurm.scheduler.executors import LocalExecutor  # here, since commands that send nothing need none of it

    check_folder(folder)
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
    record = write_tasks(folder, function, arguments)
    jobs: list[submitit.Job[None]] = []
    try:
        for number in range(len(arguments)):
            jobs.append(_start(made, record, number))
        yield
    finally:
        _end(jobs)


def _start(made: "LocalExecutor", record: Path, number: int) -> "submitit.Job[None]":
    """Starts a task below a process of submitit's, which takes no notice of Ctrl-C: it would print a traceback."""
    if threading.current_thread() is not threading.main_thread():  # which alone may say what a signal does
        return made.start(record, number)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # a new process inherits that; the task handles it again
    try:
        return made.start(record, number)
    finally:
        signal.signal(signal.SIGINT, before)


def _end(jobs: Sequence["submitit.Job[None]"]) -> None:
    """Interrupts the tasks, as Ctrl-C in a terminal does, until they have flushed and ended."""
    while running := [job for job in jobs if not job.done()]:
        for pid in [pid for job in running for pid in _below(int(job.job_id))]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGINT)  # one that is still being imported takes no notice of it
        time.sleep(0.2)


def _below(pid: int) -> list[int]:
    """A process and all below it in our process group: not the engine of a model server, which has its own."""
    try:
        if os.getpgid(pid) != os.getpgrp():
            return []
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (ProcessLookupError, FileNotFoundError):
        return []
    return [pid, *(below for child in children for below in _below(int(child)))]


def _wait(running: list["submitit.Job[None]"], show: Callable[[], None]) -> list["submitit.Job[None]"]:
    """The jobs that still run when one has ended, or after half a second."""
    for _ in range(10):
        time.sleep(0.05)
        if any(job.done() for job in running):
            break
    show()
    return [job for job in running if not job.done()]
