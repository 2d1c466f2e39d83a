"""A submission: what was frozen before its tasks were sent."""

from dataclasses import dataclass, field
from typing import NamedTuple

from slurm.scheduler.cluster import Cluster


@dataclass(frozen=True)
class Submission:
    """Its tasks, and where and why they run."""

    tasks: list[list[int]]  # array index → chunks
    cluster: Cluster
    window: int  # tasks of one array job
    why: dict[str, int]  # reason for another attempt → chunks
    again: list[str]  # rows of done chunks that failed with these codes are tried again …
    replaces: dict[str, str]  # … of these chunks: chunk → the part that the new one stands in for
    created: float  # seconds since 1970, as are all times
    host: str
    pid: int
    fingerprint: str = ""  # of the step as its tasks are to do it; "": not known
    # all steps whose chunks its tasks do, each with its submission, where these are several: points of a sweep
    together: list[tuple[str, str]] = field(default_factory=list)  # the first names the jobs and has their logs


class Jobs(NamedTuple):
    """What became of it: one array job after another, as they are submitted."""

    arrays: list[tuple[str, int, int]]  # job id, number of its first task, its tasks
