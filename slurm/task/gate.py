"""Whether a chunk may be begun: its input is there, and its step is worth going on with."""

from slurm.errors import ReelmillError, SpentError
from slurm.pool.spending import budget_spent
from slurm.record.inputs import missing
from slurm.record.manifest import Step
from slurm.task.breaker import tripped


class GateError(ReelmillError):
    """The task may not run (yet): what it needs is not there, or most of its fellows failed alike."""


def gate(step: Step, chunk: int, submission: str) -> None:
    """Passes if the chunk's input is there and its step is worth going on with; raises a GateError otherwise.

    Raises SpentError if the step asks model servers, and nothing is left of the run's budget.
    """
    if step.plan.pool is not None and (why := budget_spent(step.run)):
        raise SpentError(why)
    waits_for = missing(step, chunk)
    if waits_for:
        raise GateError(waits_for)
    cause = tripped(step, submission)
    if cause:
        raise GateError(f"most chunks of this submission failed alike, so the rest is not tried: {cause}")
