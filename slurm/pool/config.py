"""What a pool of model servers is: a model, the engine that serves it, and the job of one replica."""

from dataclasses import replace
from typing import Literal, NamedTuple

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from slurm.scheduler.backend import backend
from slurm.scheduler.cluster import Cluster

UNTRAINED = "untrained-demo"  # what the embedded engine calls the models that it makes up
STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True, config=STRICT)
class Image:
    """A container that the engine runs in; `runtime` null starts its command on the node itself."""

    runtime: Literal["pyxis", "apptainer", "docker"] | None
    image: str | None
    mounts: list[str]  # "{cache}:/data"


@dataclass(frozen=True, config=STRICT)
class Engine:
    """A server program and what it speaks; the values stand in conf/engine/*.yaml.

    Words may hold what only the node knows: {python} {host} {port} {master_port} {metrics_port} {folder} {cache}.
    """

    name: str
    dialect: Literal["tgi", "openai"]
    route: Literal["generate", "chat"]  # generate: the chat template is applied by the client
    command: list[str]
    options: dict[str, str | int | float | bool | None]  # --name value; true: --name alone; null and false: left out
    env: dict[str, str]  # these may hold {key} and {token}, too: other people see command lines
    container: Image
    url: str | None  # of a server that stands already: nothing is started


@dataclass(frozen=True, config=STRICT)
class Pool:
    """A model, how many servers it has, and what one of them gets; the values stand in conf/pool/*.yaml."""

    name: str
    model: str
    revision: str | None
    images: bool  # whether it is asked about pictures
    replicas: int
    gpus: int
    cpus: int
    mem_gb: float
    minutes: int
    partition: str | None  # null: the cluster's
    qos: str | None
    max_concurrent_requests: int  # of a replica
    max_input_tokens: int | None
    max_total_tokens: int | None
    payload_bytes: int
    host: str  # the address that servers listen on
    ports: tuple[int, int]  # from which each takes one that is free
    cache: str | None  # folder of the weights; null: the Hub's own
    key_file: str | None  # holds the key of an engine.url; the servers that we start have one of their own
    start_minutes: float  # until a model is loaded
    restarts: int  # of an engine that died
    lead_minutes: float  # before its time is over a replica has its successor started
    drain_s: int  # … and takes nothing new
    idle_minutes: float  # after which an unused replica stops
    wait_minutes: float  # that a task waits for a first replica, or another one
    in_flight: int  # requests that one task has under way
    timeout_s: float  # of a request

    def __post_init__(self) -> None:
        if not 0 < self.drain_s / 60 < self.lead_minutes < self.minutes:
            order = f"drain_s={self.drain_s} < lead_minutes={self.lead_minutes:g} < minutes={self.minutes}"
            raise ValueError(f"not {order}, in seconds and minutes")


class Settings(NamedTuple):
    """All that a pool needs."""

    pool: Pool
    engine: Engine
    cluster: Cluster  # of the site; what is a replica's own stands in the pool

    def serves(self, model: str) -> bool:
        """Whether a server that calls its model so is one of these: untrained ones only where they were asked for."""
        return model == self.pool.model or (model == UNTRAINED and self.engine.options.get("fallback") == "untrained")

    def site(self) -> Cluster:
        """Where and with what a replica runs."""
        pool = self.pool
        return replace(
            self.cluster,
            partition=pool.partition or self.cluster.partition,
            qos=pool.qos or self.cluster.qos,
            gpus=pool.gpus,
            cpus=pool.cpus,
            mem_gb=pool.mem_gb,
            minutes=pool.minutes if backend(self.cluster).submits else self.cluster.minutes,  # no job, no limit
            signal_delay_s=pool.drain_s,
        )
