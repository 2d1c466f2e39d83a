"""What 999 tasks more cost a submission to the dev cluster, ours against submitit's own; all are held, then cancelled.

By whole commands in turns: the start of Python is in both, of one task and of a thousand, and so not in the difference.
"""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from scripts.bench.inputs.runs import ingested, noop
from scripts.bench.lines import ROOT, Line, each, ran

ROOM = 3_000  # of MaxJobCount (10,000 as shipped) the arrays that are submitted take 6,000


def measure(folder: Path, *, tasks: int = 1_000, times: int = 3, small: bool = False) -> Iterator[Line]:
    tasks, times = (5, 1) if small else (tasks, times)
    what = f"submit an array of {tasks:,}: ours / submitit's"
    up = subprocess.run([ROOT / "scripts" / "devcluster", "up"], capture_output=True, text=True, check=False)
    env = {"SLURM_CONF": up.stdout.rpartition("SLURM_CONF=")[2].strip()}
    reason = up.stderr.strip().rpartition("\n")[2] if up.returncode else crowded(env)
    if reason:
        yield Line(what, "skipped", "", 1.5, reason)
        return
    if not (folder / "bench").exists():
        ingested(folder, tasks)
    pairs = []
    for turn in range(times):
        ours = our_s(folder, tasks) - our_s(folder, 1)
        theirs = their_s(folder / f"{turn}", env, tasks) - their_s(folder / f"{turn}", env, 1)
        pairs.append((ours, theirs))
    ours_s, theirs_s = zip(*pairs, strict=True)
    how = f"seconds: {each(list(ours_s))} / {each(list(theirs_s))}"
    yield Line(what, median(a / b for a, b in pairs), "", 1.5, how)
    yield Line(f"submit {tasks - 1:,} tasks more than one", median(ours_s), "s")


def crowded(env: dict[str, str]) -> str:
    """Why the cluster has no room for all the arrays: it counts cancelled tasks for MinJobAge, too; else nothing."""
    tasks = ran("squeue", "-h", "-r", "-t", "all", env=env).output.count("\n")
    return f"Slurm remembers {tasks:,} tasks; again in five minutes" if tasks > ROOM else ""


def our_s(folder: Path, tasks: int) -> float:
    """Seconds of the command that submits a step of so many tasks."""
    step = f"noop{len(os.listdir(folder / 'bench'))}"  # every step needs a name of its own
    held = ("cluster=devcluster", "+cluster.extra.hold=true")
    run = noop(folder, f"step={step}", f"chunks.n={tasks}", *held)
    ran("-m", "slurm", "cancel", "run=bench", f"runs={folder}", f"step={step}")
    return run.wall_s


def their_s(folder: Path, env: dict[str, str], tasks: int) -> float:
    run = ran("-m", "scripts.bench.peers.array", folder, str(tasks), env=env)
    ran("scancel", run.output.strip(), env=env)
    return run.wall_s
