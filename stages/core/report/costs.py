"""The cost of a step: chunks, CPU and GPU time, wasted time, failed attempts by cause."""

from collections import Counter
from dataclasses import dataclass

from slurm.record.done import Done, add_counters
from slurm.record.files import names
from slurm.record.history import history
from slurm.record.manifest import Step

NO_FAILURE = {"done", "stopped", "gated"}  # ends of an attempt that are not failures
KILLED = "ended without a word"  # killed, or its node was lost: only Slurm knows


@dataclass(frozen=True)
class Cost:
    """Seconds are summed over chunks; `wasted_s` is wall time of failed attempts that kept no row."""

    step: Step
    chunks: int  # done
    cpu_s: float
    gpu_s: float
    wasted_s: float
    failed: Counter[str]  # cause → attempts
    counters: dict[str, float]  # of the stage's work (answers, tokens, …), over all chunks
    ended: float  # when the last chunk was done, seconds since 1970; 0 if none was


def read_cost(step: Step) -> Cost:
    """The cost of the step's finished chunks."""
    records = step.all_done()
    return Cost(
        step=step,
        chunks=len(records),
        cpu_s=sum(d.seconds * d.cpus for d in records),
        gpu_s=sum(d.seconds * d.gpus for d in records),
        wasted_s=sum(d.wasted_s for d in records),
        failed=failed_attempts(step, records),
        counters=add_counters(*(d.counters for d in records)),
        ended=max((d.ended for d in records), default=0.0),
    )


def failed_attempts(step: Step, records: list[Done]) -> Counter[str]:
    """The number of failed attempts at these chunks, by cause. Events are read only of chunks with several."""
    causes: Counter[str] = Counter()
    for done in records:
        if len(names(step.paths.attempts_at(done.chunk))) > 1:
            others = (past for past in history(step, done.chunk) if past.name != done.attempt)
            causes.update(past.cause or KILLED for past in others if past.cause not in NO_FAILURE)
    return causes
