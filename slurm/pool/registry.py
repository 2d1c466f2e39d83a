"""The files of a pool, for servers and clients to find each other: <run>/pools/<name>/, one writer a file.

pool.json                what is wanted (`Settings`); written by whoever starts it
key                      what every request must bear; mode 0600
steps/<step>             the steps that use it: when all are done, so is the pool
launches/<n>/            the jobs that were submitted (see launch.py)
replicas/<job>.json      a server that answers (`Replica`), renewed every BEAT_S
ended/<job>.<n>.json     how a job's replica ended (`End`)
clients/<name>.json      a task that has work for it, renewed every BEAT_S
warm/<hash>.json         a request of each form that answers are bound to: a server answers it before it is registered,
                         so that its grammar is compiled
begun.json               when it was last told to start: failures before that are forgotten
stopped                  nothing more is started
logs/                    those of the jobs, and of the engines: <job>.engine.log
"""

import hashlib
import os
import secrets
import time
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import TypeAdapter

from slurm.errors import InputError
from slurm.pool.config import Engine, Pool, Settings
from slurm.pool.wire import Call
from slurm.record.files import names, read_json, write_json
from slurm.record.manifest import Step
from slurm.scheduler.cluster import Cluster

BEAT_S = 10.0
STALE_S = 60.0  # without a beat it counts as gone; clocks of a cluster agree within less


class Replica(NamedTuple):
    """A server as it is registered. `state`: ready, leaving (its successor may start) or draining (nothing new)."""

    job: str
    url: str
    engine: str
    dialect: str
    model: str  # as the server itself calls it
    revision: str | None
    max_concurrent_requests: int
    max_input_tokens: int | None
    max_total_tokens: int | None
    node: str
    expires: float | None = None  # epoch seconds
    state: str = "ready"
    beat: float | None = None  # epoch seconds; None: nobody renews it, nor does it age
    queued: int | None = None  # requests that it could not begin yet, at the last beat; None: it does not tell


class End(NamedTuple):
    """How a replica ended: done, idle, stopped, expired, or failed, then with the engine's own words."""

    job: str
    cause: str
    words: str
    was_ready: bool
    at: float


class PoolFolder:
    """A pool of a run, as its files tell it."""

    def __init__(self, run: Path, name: str) -> None:
        self.run, self.name = run, name
        self.root = run / "pools" / name

    def __str__(self) -> str:
        return f"{self.run.name}/{self.name}"

    @property
    def exists(self) -> bool:
        return (self.root / "pool.json").exists()

    # what is wanted

    @cached_property
    def settings(self) -> Settings:
        try:
            stored = read_json(self.root / "pool.json")
        except FileNotFoundError:
            there = ", ".join(names(self.run / "pools")) or "none"
            raise InputError(f"run {self.run.name!r} has no pool {self.name!r}; it has: {there}") from None
        kinds = {"pool": Pool, "engine": Engine, "cluster": Cluster}
        return Settings(**{key: TypeAdapter(kind).validate_python(stored[key]) for key, kind in kinds.items()})

    def configure(self, settings: Settings) -> None:
        """Says what is wanted from now on."""
        write_json(self.root / "pool.json", {key: asdict(value) for key, value in settings._asdict().items()})
        self.__dict__.pop("settings", None)

    def go_on(self) -> None:
        """Replicas may start again, though it was stopped or some failed."""
        (self.root / "stopped").unlink(missing_ok=True)
        write_json(self.root / "begun.json", {"at": time.time()})

    def key(self) -> str:
        """What requests must bear; "" for a server of somebody else's that wants none."""
        if self.settings.engine.url:
            given = self.settings.pool.key_file
            return Path(given).read_text().strip() if given else ""
        path = self.root / "key"
        self.root.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            draft = path.with_name(f".key.{secrets.token_hex(8)}")
            with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:  # noqa: PTH123
                file.write(secrets.token_urlsafe(32))
            try:
                os.link(draft, path)
            except FileExistsError:
                pass  # another one was first
            finally:
                draft.unlink()
        return path.read_text()

    @property
    def begun(self) -> float:
        """When it was last told to start, epoch seconds."""
        path = self.root / "begun.json"
        return float(read_json(path)["at"]) if path.exists() else 0.0

    def stop(self) -> None:
        """Has nothing more started. Raises InputError where there is no such pool."""
        assert self.settings
        (self.root / "stopped").touch()

    @property
    def stopped(self) -> bool:
        return (self.root / "stopped").exists()

    # who uses it

    def add_step(self, step: str) -> None:
        (self.root / "steps").mkdir(parents=True, exist_ok=True)
        (self.root / "steps" / step).touch()

    def finished(self) -> bool:
        """Whether every step that was to use it is done; False if there is none."""
        using = [Step(self.run, name) for name in names(self.root / "steps")]
        return bool(using) and all(step.exists and step.complete() for step in using)

    def beat_client(self, name: str) -> None:
        write_json(self.root / "clients" / f"{name}.json", {"at": time.time()})

    def remove_client(self, name: str) -> None:
        (self.root / "clients" / f"{name}.json").unlink(missing_ok=True)

    def clients(self) -> dict[str, float]:
        """When each client was last heard of."""
        return {name: value["at"] for name, value in _contents(self.root / "clients")}

    def warm(self, form: str, request: Call) -> None:
        """Has servers that start from now on answer one request of this form before they are registered."""
        path = self.root / "warm" / f"{hashlib.sha256(form.encode()).hexdigest()[:16]}.json"
        if not path.exists():
            write_json(path, request._asdict())

    def warm_requests(self) -> list[Call]:
        return [Call(**request) for _, request in _contents(self.root / "warm")]

    # who serves it

    def put(self, replica: Replica) -> None:
        write_json(self.root / "replicas" / f"{replica.job}.json", replica._asdict())

    def remove(self, job: str) -> None:
        (self.root / "replicas" / f"{job}.json").unlink(missing_ok=True)

    def replicas(self) -> list[Replica]:
        """Those heard of lately, whatever their state."""
        found = [Replica(**value) for _, value in _contents(self.root / "replicas")]
        return [replica for replica in found if replica.beat is None or time.time() - replica.beat < STALE_S]

    def end(self, end: End) -> None:
        number = len(names(self.root / "ended"))
        write_json(self.root / "ended" / f"{end.job}.{number}.json", end._asdict())

    def ends(self) -> list[End]:
        return sorted((End(**value) for _, value in _contents(self.root / "ended")), key=lambda end: end.at)


def _contents(folder: Path) -> list[tuple[str, dict[str, Any]]]:
    """(name, content) of the files there; those that go meanwhile are left out."""
    found = []
    for name in names(folder):
        try:
            found.append((name.removesuffix(".json"), read_json(folder / name)))
        except FileNotFoundError:
            continue
    return found
