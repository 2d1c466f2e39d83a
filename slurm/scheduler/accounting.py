"""Asks Slurm: squeue for jobs that wait or run, sacct for how others ended (many in one call), sinfo for nodes."""

import re
import subprocess
import time
from collections import defaultdict
from typing import NamedTuple

HELD = {"REQUEUE_HOLD", "SPECIAL_EXIT", "RESV_DEL_HOLD"}
NOT_LAUNCHED = {"launch failed requeued held", "JobHoldMaxRequeue"}  # reasons of Slurm's own, see control/held.py
BY_A_PERSON = {"JobHeldUser", "JobHeldAdmin", "job requeued in held state"}
NOT_AS_IT_IS = {
    *("BadConstraints", "InvalidAccount", "InvalidQOS", "AccountNotAllowed", "QOSNotAllowed"),
    *("PartitionNodeLimit", "PartitionTimeLimit"),
}
LIVE = {
    *HELD,
    "PENDING",
    "RUNNING",
    "COMPLETING",
    "CONFIGURING",
    "SUSPENDED",
    "REQUEUED",
    "REQUEUE_FED",
    "RESIZING",
    "SIGNALING",
    "STAGE_OUT",
    "STOPPED",
}
SLURM_CAUSES = {  # what an attempt's end is called here, by Slurm's state
    "OUT_OF_MEMORY": "out_of_memory",
    "TIMEOUT": "timeout",
    "DEADLINE": "timeout",
    "NODE_FAIL": "node_fail",
    "BOOT_FAIL": "node_fail",
    "PREEMPTED": "preempted",
    "REQUEUED": "preempted",
    "CANCELLED": "cancelled",
}
# exit statuses of our tasks, of sysexits.h, for what their last event may not be there to tell
DISK_FULL = 73  # EX_CANTCREAT: no room to write
GATED = 75  # EX_TEMPFAIL: nothing was to be done yet
OWN_CAUSES = {f"{DISK_FULL}:0": "disk_full", f"{GATED}:0": "gated"}
PER_CALL = 200  # jobs
PATIENCE_S = 60.0
_silent_until_s: dict[str, float] = {}  # command that gave no answer → until when it is not asked again
DOWN = ("down", "drain", "fail", "unknown")  # beginnings of states of nodes that take no tasks


class Queued(NamedTuple):
    """A task in the queue."""

    job: str
    element: int  # index in its array; 0 for a job that is none
    state: str  # PENDING, RUNNING, …
    reason: str  # why it waits: Priority, Resources, Dependency, …
    began: float = 0.0  # seconds since 1970, of one that runs; 0: not known


class Ended(NamedTuple):
    """One run of an array task; each requeue adds one."""

    state: str  # OUT_OF_MEMORY, NODE_FAIL, TIMEOUT, …
    exit_code: str  # "status:signal"
    nodes: str
    began: float  # seconds since 1970; 0: it never ran
    ended: float
    suspended: bool = False  # when its node failed


def queued(jobs: list[str], env: dict[str, str]) -> list[Queued] | None:
    """The tasks of these jobs that wait or run, whoever submitted them; None if slurmctld does not answer."""
    found = _squeue(jobs, [], env)
    return found if found is None else [task for task in found if task.state in LIVE]


def just_ended(jobs: list[str], env: dict[str, str]) -> set[tuple[str, int]]:
    """The tasks of these jobs that slurmctld still remembers the end of (job, index): sacct may not tell of it yet."""
    found = _squeue(jobs, ["-t", "all"], env) or []
    return {(task.job, task.element) for task in found if task.state not in LIVE}


def reason_held(task: Queued) -> str | None:
    """Why Slurm will not start this task by itself; None if it will."""
    reason = task.reason.replace("_", " ")
    known = NOT_LAUNCHED | BY_A_PERSON | NOT_AS_IT_IS
    return reason if task.state in HELD or (task.state == "PENDING" and reason in known) else None


def restarts(jobs: list[str], env: dict[str, str]) -> dict[tuple[str, int], int]:
    """How often each task of these jobs (job, index) that is still in the queue was put back into it."""
    found = {}
    for start in range(0, len(jobs), PER_CALL):
        batch = ",".join(jobs[start : start + PER_CALL])
        answer = _ask(["squeue", "-h", "-a", "-r", "-O", "JobArrayID:64,RestartCnt:16", "-j", batch], env) or ""
        for task, count in (line.split() for line in answer.splitlines()):
            array, _, index = task.partition("_")
            found[array, int(index or 0)] = int(count)
    return found


