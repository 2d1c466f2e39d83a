"""The circuit breaker: when most chunks of a submission fail alike, the rest is not tried.

submissions/<id>/failures/<signature>/<chunk>    one file a failed chunk, with its message
"""

import hashlib
import re
from functools import lru_cache
from itertools import islice

from slurm.record.files import names
from slurm.record.manifest import Step
from slurm.record.paths import chunk_name


@lru_cache(maxsize=1024)  # thousands of chunks fail alike
def signature(detail: str) -> str:
    """8 hex digits, the same for messages whose first lines differ only in numbers, paths and quoted names."""
    shape = re.sub(r"'[^']*'|\"[^\"]*\"|/\S+|\d+", "#", detail.partition("\n")[0])
    return hashlib.sha256(shape.encode()).hexdigest()[:8]


def report_failure(step: Step, submission: str, chunk: int, detail: str) -> None:
    folder = step.paths.failures(submission) / signature(detail)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / chunk_name(chunk)).write_text(detail)
    except OSError:  # a full disk: the breaker is a courtesy
        return


def tripped(step: Step, submission: str) -> str | None:
    """The common message, if at least retry.breaker chunks failed with it and fewer than that got done; else None."""
    for kind in names(step.paths.failures(submission)):
        failed = names(step.paths.failures(submission) / kind)
        if len(failed) >= step.plan.policy.breaker:
            about = step.submission(submission)
            records = (step.done(chunk) for task in about.tasks for chunk in task)
            as_many = islice((done for done in records if done and done.ended >= about.created), len(failed))
            if len(list(as_many)) < len(failed):
                return (step.paths.failures(submission) / kind / failed[0]).read_text()
    return None
