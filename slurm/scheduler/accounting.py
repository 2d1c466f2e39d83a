"""Asks Slurm about jobs, many in one call: squeue for those that wait or run, sacct for how the others ended."""

import os
import re
import subprocess
from collections import defaultdict
from typing import NamedTuple

LIVE = {
    "PENDING",
    "RUNNING",
    "COMPLETING",
    "CONFIGURING",
    "SUSPENDED",
    "REQUEUED",
    "REQUEUE_HOLD",
    "RESIZING",
    "STAGE_OUT",
}
PER_CALL = 200  # jobs


class Queued(NamedTuple):
    """A task in the queue."""

    job: str
    element: int  # index in its array; 0 for a job that is none
    state: str  # PENDING, RUNNING, …
    reason: str  # why it waits: Priority, Resources, Dependency, …


class Ended(NamedTuple):
    """One run of an array task; each requeue adds one."""

    state: str  # OUT_OF_MEMORY, NODE_FAIL, TIMEOUT, …
    exit_code: str  # "status:signal"
    nodes: str


def queued(jobs: list[str], env: dict[str, str]) -> list[Queued] | None:
    """The tasks of these jobs that wait or run; None if slurmctld does not answer."""
    if not jobs:
        return []
    command = ["squeue", "-h", "-a", "-o", "%i|%T|%r", "-u", str(os.getuid())]
    answer = _ask(command, env)
    if answer is None:
        return None
    wanted = set(jobs)
    found = []
    for line in answer.splitlines():
        task, state, reason = line.split("|", 2)
        array, _, indices = task.partition("_")
        if array in wanted and state in LIVE:
            found += [Queued(array, i, state, reason) for i in _expand(indices)]
    return found


def _expand(indices: str) -> list[int]:
    """`[0-3,7%2]` → [0, 1, 2, 3, 7]; `[0-6:3]` → [0, 3, 6]; `5` → [5]; nothing → [0], a job outside an array."""
    found: list[int] = []
    for part in re.sub(r"%\d+", "", indices.strip("[]")).split(",") if indices else ["0"]:
        span, _, step = part.partition(":")
        first, _, last = span.partition("-")
        found += range(int(first), int(last or first) + 1, int(step or 1))
    return found


def ended(jobs: list[str], env: dict[str, str]) -> dict[str, list[Ended]] | None:
    """Task ("123_4", or "123" outside an array) → its ended runs, oldest first; None if slurmdbd does not answer."""
    lives: dict[str, list[Ended]] = defaultdict(list)
    for start in range(0, len(jobs), PER_CALL):
        batch = ",".join(jobs[start : start + PER_CALL])
        command = [
            "sacct",
            "-X",
            "-D",
            "-n",
            "-P",
            "-S",
            "now-90days",
            "-j",
            batch,
            "-o",
            "JobID,State,ExitCode,NodeList",
        ]
        answer = _ask(command, env)
        if answer is None:
            return None
        for line in answer.splitlines():
            task, state, exit_code, nodes = line.split("|")
            state = state.split()[0]  # "CANCELLED by 1000"
            if state not in LIVE - {"REQUEUED"}:
                lives[task].append(Ended(state, exit_code, nodes))
    return lives


def find(job_name: str, env: dict[str, str]) -> str | None:
    """The id of the job with this name, waiting, running or ended: finds a submission whose answer got lost.

    None if there is none; "" if none was found, but squeue or sacct did not answer.
    """
    queue = _ask(["squeue", "-h", "-a", "-o", "%F", "-n", job_name], env)
    past = _ask(["sacct", "-X", "-n", "-P", "-S", "now-1days", "--name", job_name, "-o", "JobID"], env)
    jobs = [line.split("_")[0] for line in f"{queue or ''}\n{past or ''}".split()]
    if jobs:
        return jobs[0]
    return None if queue is not None and past is not None else ""


def _ask(command: list[str], env: dict[str, str]) -> str | None:
    """The command's output; None if it failed, or took longer than a minute."""
    try:
        # squeue cuts a long list of array indices short unless told otherwise
        env = {**env, "SLURM_BITSTR_LEN": "0"}
        answer = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout if answer.returncode == 0 else None
