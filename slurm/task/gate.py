"""Whether a chunk may be begun: its input is there, and its step is worth going on with."""

from slurm.errors import ReelmillError
from slurm.record.inputs import missing
from slurm.record.manifest import Step
from slurm.task.breaker import tripped


class GateError(ReelmillError):
    """The task may not run (yet): what it needs is not there, or most of its fellows failed alike."""


def gate(step: Step, chunk: int, submission: str) -> None:
    """Passes if the chunk's input is there and its step is worth going on with; raises a GateError otherwise."""
    waits_for = missing(step, chunk)
    if waits_for:
        raise GateError(waits_for)
    cause = tripped(step, submission)
    if cause:
        raise GateError(f"most chunks of this submission failed alike, so the rest is not tried: {cause}")
