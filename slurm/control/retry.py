"""Whether and how a chunk that did not get done is tried again, by cause.

out_of_memory        more memory                     preempted, node_fail,  free; see nodes.py
                                                     silent
timeout, no row      more time                       timeout with rows      goes on after the last flushed row
the same exception   set aside after the second      anything               set aside after retry.max_attempts
"""

from typing import NamedTuple

from slurm.record.history import Past
from slurm.scheduler.cluster import Cluster
from slurm.task.breaker import signature

FREE = {"node_fail", "preempted", "cancelled", "silent", "rows_removed", "gated", "stopped", "done", "budget"}
OWN_FAULT = {"exception", "too_many_errors", "alarm"}
MORE_MEMORY = 1.5
MORE_TIME = 2.0


class Decision(NamedTuple):
    """`again` False: the chunk is set aside until somebody says force=true. The resources are for its next attempt."""

    again: bool
    why: str
    mem_gb: float
    minutes: int


def decide(past: list[Past], cluster: Cluster, max_attempts: int) -> Decision:
    """What becomes of a chunk with these attempts behind it, none of which finished it."""
    mem_gb, minutes = cluster.mem_gb, float(cluster.minutes)
    why = ""
    for attempt in past:
        if attempt.cause == "out_of_memory":
            if mem_gb >= cluster.max_mem_gb:
                why = f"out of memory with cluster.max_mem_gb={cluster.max_mem_gb:g}"
            mem_gb = min(mem_gb * MORE_MEMORY, cluster.max_mem_gb)
        if attempt.cause == "timeout" and attempt.rows == 0:
            if minutes >= cluster.max_minutes:
                why = f"no row finished within cluster.max_minutes={cluster.max_minutes}"
            minutes = min(minutes * MORE_TIME, cluster.max_minutes)
    counted = [p for p in past if p.cause not in FREE]
    faults = [p for p in counted if p.cause in OWN_FAULT]
    if not why and len(faults) > 1 and signature(faults[-1].detail) == signature(faults[-2].detail):
        why = f"failed twice alike: {faults[-1].headline}"
    if not why and len(counted) >= max_attempts:
        why = f"tried {len(counted)} times (retry.max_attempts={max_attempts}); last: {counted[-1].headline}"
    again = not why
    if again and past:
        why = past[-1].headline
    return Decision(again, why, mem_gb, int(minutes))
