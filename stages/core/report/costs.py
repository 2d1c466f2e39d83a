"""What a step cost: chunks, processor hours, hours that led to nothing, attempts that failed and why."""

from collections import Counter
from dataclasses import dataclass

from slurm.record.done import Done
from slurm.record.files import names
from slurm.record.history import history
from slurm.record.manifest import Step

NO_FAILURE = {"done", "stopped", "gated"}  # ends of an attempt that are nobody's fault
KILLED = "ended without a word"  # killed, or its node was lost: only Slurm knows


@dataclass(frozen=True)
class Cost:
    """Seconds are summed over chunks; `wasted_s` is of failed attempts that kept no row, by the clock."""

    step: Step
    chunks: int  # done
    cpu_s: float
    gpu_s: float
    wasted_s: float
    failed: Counter[str]  # cause → attempts
    ended: float  # when the last chunk was done, seconds since 1970; 0 if none was


def cost(step: Step) -> Cost:
    """The cost of the chunks that are done."""
    records = step.all_done()
    return Cost(
        step=step,
        chunks=len(records),
        cpu_s=sum(d.seconds * d.cpus for d in records),
        gpu_s=sum(d.seconds * d.gpus for d in records),
        wasted_s=sum(d.wasted_s for d in records),
        failed=failed_attempts(step, records),
        ended=max((d.ended for d in records), default=0.0),
    )


def failed_attempts(step: Step, records: list[Done]) -> Counter[str]:
    """How many attempts at these chunks failed, by cause. Only of chunks with several are the events read."""
    causes: Counter[str] = Counter()
    for done in records:
        if len(names(step.paths.attempts_at(done.chunk))) > 1:
            others = (past for past in history(step, done.chunk) if past.name != done.attempt)
            causes.update(past.cause or KILLED for past in others if past.cause not in NO_FAILURE)
    return causes
