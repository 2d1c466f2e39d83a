"""Jobs for the replicas that a pool lacks. Anybody may call `ensure`, at any time: the command, a task, a replica.

launches/<n>/launch.json   claimed by a rename before anything is submitted, so of all who look at once one submits
launches/<n>/job.json      what became of it
looked.json                when the queue was asked last: not by hundreds of tasks at once
"""

import hashlib
import os
import shutil
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import submitit
from submitit.core.utils import FailedJobError, FailedSubmissionError

from slurm.errors import ClusterError, InputError
from slurm.pool.config import Settings
from slurm.pool.engine import Remote
from slurm.pool.probe import probe
from slurm.pool.registry import PoolFolder
from slurm.pool.supervisor import serve
from slurm.record.files import names, read_json, write_json
from slurm.scheduler import accounting
from slurm.scheduler.cluster import environment, executor

LOOK_S = 20.0  # the queue is asked no more often
CLAIM_S = 120.0  # a launch without a job after this time: its submitter died
IN_VAIN = 2  # replicas in a row that never answered: no more are started


class Launch(NamedTuple):
    name: str
    job: str  # "" while it is being submitted
    at: float


def want(folder: PoolFolder, settings: Settings) -> None:
    """Says what is wanted from now on. Raises InputError while servers of another model are up: nobody could tell
    whom he asks.
    """
    if folder.exists:
        old, new = folder.settings.pool, settings.pool
        other = (old.model, old.revision) != (new.model, new.revision)
        if other and (folder.replicas() or alive(folder, launches(folder))):
            raise InputError(
                f"pool {folder} serves {old.model} ({old.revision or 'newest'}), not {new.model}: stop it first "
                f"(python -m slurm serve run={folder.run.name} pool={folder.name} stop), or take another pool.name="
            )
    folder.configure(settings)


def ensure(folder: PoolFolder) -> list[str]:
    """The jobs that were submitted because replicas are fewer than wanted and somebody needs them; mostly none."""
    settings = folder.settings
    if folder.stopped or folder.finished():
        return []
    if settings.engine.url and not folder.replicas():
        server = Remote(settings.engine.url.rstrip("/"), folder.key(), "elsewhere")
        folder.put(probe(settings, server, folder.warm_requests(), "endpoint"))
    if settings.cluster.executor != "slurm" or settings.engine.url:
        return []
    if hopeless(folder) or not _my_turn(folder):
        return []
    before = launches(folder)
    live = alive(folder, before)
    if live is None:
        return []
    going = {replica.job for replica in folder.replicas() if replica.state != "ready"}
    missing = settings.pool.replicas - len([launch for launch in live if launch.job not in going])
    jobs = []
    for number in range(len(before), len(before) + missing):
        name = _claim(folder, number)
        if name is None:
            break
        jobs.append(_submit(folder, name))
    return jobs


def hopeless(folder: PoolFolder) -> str:
    """The words of the last replica, if it and the ones before it since the last start never answered; else ""."""
    since = folder.begun
    ends = [end for end in folder.ends() if end.at > since][-IN_VAIN:]
    enough = min(IN_VAIN, folder.settings.pool.replicas) if folder.settings.cluster.executor != "slurm" else IN_VAIN
    failed = [end for end in ends if end.cause == "failed" and not end.was_ready]
    return failed[-1].words if len(failed) >= enough and len(failed) == len(ends) and not folder.replicas() else ""


def launches(folder: PoolFolder) -> list[Launch]:
    found = []
    for name in names(folder.root / "launches"):
        root = folder.root / "launches" / name
        job = read_json(root / "job.json") if (root / "job.json").exists() else ""
        found.append(Launch(name, job, read_json(root / "launch.json")["at"]))
    return found


def alive(folder: PoolFolder, submitted: list[Launch]) -> list[Launch] | None:
    """Those whose job is in the queue, or may get there; None if Slurm does not answer."""
    env = environment(asdict(folder.settings.cluster))
    queue = accounting.queued([launch.job for launch in submitted if launch.job], env)
    if queue is None:
        return None
    there = {task.job for task in queue}
    now = time.time()
    return [la for la in submitted if (la.job in there if la.job else now - la.at < CLAIM_S)]


def _my_turn(folder: PoolFolder) -> bool:
    path = folder.root / "looked.json"
    with suppress(FileNotFoundError):
        if time.time() - path.stat().st_mtime < LOOK_S:
            return False
    write_json(path, os.uname().nodename)
    return True


def _claim(folder: PoolFolder, number: int) -> str | None:
    """The name of the new launch; None if somebody else has it."""
    name, root = f"{number:04d}", folder.root / "launches"
    draft = root / f".{name}.{os.uname().nodename}.{os.getpid()}.{uuid.uuid4().hex[:8]}"
    write_json(draft / "launch.json", {"at": time.time(), "host": os.uname().nodename, "pid": os.getpid()})
    try:
        draft.rename(root / name)
    except OSError:
        shutil.rmtree(draft)
        return None
    return name


def _submit(folder: PoolFolder, name: str) -> str:
    try:
        job = str(_start(folder, name).job_id)
    except (FailedJobError, FailedSubmissionError) as error:
        shutil.rmtree(folder.root / "launches" / name)
        raise ClusterError(f"sbatch refused a replica of {folder}: {str(error).strip().splitlines()[-1]}") from error
    write_json(folder.root / "launches" / name / "job.json", job)
    return job


def _start(folder: PoolFolder, name: str) -> "submitit.Job[None]":
    token = hashlib.sha256(str(folder.root.absolute()).encode()).hexdigest()[:6]
    site, more = folder.settings.site(), {}
    if site.executor == "slurm":
        more["job_name"] = f"{folder.run.name}.pool.{folder.name}.{name}.{token}"
    return executor(site, folder.root / "logs", **more).submit(run_replica, str(folder.run), folder.name)


def run_replica(run: str, name: str) -> None:
    """What the job of a replica runs."""
    serve(PoolFolder(Path(run), name), ensure)


def cancel_queued(folder: PoolFolder) -> list[str]:
    """The pool's jobs, of which those that have not begun are taken out of the queue; the others end by themselves."""
    live = alive(folder, launches(folder)) or []
    jobs = sorted(launch.job for launch in live if launch.job)
    if jobs:
        env = environment(asdict(folder.settings.cluster))
        subprocess.run(["scancel", "--state=PENDING", *jobs], env=env, check=False, timeout=60)
    return jobs


@contextmanager
def served(folder: PoolFolder) -> Iterator[None]:
    """The pool's replicas on this machine as long as this lasts, unless they are a cluster's or somebody else's."""
    settings = folder.settings
    folder.go_on()
    if settings.cluster.executor == "slurm" or settings.engine.url:
        ensure(folder)
        yield
        return
    jobs = [_start(folder, f"local{number}") for number in range(settings.pool.replicas)]
    try:
        yield
    finally:
        for job in jobs:
            with suppress(ProcessLookupError):
                job.cancel(check=False)
        for job in jobs:
            job.wait()
