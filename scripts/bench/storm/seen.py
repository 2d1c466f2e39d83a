"""What the storm sees of the dev cluster: our tasks in the queue, their processes, the daemons."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ANSWER_S = 5.0  # a controller that was ended does not answer; the next look will


class Task(NamedTuple):
    """A task of the storm's runs in the queue, by one line of squeue."""

    name: str  # as its attempts begin: "123_4"
    id: str  # as Slurm's commands take it: "123_4", or "123" outside an array
    raw: str  # as its processes have it in their environment
    run: str
    step: str
    submission: str
    node: str
    state: str
    reason: str


class Process(NamedTuple):
    """A process of a task."""

    pid: int
    role: str  # task, worker, stepd
    raw: str  # Slurm's own id of its task
    node: str


def ask(*words: str) -> str:
    """The output of a Slurm command; nothing where it failed or took too long, as in a storm it may."""
    try:
        return subprocess.run(words, capture_output=True, text=True, check=False, timeout=ANSWER_S).stdout
    except subprocess.TimeoutExpired:
        return ""


def tasks(states: str = "RUNNING") -> list[Task]:
    """The tasks in the queue that are in one of these states, each by itself."""
    found = []
    for line in ask("squeue", "-h", "-r", "-t", states, "-o", "%A|%F|%K|%j|%N|%T|%r").splitlines():
        raw, array, index, job, node, state, reason = line.split("|")
        words = job.split(".")
        if len(words) == 5 and words[0].startswith("storm"):
            name = f"{array}_{index}"
            outside = not index.isdigit()
            found.append(
                Task(
                    f"{array}_0" if outside else name,
                    array if outside else name,
                    raw,
                    words[0],
                    words[1],
                    words[2],
                    node,
                    state,
                    reason,
                )
            )
    return sorted(found)


def processes() -> Iterator[Process]:
    """The processes of all tasks on this dev cluster, by what Slurm put into their environment."""
    ours = f"SLURM_CONF={os.environ['SLURM_CONF']}".encode()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            environment = (folder / "environ").read_bytes().split(b"\0")
            if ours not in environment:
                continue
            words = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:  # it ended meanwhile
            continue
        values = dict(word.decode(errors="replace").partition("=")[::2] for word in environment)
        if words.startswith("slurmstepd: ["):
            yield Process(int(folder.name), "stepd", words[13:].partition(".")[0], "")
        elif "SLURM_JOB_ID" in values and (role := role_of(words)):
            yield Process(int(folder.name), role, values["SLURM_JOB_ID"], values.get("SLURMD_NODENAME", ""))


def role_of(words: str) -> str:
    """What a process with this command line is to its task; "" for those that the storm leaves alone."""
    if "multiprocessing.spawn" in words:
        return "worker"
    return "task" if "slurm.scheduler.begin" in words and not words.startswith(("srun", "sh ", "/bin/")) else ""


def daemon(state: Path, name: str) -> int | None:
    """The pid of a daemon of the dev cluster, if it runs."""
    try:
        pid = int((state / f"{name}.pid").read_text())
    except (OSError, ValueError):
        return None
    return pid if Path(f"/proc/{pid}").exists() else None


def kill(pid: int, number: int) -> bool:
    """Sends a signal; False if there is no such process any more."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True
