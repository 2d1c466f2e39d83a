"""Nodes that failed again and again: which ones new tasks avoid, and until when."""

import time
from collections import defaultdict
from collections.abc import Iterable
from itertools import pairwise

from slurm.record.history import Past
from slurm.scheduler.backend import backend
from slurm.scheduler.cluster import Cluster

EVENT_S = 600.0  # attempts that a node ended within this time of each other are one failure of it
FORGOTTEN_S = 6 * 3600.0
ONE_IN = 3  # of a partition's nodes at most so many are avoided, so that there is always somewhere to go


def failing(pasts: Iterable[Iterable[Past]], now_s: float | None = None) -> dict[str, float]:
    """Node → until when it is to be avoided, seconds since 1970: those that failed twice or more of late."""
    now_s = time.time() if now_s is None else now_s
    ends: dict[str, list[float]] = defaultdict(list)
    for past in pasts:
        for attempt in past:
            if attempt.cause == "node_fail":
                ends[attempt.node].append(attempt.last)
    found: dict[str, float] = {}
    for node, times in ends.items():
        failures = [t for before, t in pairwise([0.0, *sorted(times)]) if t - before > EVENT_S]
        if len(failures) > 1 and (until := failures[-2] + FORGOTTEN_S) > now_s:
            found[node] = until
    return found


def avoided(pasts: Iterable[Iterable[Past]], cluster: Cluster) -> dict[str, float]:
    """Those of the failing nodes that a submission avoids, the worst first: never more than a share of the partition.

    Where Slurm does not tell which nodes there are, none is avoided.
    """
    bad = failing(pasts)
    if not bad:
        return {}
    there = backend(cluster).nodes()
    worst = sorted((node for node in bad if node in there), key=lambda node: (-bad[node], node))
    return {node: bad[node] for node in worst[: len(there) // ONE_IN]}
