"""The class of what ended an attempt, as far as its own process can see it; the others are Slurm's to tell."""

from slurm.errors import AlarmError, ReelmillError, SpentError, UnavailableError, is_disk_full
from slurm.task.gate import GateError


class LostFlushError(ReelmillError):
    """Somebody removed rows that the attempt, or one before it, had finished."""


class TooManyErrorsError(ReelmillError):
    """More of the chunk's items failed than chunks.max_error_share allows."""


CAUSES = {
    AlarmError: "alarm",
    GateError: "gated",
    TooManyErrorsError: "too_many_errors",
    LostFlushError: "rows_removed",
    UnavailableError: "unavailable",
    SpentError: "budget",
    MemoryError: "out_of_memory",
}


def cause_of(error: Exception) -> str:
    """The class of a failure: one of CAUSES, disk_full, or exception."""
    if is_disk_full(error):
        return "disk_full"
    return next((cause for kind, cause in CAUSES.items() if isinstance(error, kind)), "exception")
