"""Jobs for the replicas that a pool lacks. Anybody may call `ensure`, at any time: the command, a task, a replica.

launches/<n>/launch.json   claimed by a rename before anything is submitted, so of all who look at once one submits
launches/<n>/job.json      what became of it
looked.json                when the queue was asked last: not by hundreds of tasks at once
"""

import hashlib
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from slurm.errors import ClusterError, InputError
from slurm.pool.config import Settings
from slurm.pool.engine import Remote
from slurm.pool.probe import probe
from slurm.pool.registry import PoolFolder
from slurm.pool.supervisor import serve
from slurm.record.files import names
from slurm.record.formats import OlderFormatError, write_record
from slurm.scheduler.array import Array
from slurm.scheduler.backend import backend
from slurm.scheduler.local import processes

LOOK_S = 20.0  # the queue is asked no more often
CLAIM_S = 120.0  # a launch without a job after this time: its submitter died
IN_VAIN = 2  # replicas in a row that never answered: no more are started


class Claim(NamedTuple):
    """Who did something, and when: one process, epoch seconds."""

    at: float
    host: str
    pid: int


class Job(NamedTuple):
    id: str


class Launch(NamedTuple):
    """The submission of one replica's job."""

    name: str
    job: str  # "" while it is being submitted
    at: float  # epoch seconds


def want(folder: PoolFolder, settings: Settings) -> None:
    """Sets the pool's model, engine and size from now on; what an older version left of the pool is forgotten.

    Raises InputError while servers of another model are up: clients could not tell which model answers.
    """
    try:
        old = folder.settings.pool if folder.exists else None
    except OlderFormatError:
        folder.forget()
        old = None
    if old:
        new = settings.pool
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
    if settings.engine.url or not backend(settings.cluster).submits:
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
    settings = folder.settings
    enough = IN_VAIN if backend(settings.cluster).submits else min(IN_VAIN, settings.pool.replicas)
    failed = [end for end in ends if end.cause == "failed" and not end.was_ready]
    return failed[-1].words if len(failed) >= enough and len(failed) == len(ends) and not folder.replicas() else ""


def launches(folder: PoolFolder) -> list[Launch]:
    found = []
    for name in names(folder.root / "launches"):
        root = folder.root / "launches" / name
        job = folder.read(root / "job.json", Job).id if (root / "job.json").exists() else ""
        found.append(Launch(name, job, folder.read(root / "launch.json", Claim).at))
    return found


def alive(folder: PoolFolder, submitted: list[Launch]) -> list[Launch] | None:
    """Those whose job is in the queue, or may get there; None if Slurm does not answer."""
    queue = backend(folder.settings.cluster).queued([launch.job for launch in submitted if launch.job])
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
    write_record(path, Claim(time.time(), os.uname().nodename, os.getpid()))
    return True


def _claim(folder: PoolFolder, number: int) -> str | None:
    """The name of the new launch; None if somebody else has it."""
    name, root = f"{number:04d}", folder.root / "launches"
    draft = root / f".{name}.{os.uname().nodename}.{os.getpid()}.{uuid.uuid4().hex[:8]}"
    write_record(draft / "launch.json", Claim(time.time(), os.uname().nodename, os.getpid()))
    try:
        draft.rename(root / name)
    except OSError:
        shutil.rmtree(draft)
        return None
    return name


def _submit(folder: PoolFolder, name: str) -> str:
    token = hashlib.sha256(str(folder.root.absolute()).encode()).hexdigest()[:6]
    array = Array(
        function=run_replica,
        arguments=[str(folder.root)],
        folder=folder.root / "logs",
        name=f"{folder.run.name}.pool.{folder.name}.{name}.{token}",
        parallel=1,
    )
    try:
        job = backend(folder.settings.site()).send(array)
    except ClusterError as error:
        shutil.rmtree(folder.root / "launches" / name)
        raise ClusterError(f"sbatch refused a replica of {folder}: {error}") from error
    write_record(folder.root / "launches" / name / "job.json", Job(job))
    return job


def run_replica(root: str) -> None:
    """What the job of a replica runs, for the pool whose folder is `root`."""
    path = Path(root)
    serve(PoolFolder(path.parents[1], path.name), ensure)


def cancel_queued(folder: PoolFolder) -> list[str]:
    """The pool's jobs, of which those that have not begun are taken out of the queue; the others end by themselves."""
    live = alive(folder, launches(folder)) or []
    jobs = sorted(launch.job for launch in live if launch.job)
    if jobs:
        backend(folder.settings.cluster).cancel(jobs, waiting_only=True)
    return jobs


@contextmanager
def served(folder: PoolFolder) -> Iterator[None]:
    """The pool's replicas on this machine as long as this lasts, unless they are a cluster's or somebody else's."""
    settings = folder.settings
    folder.go_on()
    if settings.engine.url or backend(settings.cluster).submits:
        ensure(folder)
        yield
        return
    with processes(settings.site(), run_replica, [str(folder.root)] * settings.pool.replicas, folder.root / "logs"):
        yield
