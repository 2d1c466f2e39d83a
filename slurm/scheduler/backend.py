"""Where tasks run: one protocol for Slurm, local processes and this process, chosen by cluster.executor.

slurm    submits jobs and returns; they run when the cluster has room
local    runs tasks in processes of this machine, `parallel` at once, until all have ended
debug    runs tasks in this process, one after another
"""

from collections.abc import Collection
from pathlib import Path
from typing import Protocol

from slurm.scheduler.accounting import Ended, Queued
from slurm.scheduler.array import Array, Watch
from slurm.scheduler.cluster import Cluster
from slurm.scheduler.debug import Debug
from slurm.scheduler.local import Local
from slurm.scheduler.slurm import Slurm


class Backend(Protocol):
    """What callers may ask of the place where tasks run; made from the cluster's settings."""

    submits: bool  # tasks outlive the command that sends them; otherwise `send` returns when all have ended
    in_process: bool  # tasks run in the process of the command, and log where it prints
    limits_memory: bool  # a task that uses more than cluster.mem_gb is killed
    beat_s: float  # interval between a task's heartbeats

    def __init__(self, cluster: Cluster) -> None: ...

    def check(self, folder: Path, *, again: bool = False) -> None:
        """Raises ClusterError or InputError if a task with these settings would be refused; sends nothing.

        `again`: these settings were not refused a moment ago, with another folder.
        """

    def array_size(self, tasks: int) -> int:
        """The most tasks that one array may have, where `tasks` are to be sent."""

    def send(self, array: Array, watch: Watch | None = None, tries: int = 1) -> str:
        """Sends the array: its job id, or "local" when its tasks ran here and have ended.

        `watch` shows progress where `send` waits. A try that failed in passing is repeated up to `tries` times in all.
        Raises ClusterError with sbatch's words if it was refused; what a task itself raises is not raised here.
        """

    def script(self, folder: Path, tasks: int) -> str:
        """The sbatch script of an array of so many tasks; "" where there is none."""

    def nodes(self) -> list[str]:
        """The nodes where its tasks may run, without those that are down; nothing where that is not known."""

    def queued(self, jobs: list[str]) -> list[Queued] | None:
        """The tasks of these jobs that wait or run; None if that cannot be known now."""

    def just_ended(self, jobs: list[str]) -> set[tuple[str, int]]:
        """The tasks (job, index) that ended a moment ago, so that `ended` may not tell of them yet."""

    def ended(self, jobs: list[str]) -> dict[str, list[Ended]] | None:
        """By task, how its runs ended, in order; None if that cannot be known now."""

    def restarts(self, jobs: list[str]) -> dict[tuple[str, int], int]:
        """How often each task (job, index) of these that waits or runs was put back into the queue."""

    def wait_for(self, job: str, others: list[str], no_more: Collection[str] = ()) -> str:
        """Has the tasks of a job that have not begun wait until other jobs have ended, too; why not, or "" if they do.

        What can never come is no longer waited for, and neither are the jobs `no_more`.
        """

    def find(self, name: str) -> str | None:
        """The id of the job with this name; "" if that cannot be known now; None if there is none."""

    def cancel(self, jobs: list[str], *, waiting_only: bool = False) -> None:
        """Ends these jobs, or only takes those out of the queue that have not begun. Raises ClusterError."""


BACKENDS: dict[str, type[Backend]] = {"slurm": Slurm, "local": Local, "debug": Debug}


def backend(cluster: Cluster) -> Backend:
    """The one that cluster.executor names."""
    return BACKENDS[cluster.executor](cluster)
