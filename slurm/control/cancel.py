"""Taking a step's tasks out of the queue; what they flushed stays."""

from slurm.control.submit import close, submissions
from slurm.control.survey import queue_of, survey
from slurm.record.manifest import Step


def cancel(step: Step) -> list[str]:
    """The ids of the jobs that were cancelled, waiting and running ones."""
    for submission in submissions(step):
        close(step, submission)
    jobs = sorted({window.job for window in survey(step).windows})
    if jobs and (slurm := queue_of(step)):
        slurm.cancel(jobs)
    return jobs
