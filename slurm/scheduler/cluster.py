"""The settings of the site that tasks run at, and the resources of one task."""

import os
from dataclasses import field
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from slurm.credentials import conceal

STRICT = ConfigDict(extra="forbid")

Count = Annotated[int, Field(ge=1)]
Whole = Annotated[int, Field(ge=0)]
Size = Annotated[float, Field(gt=0, allow_inf_nan=False)]


@dataclass(frozen=True, config=STRICT)
class Container:
    """A container for the tasks; `runtime` null: they run in the Python environment that submits them."""

    runtime: Literal["pyxis", "apptainer"] | None
    image: str | None
    mounts: list[str]


@dataclass(frozen=True, config=STRICT)
class Cluster:
    """Site settings and the resources of one task; the values stand in conf/cluster/*.yaml."""

    executor: Literal["slurm", "local", "debug"]
    partition: str | None
    account: str | None
    qos: str | None
    constraint: str | None
    exclude: str | None
    cpus: Count
    gpus: Whole
    mem_gb: Size
    minutes: Count
    max_mem_gb: Size
    max_minutes: Count
    parallel: Count  # tasks at once, over all arrays of a submission
    max_array_size: Count  # used where scontrol does not tell
    signal_delay_s: Whole  # a task begins no new items so long before its time limit
    setup: list[str]  # shell lines before the task
    container: Container
    extra: dict[str, Any]  # more sbatch parameters, by their long names
    env: dict[str, str]  # of Slurm's own commands, and of the tasks
    env_file: str | None = None  # a file with more of these, NAME=VALUE lines: what no run directory is to hold
    trust: list[str | int] = field(default_factory=list)  # users whose files in the run may say what is executed
    hub_cache: str | None = None  # where models of the Hugging Face Hub are kept; null: as HF_HUB_CACHE, HF_HOME say

    def __post_init__(self) -> None:
        conceal(self.env)


def cpu_count() -> int:
    """The CPUs that this process may use."""
    return len(os.sched_getaffinity(0))
