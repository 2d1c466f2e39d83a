"""What a pool of model servers is: a model, the engine that serves it, and the job of one replica."""

from dataclasses import replace
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from slurm.credentials import conceal
from slurm.scheduler.backend import backend
from slurm.scheduler.cluster import Cluster, Count, Size, Whole
from slurm.scheduler.environment import read_env_file

UNTRAINED = "untrained-demo"  # the name of the embedded engine's models with random weights
STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True, config=STRICT)
class Image:
    """A container for the engine; `runtime` null: its command runs on the node itself."""

    runtime: Literal["pyxis", "apptainer", "docker"] | None
    image: str | None
    mounts: list[str]  # "{cache}:/data"


@dataclass(frozen=True, config=STRICT)
class Engine:
    """A server program and its API; the values stand in conf/engine/*.yaml.

    Commands, options and mounts may hold placeholders that the node fills in: {python} {host} {port} {master_port}
    {metrics_port} {folder} {cache}.
    """

    name: str
    dialect: Literal["tgi", "openai"]
    route: Literal["generate", "chat"]  # generate: the chat template is applied by the client
    command: list[str]
    options: dict[str, str | int | float | bool | None]  # --name value; true: --name alone; null and false: left out
    env: dict[str, str]  # may also hold {key} and {token}, which do not belong on command lines that others can see
    container: Image
    url: str | None  # of a server that runs already; none is started then
    # of a pool, by its name, the model that it has for this engine; and the commits of such models
    models: dict[str, str] | None = None
    revisions: dict[str, str] | None = None
    env_file: str | None = None  # a file with more variables, NAME=VALUE lines: what no run directory is to hold

    def __post_init__(self) -> None:
        conceal(self.env)


@dataclass(frozen=True, config=STRICT)
class Pool:
    """A model, its number of servers and the resources of each; the values stand in conf/pool/*.yaml."""

    name: str
    model: str
    revision: str | None
    images: bool  # whether requests carry pictures
    replicas: Count
    gpus: Whole
    cpus: Count
    mem_gb: Size
    minutes: Count
    partition: str | None  # null: the cluster's
    qos: str | None
    max_concurrent_requests: Count  # of a replica
    max_input_tokens: Count | None
    max_total_tokens: Count | None
    payload_bytes: Count
    host: str  # the address that servers listen on
    ports: tuple[int, int]  # first and last port that servers may take
    cache: str | None  # folder of the weights; null: cluster.hub_cache
    key_file: str | None  # holds the key for engine.url; servers that are started here share a generated one
    start_minutes: Size  # most time to load the model
    restarts: Whole  # most restarts of an engine that died
    lead_minutes: float  # a replica's successor is started so long before its time limit
    drain_s: int  # a replica takes no new requests so long before its time limit
    idle_minutes: float  # a replica unused for so long stops
    wait_minutes: float  # most time that a task waits for a replica
    in_flight: Count  # most requests that one task has running
    timeout_s: Size  # of one request
    max_tokens: Count | None = None  # of an answer, its thoughts included; null: what the step asks for
    thinking: bool | None = None  # whether a model that can thinks before it answers; null: as it does by itself

    def __post_init__(self) -> None:
        if not 0 < self.drain_s / 60 < self.lead_minutes < self.minutes:
            order = f"drain_s={self.drain_s} < lead_minutes={self.lead_minutes:g} < minutes={self.minutes}"
            raise ValueError(f"not {order}, in seconds and minutes")


class Settings(NamedTuple):
    """All settings of a pool."""

    pool: Pool
    engine: Engine
    cluster: Cluster  # of the site; the pool overrides the resources

    def serves(self, model: str) -> bool:
        """Whether a server with this model belongs to the pool; one with random weights only by options.fallback."""
        return model == self.pool.model or (model == UNTRAINED and self.engine.options.get("fallback") == "untrained")

    def check(self, folder: Path) -> None:
        """Raises ClusterError or InputError if a replica with these settings would be refused; sends nothing."""
        backend(self.site()).check(folder)
        read_env_file("engine.env_file", self.engine.env_file)

    @property
    def keep_weights(self) -> bool:
        """Whether its servers keep what they download in the cache of the Hub, as far as its settings say."""
        box = self.engine.container
        return self.engine.url is None and (box.runtime is None or any("{cache}" in mount for mount in box.mounts))

    def variables(self) -> dict[str, str]:
        """What it adds to the environment of its servers, but for what only their nodes can fill in."""
        engine, cache = self.engine, self.pool.cache
        own = {name: value for name, value in engine.env.items() if "{" not in value}
        return read_env_file("engine.env_file", engine.env_file) | own | ({"HF_HUB_CACHE": cache} if cache else {})

    def site(self) -> Cluster:
        """The site with the resources of one replica."""
        pool = self.pool
        return replace(
            self.cluster,
            partition=pool.partition or self.cluster.partition,
            qos=pool.qos or self.cluster.qos,
            gpus=pool.gpus,
            cpus=pool.cpus,
            mem_gb=pool.mem_gb,
            minutes=pool.minutes if backend(self.cluster).submits else self.cluster.minutes,  # of jobs only
            signal_delay_s=pool.drain_s,
        )
