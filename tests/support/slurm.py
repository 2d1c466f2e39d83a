"""Slurm from the outside, for tests: what an administrator or an accident does to jobs."""

import os
import signal
import subprocess
import time
from pathlib import Path

from support.runs import ProbeRun, until

from slurm.control.survey import Survey


def ask(*words: str) -> str:
    """The output of a Slurm command, which must succeed."""
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def start_requeued(run: ProbeRun) -> None:
    """Lets requeued tasks start at once instead of after Slurm's two minutes."""
    for window in run.survey().windows:
        for line in ask("squeue", "-h", "-r", "-j", window.job, "-t", "PENDING", "-o", "%i %r").splitlines():
            if "BeginTime" in line or "begin time" in line.lower():
                subprocess.run(["scontrol", "update", f"jobid={line.split()[0]}", "StartTime=now"], check=False)


def finish(run: ProbeRun, seconds: float = 120.0) -> Survey:
    """Waits until all is done without a resume: Slurm alone brings the tasks back."""

    def over() -> bool:
        start_requeued(run)
        return run.survey().complete()

    until(over, seconds, every=1.0)
    return run.survey()


def resume_until_done(run: ProbeRun, times: int = 6, seconds: float = 90.0) -> list[int]:
    """Resumes when nothing is queued any more, until all is done; gives how many chunks each resume submitted."""
    submitted: list[int] = []
    for _ in range(times):
        end = time.monotonic() + seconds
        while (now := run.survey()).active and time.monotonic() < end:
            start_requeued(run)
            time.sleep(0.5)
        if now.complete():
            return submitted
        submitted.append(len(run.resume()["probe"].submitted))
    raise AssertionError(f"not done after {times} resumes: {run.survey().counts()}, {run.survey().failed}")


def task_of(run: ProbeRun) -> str:
    """Slurm's id of a running task."""
    tasks = [
        task
        for window in run.survey().windows
        for task in ask("squeue", "-h", "-r", "-j", window.job, "-t", "RUNNING", "-o", "%i").split()
    ]
    return tasks[0]


def node_of(task: str) -> str:
    return ask("squeue", "-h", "-r", "-j", task, "-o", "%N").strip()


def lose_node(state: Path, node: str) -> None:
    """Ends the node's daemons at once, slurmd and those of its jobs; the tasks' own processes live on."""
    jobs = ask("squeue", "-h", "-r", "-w", node, "-t", "RUNNING", "-O", "JobID:20").split()
    os.kill(int((state / f"slurmd.{node}.pid").read_text()), signal.SIGKILL)
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().decode()
        except OSError:
            continue
        if words.startswith("slurmstepd") and any(f"[{job}." in words for job in jobs):
            os.kill(int(process.name), signal.SIGKILL)
    # slurmctld would find it out in a minute or two
    ask("scontrol", "update", f"nodename={node}", "state=down", "reason=test")
