"""The files of a pool, by which servers and clients find each other: <run>/pools/<name>/, one writer a file.

Every .json is a record with a format number (see slurm/record/formats.py).

pool.json                its model, engine, size and site (`Settings`); written by whoever starts it
key                      what every request must bear; mode 0600, so a pool is one user's alone: where pools/<name> is
                         another's, one's own of the same settings is pools/<name>@<user>
steps/<step>             the steps that use it: when all are done, so is the pool
launches/<n>/            the submission of one replica's job (see launch.py)
replicas/<job>.json      a server that answers (`Replica`); its supervisor renews the file every BEAT_S
ended/<job>.<n>.json     how a job's replica ended (`End`)
clients/<name>.json      a task that has requests for the pool; the task renews the file every BEAT_S
warm/<hash>.json         one request for each grammar that answers must follow: a server answers it before it is
                         registered, so that the grammar is compiled by then
begun.json               when the pool was last started by a command: earlier failures do not count
stopped                  while it exists no replica is started
logs/                    logs of the jobs, and of the engines: <job>.engine.log
"""

import hashlib
import os
import secrets
import shutil
import time
from contextlib import suppress
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, TypeVar

from slurm.credentials import hidden
from slurm.errors import InputError
from slurm.owner import only_reads, read, reading, trusted, user_name
from slurm.pool.config import Settings
from slurm.pool.wire import Call
from slurm.record.files import names
from slurm.record.formats import DamagedError, read_record, write_record
from slurm.record.manifest import Step

BEAT_S = 10.0
STALE_S = 60.0  # a file not renewed for this time counts as left by a dead process; clocks of nodes differ by less


class Replica(NamedTuple):
    """A registered server. `state`: ready, leaving (its successor may start) or draining (takes no new requests)."""

    job: str
    url: str
    engine: str
    dialect: str
    model: str  # as the server itself calls it
    revision: str | None  # a commit of the Hub's; of a folder a hash of its weights
    max_concurrent_requests: int
    max_input_tokens: int | None
    max_total_tokens: int | None
    node: str
    expires: float | None = None  # epoch seconds
    state: str = "ready"
    beat: float | None = None  # epoch seconds of the last renewal; None: it is never renewed and never stale
    queued: int | None = None  # requests waiting in the engine at the last renewal; None: the engine does not say


class End(NamedTuple):
    """How a replica ended."""

    job: str
    cause: str  # done, idle, stopped, expired, terminated or failed
    words: str  # the last lines of a failed engine's log
    was_ready: bool  # whether it ever answered a request
    at: float  # epoch seconds


class Beat(NamedTuple):
    """The time of the last sign of life, or of the last start."""

    at: float  # epoch seconds


T = TypeVar("T")