def _squeue(jobs: list[str], more: list[str], env: dict[str, str]) -> list[Queued] | None:
    found = []
    for start in range(0, len(jobs), PER_CALL):
        batch = ",".join(jobs[start : start + PER_CALL])
        ask = ["squeue", "-h", "-a", "-o", "%i|%T|%S|%r", *more, "-j", batch]
        answer = _ask(ask, {**env, "SLURM_TIME_FORMAT": "%s"})
        if answer is None:
            return None
        for line in answer.splitlines():
            task, state, since, reason = line.split("|", 3)
            began = float(since) if state == "RUNNING" and since.isdigit() else 0.0
            array, _, indices = task.partition("_")
            found += [Queued(array, i, state, reason, began) for i in _expand(indices)]
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
            "JobID,State,ExitCode,NodeList,Start,End,Submit",
        ]
        answer = _ask(command, {**env, "SLURM_TIME_FORMAT": "%s"})
        if answer is None:
            return None
        for line in answer.splitlines():
            task, state, exit_code, nodes, *times = line.split("|")
            state = state.split()[0]  # "CANCELLED by 1000"
            began, over, sent = (float(text) if text.isdigit() else 0.0 for text in times)  # "None", "Unknown"
            before = lives.get(task)
            if before and before[-1].state == "NODE_FAIL" and before[-1].ended < sent:
                # it was suspended, which is the end that Slurm tells; it was put back when its node failed
                before[-1] = before[-1]._replace(ended=sent, suspended=True)
            if state not in LIVE - {"REQUEUED"}:
                began = 0.0 if nodes == "None assigned" else began
                array, _, indices = task.partition("_")  # "123_[0-3]": tasks that were cancelled while they waited
                for name in [f"{array}_{i}" for i in _expand(indices)] if "[" in indices else [task]:
                    lives[name].append(Ended(state, exit_code, nodes, began, over))
    return lives


def nodes(partition: str | None, env: dict[str, str]) -> dict[str, bool]:
    """Whether each node of a partition, or of several (`cpu,gpu`), is up; None: of the default one.

    Nothing if slurmctld does not answer.
    """
    answer = _ask(["sinfo", "-h", "-N", "-o", "%N|%P|%T"], env) or ""
    lines = [line.split("|") for line in answer.splitlines()]
    ours = set(partition.split(",")) if partition else {place.rstrip("*") for _, place, _ in lines if "*" in place}
    there = [(node, state) for node, place, state in lines if place.rstrip("*") in ours]
    return {node: not state.startswith(DOWN) for node, state in sorted(there)}


def find(job_name: str, env: dict[str, str]) -> str | None:
    """The id of the job with this name, waiting, running or ended: finds a submission whose answer got lost.

    None if there is none; "" if none was found, but squeue or sacct did not answer.
    """
    queue = _ask(["squeue", "-h", "-a", "-t", "all", "-o", "%F", "-n", job_name], env)  # sacct may lag behind
    past = _ask(["sacct", "-X", "-n", "-P", "-S", "now-1days", "--name", job_name, "-o", "JobID"], env)
    jobs = [line.split("_")[0] for line in f"{queue or ''}\n{past or ''}".split()]
    if jobs:
        return jobs[0]
    return None if queue is not None and past is not None else ""


def _ask(command: list[str], env: dict[str, str]) -> str | None:
    """The command's output; None if it failed, or took longer than a minute: then it is not asked for another one."""
    if time.monotonic() < _silent_until_s.get(command[0], 0.0):
        return None
    try:
        # squeue cuts a long list of array indices short unless told otherwise
        env = {**env, "SLURM_BITSTR_LEN": "0"}
        answer = subprocess.run(command, env=env, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    except subprocess.TimeoutExpired:
        _silent_until_s[command[0]] = time.monotonic() + PATIENCE_S
        return None
    except OSError:
        return None
    gone = "Invalid job id" in answer.stderr  # squeue's answer where all jobs that it is asked for have long ended
    return answer.stdout if answer.returncode == 0 or gone else None
