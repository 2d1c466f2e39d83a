"""When a task has to stop: at a signal from Slurm or a person, or shortly before its job's time limit."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from datetime import datetime
from types import FrameType

LOG = "REELMILL_LOG"  # the log of the task that this process is
KILL_AFTER_S = 2.0  # time to flush after SIGTERM: SIGKILL follows after KillWait (default 30 s; preemption: less)
KILLED_WITHIN_S = 60.0  # Slurm kills a requeued task within this time
RESERVE_S = 10.0  # kept before the job's time limit to flush and to requeue


class Stop:
    """Tells whether to begin no new items (`asked`), and whether to abandon the running ones as well (`now`).

    A context manager: it handles SIGTERM, SIGINT and submitit's signal until its end.
    """

    def __init__(self, grace_s: float = 0.0, end: float | None = None) -> None:
        self.end = end  # the job's time limit, epoch seconds; None: unknown or none
        self.grace_s = grace_s  # no new items so long before the end
        self.reason = ""  # name of the first signal, or "deadline"
        self._leave_at = float("inf")
        self._old: dict[int, Callable[[int, FrameType | None], object] | int | None] = {}

    def __enter__(self) -> "Stop":
        usr = getattr(signal, "SIG" + os.environ.get("SUBMITIT_PREEMPT_SIGNAL", "USR2"))
        for number in (signal.SIGTERM, signal.SIGINT, usr):
            self._old[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._old.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.reason = self.reason or signal.Signals(number).name
        # SIGTERM: SIGKILL follows soon. SIGINT: a person waits.
        # The signal before the time limit: there is time until the job's end, if that is known.
        wait = 0.0 if number == signal.SIGINT else KILL_AFTER_S
        if number not in (signal.SIGTERM, signal.SIGINT) and self.end is not None:
            wait = max(0.0, self.end - RESERVE_S - time.time())
        self._leave_at = min(self._leave_at, time.time() + wait)

    @property
    def asked(self) -> bool:
        if not self.reason and self.end is not None and time.time() > self.end - self.grace_s:
            self.reason = "deadline"
            self._leave_at = max(time.time(), self.end - RESERVE_S)
        return bool(self.reason)

    @property
    def now(self) -> bool:
        return self.asked and time.time() >= self._leave_at


def own_job() -> str | None:
    """Slurm's id of this task: `123_4`, or `123` outside an array; None if this process is no task of ours in Slurm.

    Such as one that somebody runs with cluster=local inside an allocation, whose SLURM_JOB_ID is not its own.
    """
    if os.environ.get("SUBMITIT_EXECUTOR") != "slurm":
        return None
    # not SLURM_JOB_ID in an array: for the last element that is the id of the whole array
    array, index = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    return f"{array}_{index}" if array and index else os.environ.get("SLURM_JOB_ID")


def job_end(minutes: float) -> float | None:
    """When Slurm ends the job that this process runs in, seconds since 1970; None outside Slurm.

    Its environment tells (from Slurm 23.02 on), else scontrol; a controller too busy to answer leaves a task of ours
    `minutes`, the time limit that was asked for, counted from now.
    """
    if "SLURM_JOB_END_TIME" in os.environ:
        return float(os.environ["SLURM_JOB_END_TIME"])
    own = own_job()
    job = own or os.environ.get("SLURM_JOB_ID")
    found = re.search(r"EndTime=(\d{4}-\S+)", _scontrol("show", "job", job)) if job else None
    if found:
        return datetime.fromisoformat(found[1]).timestamp()
    return time.time() + 60 * minutes if own else None


def requeue() -> bool:
    """Puts this task back into the queue; False if Slurm refuses, or the job is not RUNNING any more.

    A cancelled job is not RUNNING when SIGTERM arrives; a preempted one is requeued by Slurm itself.
    """
    job = own_job()
    if job is None or "JobState=RUNNING" not in _scontrol("show", "job", job):
        return False
    if subprocess.run(["scontrol", "requeue", job], capture_output=True, check=False).returncode:
        return False
    time.sleep(KILLED_WITHIN_S)  # until Slurm kills this process; if it ended by itself the job would be FAILED
    return True


def _scontrol(*words: str) -> str:
    try:
        return subprocess.run(["scontrol", *words], capture_output=True, text=True, timeout=20, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""
