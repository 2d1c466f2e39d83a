"""python -m slurm serve run=NAME pool=NAME [replicas=N] [cluster=slurm] [engine=tgi] …   starts a pool
python -m slurm serve run=NAME pool=NAME status|stop

On a cluster the command returns once the jobs are submitted; on this machine it serves until Ctrl-C.
"""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError
from rich.table import Table

from slurm.credentials import conceal_words
from slurm.errors import InputError, check_name
from slurm.owner import reading, trust, trust_as_said
from slurm.pool.config import Engine, Pool, Settings
from slurm.pool.launch import cancel_queued, ensure, hopeless, keep_servers, launches, set_up
from slurm.pool.registry import PoolFolder
from slurm.scheduler.backend import backend
from slurm.scheduler.cluster import Cluster
from slurm.screen import literal, show

VERBS = ("status", "stop")


def serve(words: Sequence[str]) -> int:
    """The command; its exit status."""
    verbs = [word for word in words if word in VERBS]
    said = dict(word.split("=", 1) for word in words if "=" in word)
    if "run" not in said or "pool" not in said:
        raise InputError("say which pool of which run: run=NAME pool=NAME")
    run = (Path(said.get("runs", "runs")).expanduser() / said["run"]).absolute()
    check_name("run", said["run"], run.parent)
    check_name("pool", said["pool"], run / "pools")
    conceal_words(words)
    trust_as_said(words, run)
    if "status" in verbs:
        with reading():
            return status(PoolFolder(run, said["pool"]))
    folder = PoolFolder(run, said["pool"])
    if verbs:
        return stop(folder)
    return start(folder, compose([word for word in words if word not in VERBS]))


def compose(words: Sequence[str]) -> Settings:
    """The settings that conf/serve.yaml and the command line make."""
    from omegaconf import OmegaConf  # here, since the other commands need no Hydra
    from omegaconf.errors import MissingMandatoryValue

    from slurm import conf

    words = conf.with_folders(words).words
    if unread := [word for word in words if "=" not in word and not word.startswith("~")]:
        raise InputError(f"{unread[0]!r} is neither key=value nor {' or '.join(VERBS)}")
    composed = conf.compose("serve", words)
    try:
        plain: Any = OmegaConf.to_container(composed, resolve=True, throw_on_missing=True)
    except MissingMandatoryValue as error:
        raise InputError(f"{error.full_key}: no value; say {error.full_key}=…") from error
    if plain["replicas"] is not None and isinstance(plain["pool"], dict):
        plain["pool"]["replicas"] = plain["replicas"]
    kinds = {"pool": Pool, "engine": Engine, "cluster": Cluster}
    try:
        settings = Settings(**{key: TypeAdapter(kind).validate_python(plain[key]) for key, kind in kinds.items()})
    except ValidationError as error:
        group = error.title.lower()
        raise InputError(conf.wrong_values(error, lambda loc: ".".join(map(str, (group, *loc))))) from None
    trust(settings.cluster.trust)
    return settings


def start(folder: PoolFolder, settings: Settings) -> int:
    """Starts a pool, or changes the size of one that runs; the exit status.

    Raises InputError if the pool runs another model or its servers do not start, ClusterError if Slurm refuses a job.
    """
    settings.check(folder.root)
    set_up(folder, settings)
    folder.allow_starts()
    if not backend(settings.cluster).submits and not settings.engine.url:
        print(f"pool {folder}: serves until Ctrl-C")
        with keep_servers(folder):
            while not hopeless(folder):
                time.sleep(1.0)
        raise InputError(f"pool {folder} does not start: {hopeless(folder)}")
    jobs = ensure(folder)
    print(f"pool {folder}: {f'submitted as job {_listed(jobs)}' if jobs else 'as wanted already'}")
    print(f"python -m slurm serve run={folder.run.name} pool={folder.name} status tells how it goes")
    return 0


def status(folder: PoolFolder) -> int:
    """Shows the replicas and how earlier ones ended; 0 if one takes requests, else 1."""
    pool, now = folder.settings.pool, time.time()
    wanted = f"{pool.replicas} wanted{', stopped' if folder.stopped else ''}"
    table = Table(title=literal(f"{folder}: {pool.model}, {wanted}"))
    for column in ("job", "state", "node", "address", "model", "ends in", "beat"):
        table.add_column(column)
    there = {replica.job: replica for replica in folder.replicas()}
    for replica in there.values():
        ends = f"{(replica.expires - now) / 60:.0f} min" if replica.expires else "-"
        beat = f"{now - replica.beat:.0f} s ago" if replica.beat else "-"
        table.add_row(
            replica.job, replica.state, replica.node, literal(replica.url), literal(replica.model), ends, beat
        )
    jobs = [launch.job for launch in launches(folder) if launch.job and launch.job not in there]
    for task in backend(folder.settings.cluster).queued(jobs) or []:
        starting = "starting" if task.state == "RUNNING" else f"{task.state.lower()} ({task.reason})"
        table.add_row(task.job, starting, "", "", "", "", "")
    for end in folder.ends()[-5:]:
        table.add_row(end.job, end.cause, "", literal(end.words.splitlines()[-1]) if end.words else "", "", "", "")
    show(table)
    clients = [name for name, at in folder.clients().items() if now - at < pool.idle_minutes * 60]
    print(f"{len(clients)} tasks use it; logs: {folder.root / 'logs'}")
    if words := hopeless(folder):
        print(f"no more replicas are started: {words}")
    return 0 if any(replica.state != "draining" for replica in there.values()) else 1


def stop(folder: PoolFolder) -> int:
    """Lets the replicas finish their requests and end, and starts no more; the exit status."""
    folder.stop()
    jobs = cancel_queued(folder)
    print(f"pool {folder}: {f'stops (job {_listed(jobs)})' if jobs else 'nothing runs'}")
    return 0


def _listed(jobs: Sequence[str]) -> str:
    return ", ".join(jobs)
