"""What the storm's faults share: the runs, the log of what was done, and what is to be healed later."""

import heapq
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import NamedTuple

from scripts.bench.storm.runs import Command, StormRun
from scripts.bench.storm.seen import Process, Task, processes, tasks


@dataclass
class Fault:
    """Something that was done, when and to what; `hit` are the tasks that it may have ended or kept from starting."""

    kind: str
    at: float
    target: str
    hit: list[str] = field(default_factory=list)
    over: float = 0.0  # until when it went on, of those that last


class Kind(NamedTuple):
    """A kind of fault."""

    act: Callable[["Storm"], Fault | None]  # does it; None where there is nothing now that it could be done to
    share: float  # how often it comes, beside the others
    cause: str = ""  # regular expression of what `explain` may call an attempt's end; "": it ends none
    by_cluster: bool = False  # such an end is no fault of the chunk's, and must not be charged to it
    alone: bool = False  # not while another of these lasts


@dataclass
class Storm:
    """The storm as it is now."""

    state: Path  # of the dev cluster
    disk: Path | None  # the small disk that runs lie on, where one could be mounted
    chance: Random
    runs: list[StormRun] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)
    eaten: list[tuple[Path, StormRun, str, str, Fault]] = field(default_factory=list)  # orders to eat a task's memory
    killed_workers: set[int] = field(default_factory=set)
    damaged: set[str] = field(default_factory=set)  # attempts whose events the storm tore or removed
    busy_until: float = 0.0  # a fault of the whole cluster lasts until then
    silent_until: float = 0.0  # the controller is away until then: to ask Slurm takes a minute
    _later: list[tuple[float, int, Callable[[], object]]] = field(default_factory=list)

    def after(self, seconds: float, act: Callable[[], object]) -> None:
        """Has something done in so many seconds."""
        heapq.heappush(self._later, (time.time() + seconds, len(self._later) + 1000 * len(self.faults), act))

    def heal(self, all_of_it: bool = False) -> None:
        """Does what is due; with `all_of_it` also what is not."""
        while self._later and (all_of_it or self._later[0][0] <= time.time()):
            heapq.heappop(self._later)[2]()

    def lasts(self, seconds: float) -> float:
        """The seconds, noted as those for which no other fault of the whole cluster may come."""
        self.busy_until = max(self.busy_until, time.time() + seconds + 5.0)
        return seconds

    def a_task(self, states: str = "RUNNING") -> Task | None:
        """Any task in the queue that is in one of these states."""
        there = tasks(states)
        return self.chance.choice(there) if there else None

    def a_process(self, role: str) -> tuple[Task, Process] | None:
        """Any process of a running task that has this role in it."""
        running = {task.raw: task for task in tasks()}
        there = sorted(process for process in processes() if process.role == role and process.raw in running)
        if not there:
            return None
        process = self.chance.choice(there)
        return running[process.raw], process

    def a_run(self) -> StormRun | None:
        """Any run that is not finished and has been planned."""
        there = [run for run in self.runs if not run.complete and run.step("third").exists]
        return self.chance.choice(there) if there else None

    def run_of(self, task: Task) -> StormRun:
        return next(run for run in self.runs if run.name == task.run)