class PoolFolder:
    """The files of one pool of a run. Reading a file of another format raises an InputError."""

    def __init__(self, run: Path, name: str) -> None:
        self.run, self.name = run, name
        self.root = run / "pools" / name
        self.of_another: Path | None = None
        own = run / "pools" / f"{name}@{user_name()}"
        if self.root.exists() and self.root.lstat().st_uid != os.geteuid() and (own.exists() or not only_reads()):
            self.root, self.of_another = own, self.root

    def __str__(self) -> str:
        return f"{self.run.name}/{self.name}"

    @property
    def exists(self) -> bool:
        return (self.root / "pool.json").exists()

    # settings

    @cached_property
    def settings(self) -> Settings:
        """Raises InputError where there is no such pool."""
        try:
            return self.read(self.root / "pool.json", Settings)
        except FileNotFoundError:
            if self.of_another is not None:
                return self._take_over(self.of_another)
            there = ", ".join(names(self.run / "pools")) or "none"
            raise InputError(f"run {self.run.name!r} has no pool {self.name!r}; it has: {there}") from None

    def _take_over(self, other: Path) -> Settings:
        """Another user's settings for a pool of one's own with the same name, and the same steps."""
        settings = self.read(other / "pool.json", Settings)
        if secret := hidden(settings._asdict() | {"engine": asdict(settings.engine), "cluster": {}}):
            raise InputError(
                f"{secret[0]}: its value is kept for another user alone ({other / 'pool.json'}): start a pool with "
                f"your own: python -m slurm serve run={self.run.name} pool={self.name} engine.env_file=FILE"
            )
        self.configure(settings)
        for step in names(other / "steps"):
            self.add_step(step)
        return self.settings

    def configure(self, settings: Settings) -> None:
        """Stores the settings that hold from now on."""
        cluster = replace(settings.cluster, trust=trusted())
        write_record(self.root / "pool.json", settings._replace(cluster=cluster))
        self.__dict__.pop("settings", None)

    def allow_starts(self) -> None:
        """Lets replicas start again after a stop or after failures."""
        (self.root / "stopped").unlink(missing_ok=True)
        write_record(self.root / "begun.json", Beat(time.time()))

    def key(self) -> str:
        """The key that requests must carry, made at first use; "" for an outside server (engine.url) without one."""
        if self.settings.engine.url:
            given = self.settings.pool.key_file
            try:
                return Path(given).read_text().strip() if given else ""
            except (OSError, UnicodeDecodeError) as error:
                raise InputError(f"pool.key_file={given} cannot be read on {os.uname().nodename}: {error}") from None
        path = self.root / "key"
        self.root.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            draft = path.with_name(f".key.{secrets.token_hex(8)}")
            with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:  # noqa: PTH123
                file.write(secrets.token_urlsafe(32))
            try:
                os.link(draft, path)
            except FileExistsError:
                pass  # another process made it first
            finally:
                draft.unlink()
        return read(path).content.decode()

    @property
    def last_start(self) -> float:
        """When a command started the pool last, epoch seconds; 0.0 if none did."""
        path = self.root / "begun.json"
        return self.read(path, Beat).at if path.exists() else 0.0

    def stop(self) -> None:
        """Prevents further starts; running replicas see it and end. Raises InputError where there is no such pool."""
        assert self.settings
        (self.root / "stopped").touch()

    @property
    def stopped(self) -> bool:
        return (self.root / "stopped").exists()

    # users

    def add_step(self, step: str) -> None:
        """Notes that the step uses the pool."""
        (self.root / "steps").mkdir(parents=True, exist_ok=True)
        (self.root / "steps" / step).touch()

    def finished(self) -> bool:
        """Whether all steps that use the pool are done; False before any step uses it."""
        using = [Step(self.run, name) for name in names(self.root / "steps")]
        with reading():  # whoever made them
            return bool(using) and all(step.exists and step.complete() for step in using)

    def beat_client(self, name: str) -> None:
        """Shows that the task still has requests for the pool."""
        write_record(self.root / "clients" / f"{name}.json", Beat(time.time()))

    def remove_client(self, name: str) -> None:
        (self.root / "clients" / f"{name}.json").unlink(missing_ok=True)

    def clients(self) -> dict[str, float]:
        """Client → when it was last renewed, epoch seconds."""
        return {name: beat.at for name, beat in self._records("clients", Beat)}

    def warm(self, form: str, request: Call) -> None:
        """Has servers that start later answer a request with this grammar before they are registered."""
        path = self.root / "warm" / f"{hashlib.sha256(form.encode()).hexdigest()[:16]}.json"
        if not path.exists():
            write_record(path, request)

    def warm_requests(self) -> list[Call]:
        return [request for _, request in self._records("warm", Call)]

    # servers

    def register(self, replica: Replica) -> None:
        """Makes the server known to clients, or renews its entry."""
        write_record(self.root / "replicas" / f"{replica.job}.json", replica)

    def unregister(self, job: str) -> None:
        (self.root / "replicas" / f"{job}.json").unlink(missing_ok=True)

    def replicas(self) -> list[Replica]:
        """The registered servers in any state, without stale ones."""
        found = [replica for _, replica in self._records("replicas", Replica)]
        return [replica for replica in found if replica.beat is None or time.time() - replica.beat < STALE_S]

    def record_end(self, end: End) -> None:
        number = len(names(self.root / "ended"))
        write_record(self.root / "ended" / f"{end.job}.{number}.json", end)

    def ends(self) -> list[End]:
        """Oldest first."""
        return sorted((end for _, end in self._records("ended", End)), key=lambda end: end.at)

    # records

    def read(self, path: Path, kind: type[T]) -> T:
        """A record of the pool; FileNotFoundError if it is not there."""
        again = f"python -m slurm serve run={self.run.name} pool={self.name}"
        decides = kind not in (Beat, End, Call)
        return read_record(
            path, kind, f"end the pool's jobs with scancel, then start it again: {again}", decides=decides
        )

    def _records(self, folder: str, kind: type[T]) -> list[tuple[str, T]]:
        """(name, record) of each file in the folder, by name; those removed meanwhile or damaged are left out."""
        found = []
        for name in names(self.root / folder):
            with suppress(FileNotFoundError, DamagedError):
                found.append((name.removesuffix(".json"), self.read(self.root / folder / name, kind)))
        return found

    def forget(self) -> None:
        """Removes its records; the key, the logs and the names of the steps that use it stay."""
        for folder in ("replicas", "ended", "clients", "launches", "warm"):
            shutil.rmtree(self.root / folder, ignore_errors=True)
        for path in self.root.glob("*.json"):
            path.unlink(missing_ok=True)
