"""The config keys that every stage has. None of them decides a result."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from slurm.pool.spending import Budget, Prices
from slurm.scheduler.cluster import Cluster, Count, Size, Whole

STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True, config=STRICT)
class Chunks:
    size: Count  # items a chunk
    n: Count | None  # number of chunks, instead of size
    ahead: Count  # chunks to plan when the input is not finished at submission
    per_task: Count  # chunks that one array task does
    points: Count  # points of a sweep that one array task does
    align: bool  # take over the chunks of the input
    cost: str | None  # column of the input by which chunks are balanced; null: by count
    max_error_share: Annotated[float, Field(ge=0, le=1)]  # a chunk with a larger share of failed items fails
    min_errors: Whole  # … but not with fewer failed items than this
    flush_s: Annotated[float, Field(ge=0)]  # finished rows are on disk after so many seconds


@dataclass(frozen=True, config=STRICT)
class Items:
    timeout_s: Size
    at_once: Count  # items that a worker process works on at the same time, in threads
    workers: Count | None  # worker processes of a task; null: cluster.cpus
    mem_gb: Size | None  # of a worker; null: a share of cluster.mem_gb


@dataclass(frozen=True, config=STRICT)
class Retry:
    max_attempts: Count
    breaker: Count  # chunks that fail alike before the rest of a submission is not tried


@dataclass(frozen=True, config=STRICT)
class Common:
    run: str
    runs: str
    step: str
    after: str | list[str] | None  # steps that it reads; "all": every step of the run
    dry_run: bool
    overwrite: bool | list[str]  # steps whose finished rows may be replaced; true: of steps that have none
    extend: bool | Literal["fewer"]  # read the source again for what is new; fewer: though rows are gone from it
    budget: Budget  # of the answers of model servers
    price: Prices
    chunks: Chunks
    items: Items
    retry: Retry
    cluster: Cluster
