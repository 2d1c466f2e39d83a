"""The cost of a step: chunks, CPU and GPU time, tokens, money, wasted time, failed attempts by cause."""

from collections import Counter
from dataclasses import dataclass

from slurm.pool.spending import MILLION, Terms
from slurm.record.done import Done, add_counters
from slurm.record.files import names
from slurm.record.history import history
from slurm.record.manifest import Step

NO_FAILURE = {"done", "stopped", "gated"}  # ends of an attempt that are not failures
KILLED = "ended without a word"  # killed, or its node was lost: only Slurm knows
TOKENS = ("tokens_in", "tokens_out")


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
    money: float | None  # by the prices that the run knows; None: it knows none of what the step used


def read_cost(step: Step, terms: Terms | None = None) -> Cost:
    """The cost of the step's finished chunks."""
    records = step.all_done()
    cpu_s, gpu_s = sum(d.seconds * d.cpus for d in records), sum(d.seconds * d.gpus for d in records)
    counters = add_counters(*(d.counters for d in records))
    return Cost(
        step=step,
        chunks=len(records),
        cpu_s=cpu_s,
        gpu_s=gpu_s,
        wasted_s=sum(d.wasted_s for d in records),
        failed=failed_attempts(step, records),
        counters=counters,
        ended=max((d.ended for d in records), default=0.0),
        money=count_money(step, cpu_s, gpu_s, counters, terms or Terms()),
    )


def count_money(step: Step, cpu_s: float, gpu_s: float, counters: dict[str, float], terms: Terms) -> float | None:
    """What the step has cost, as far as prices are set: of hours of CPU and GPU, and of a model's tokens."""
    hours = ((cpu_s, terms.cpu_hour), (gpu_s, terms.gpu_hour))
    parts = [seconds / 3600 * price for seconds, price in hours if price is not None]
    price = terms.prices.get(step.plan.config.get("pool", {}).get("model", "")) if step.plan.pool else None
    if price is not None:
        of_tokens = zip((tokens(counters, name) for name in TOKENS), price, strict=True)
        parts.append(sum(number * each for number, each in of_tokens) / MILLION)
    return sum(parts) if parts else None


def tokens(counters: dict[str, float], kind: str) -> float:
    """Tokens of all questions of a stage, which may count them under several names."""
    return sum(value for name, value in counters.items() if name == kind or name.endswith(f"_{kind}"))


def failed_attempts(step: Step, records: list[Done]) -> Counter[str]:
    """The number of failed attempts at these chunks, by cause. Events are read only of chunks with several."""
    causes: Counter[str] = Counter()
    for done in records:
        if len(names(step.paths.attempts_at(done.chunk))) > 1:
            others = (past for past in history(step, done.chunk) if past.name != done.attempt)
            causes.update(past.cause or KILLED for past in others if past.cause not in NO_FAILURE)
    return causes
