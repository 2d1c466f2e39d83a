"""Submits jobs for the replicas that a pool lacks. Commands, tasks and replicas may all call `ensure` at any time.

launches/<n>/launch.json   who submits job n; made by a rename, so of several processes at once only one submits it
launches/<n>/job.json      the id of the submitted job
looked.json                its mtime: when the queue was asked last, so that hundreds of tasks do not ask at once
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
from slurm.pool.unstarted import note_unstarted
from slurm.record.files import names
from slurm.record.formats import OlderFormatError, write_record
from slurm.scheduler.array import Array
from slurm.scheduler.backend import backend
from slurm.scheduler.local import processes

LOOK_S = 20.0  # least time between two questions to the queue
CLAIM_S = 120.0  # after this time without a job id the process that claimed a launch has died
OUTSIDE = "endpoint"  # the job by which a server that is not ours is known
IN_VAIN = 2  # after so many replicas in a row that never answered, no more are started


class Claim(NamedTuple):
    """The process that submits a job, or asked the queue."""

    at: float  # epoch seconds
    host: str
    pid: int


class Job(NamedTuple):
    id: str


class Launch(NamedTuple):
    """The submission of one replica's job."""

    name: str
    job: str  # "" while it is being submitted
    at: float  # epoch seconds


def set_up(folder: PoolFolder, settings: Settings) -> None:
    """Sets the pool's model, engine and size from now on; files of an older version are removed first.

    Raises InputError while servers of another model run: clients could not tell which model answers.
    """
    try:
        before = folder.settings if folder.exists else None
    except OlderFormatError:
        folder.forget()
        before = None
    if before:
        if before.engine.url != settings.engine.url:  # one of an outside server, which is asked no more
            folder.unregister(OUTSIDE)
        old, new = before.pool, settings.pool
        other = (old.model, old.revision) != (new.model, new.revision)
        if other and (folder.replicas() or alive(folder, launches(folder))):
            raise InputError(
                f"pool {folder} serves {old.model} ({old.revision or 'newest'}), not {new.model}: stop it first "
                f"(python -m slurm serve run={folder.run.name} pool={folder.name} stop), or take another pool.name="
            )
    folder.configure(settings)


def ensure(folder: PoolFolder) -> list[str]:
    """Submits jobs for missing replicas, unless the pool is stopped or its steps are done; the ids of these jobs.

    An outside server (engine.url) is registered instead. Raises ClusterError if sbatch refuses a job.
    """
    settings = folder.settings
    if folder.stopped or folder.finished():
        return []
    if settings.engine.url and not folder.replicas():
        server = Remote(settings.engine.url.rstrip("/"), folder.key(), "elsewhere")
        folder.register(probe(settings, server, folder.warm_requests(), OUTSIDE))
    if settings.engine.url or not backend(settings.cluster).submits:
        return []
    if hopeless(folder) or not _may_ask_queue(folder):
        return []
    before = launches(folder)
    live = alive(folder, before)  # asked first: of what is not there any more, the next line notes how it ended
    ending = note_unstarted(folder, [launch.job for launch in before if launch.job])
    if live is None or ending or hopeless(folder):
        return []  # of what has just ended it is not known yet whether another one would do better
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
    """The last log lines of the last replica if no replica since the last start ever answered; else ""."""
    since = folder.last_start
    ends = [end for end in folder.ends() if end.at > since][-IN_VAIN:]
    settings = folder.settings
    enough = IN_VAIN if backend(settings.cluster).submits else min(IN_VAIN, settings.pool.replicas)
    failed = [end for end in ends if end.cause == "failed" and not end.was_ready]
    return failed[-1].words if len(failed) >= enough and len(failed) == len(ends) and not folder.replicas() else ""


def launches(folder: PoolFolder) -> list[Launch]:
    """All launches of the pool, oldest first."""
    found = []
    for name in names(folder.root / "launches"):
        root = folder.root / "launches" / name
        job = folder.read(root / "job.json", Job).id if (root / "job.json").exists() else ""
        found.append(Launch(name, job, folder.read(root / "launch.json", Claim).at))
    return found


def alive(folder: PoolFolder, submitted: list[Launch]) -> list[Launch] | None:
    """The launches whose job is in the queue or is being submitted; None if Slurm does not answer."""
    queue = backend(folder.settings.cluster).queued([launch.job for launch in submitted if launch.job])
    if queue is None:
        return None
    there = {task.job for task in queue}
    now = time.time()
    return [la for la in submitted if (la.job in there if la.job else now - la.at < CLAIM_S)]


def _may_ask_queue(folder: PoolFolder) -> bool:
    """Whether nobody has asked the queue for LOOK_S; from now on this process has."""
    path = folder.root / "looked.json"
    with suppress(FileNotFoundError):
        if time.time() - path.stat().st_mtime < LOOK_S:
            return False
    write_record(path, Claim(time.time(), os.uname().nodename, os.getpid()))
    return True


def _claim(folder: PoolFolder, number: int) -> str | None:
    """The name of the new launch; None if another process has claimed it."""
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
    """The id of the launch's job. Raises ClusterError."""
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
    """Runs one replica of the pool in the folder `root` to its end, in the replica's job."""
    path = Path(root)
    serve(PoolFolder(path.parents[1], path.name), ensure)


def cancel_queued(folder: PoolFolder) -> list[str]:
    """Cancels the pool's jobs that have not started; gives all its jobs. Running replicas end by themselves."""
    live = alive(folder, launches(folder)) or []
    jobs = sorted(launch.job for launch in live if launch.job)
    if jobs:
        backend(folder.settings.cluster).cancel(jobs, waiting_only=True)
    return jobs


@contextmanager
def keep_servers(folder: PoolFolder) -> Iterator[None]:
    """Has the pool's replicas running inside the `with` block.

    On this machine they are processes that end with the block; jobs on a cluster and outside servers outlive it.
    """
    settings = folder.settings
    folder.allow_starts()
    if settings.engine.url or backend(settings.cluster).submits:
        ensure(folder)
        yield
        return
    with processes(settings.site(), run_replica, [str(folder.root)] * settings.pool.replicas, folder.root / "logs"):
        yield
