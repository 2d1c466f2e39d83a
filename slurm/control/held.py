"""Tasks that Slurm keeps in its queue and does not start by itself: which ones, why, and the command that helps.

could not be launched   a node's prolog, disk or slurmd failed; Slurm put the task back and holds it. `resume` takes it
                        out of the queue, counts it as a start that failed, and submits its chunks again. Slurm also
                        holds what was suspended when its node failed, which is no failed start
held by a person        that person's decision: told with its command, never submitted again
cannot start as it is   a constraint, account or limit that was changed since: likewise
silent                  it is said to run, but gives no sign of life: what watches over it on its node was killed, or
                        the node hangs. `resume` cancels it, and submits its chunks again when it has ended
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from slurm.control.ends import DID_NOT_START
from slurm.record.manifest import Step
from slurm.scheduler.accounting import NOT_AS_IT_IS, NOT_LAUNCHED
from slurm.scheduler.backend import Backend
from slurm.task.attempt import Attempt
from slurm.task.breaker import report_failure

SILENT = "no sign of life"


class Held(NamedTuple):
    """A task that will not end by itself."""

    submission: str
    job: str
    element: int
    task: str  # Slurm's id of it: `123_4`, or `123` outside an array
    reason: str


def take_out(step: Step, held: Mapping[int, Held], slurm: Backend) -> bool:
    """Takes tasks out of the queue that are silent, or held by Slurm itself; whether any was.

    Of those that could not be launched it is noted.

    Raises ClusterError if they are another user's.
    """
    silent = sorted({task.task for task in held.values() if task.reason == SILENT})
    if silent:
        slurm.cancel(silent)
    failed = {chunk: task for chunk, task in held.items() if task.reason in NOT_LAUNCHED}
    doubtful = {task.task: task.job for task in held.values() if task.reason == "JobHeldAdmin"}
    ends = slurm.ended(sorted({*doubtful.values(), *(task.job for task in failed.values())})) or {}
    # a task whose node failed while it was suspended is put back and held by Slurm itself
    forgotten = [task for task in doubtful if ends.get(task) and ends[task][-1].suspended]
    if forgotten:
        slurm.cancel(sorted(forgotten))
    if not failed:
        return bool(silent or forgotten)
    restarts = slurm.restarts(sorted({task.job for task in failed.values()}))
    slurm.cancel(sorted({task.task for task in failed.values()}))
    for chunk, task in failed.items():
        node = ends[task.task][-1].nodes if ends.get(task.task) else ""
        restart = max(0, restarts.get((task.job, task.element), 1) - 1)
        detail = f"Slurm: {task.reason}{f', on {node}' if node else ''}"
        attempt = Attempt(step, chunk, f"{task.job}_{task.element}_{restart}", {})
        about = {"host": node, "node": node, "pid": 0, "log": "", "fingerprint": step.plan.fingerprint}
        attempt.event("start", job=task.task, restart=restart, **about)
        attempt.event("end", cause=DID_NOT_START, detail=detail, rows=0)
        report_failure(step, task.submission, chunk, detail)
    return True


def advice(step: Step, held: Mapping[int, Held]) -> Iterator[str]:
    """A sentence for each reason: how many tasks it holds, and what a person can do about it."""
    run = f"run={step.run.name}"
    for reason in dict.fromkeys(task.reason for task in held.values()):
        tasks = sorted({task.task for task in held.values() if task.reason == reason})
        what = f"{len(tasks):,} task{'s' if len(tasks) > 1 else ''} held ({reason}; {', '.join(tasks[:3])})"
        if reason == SILENT:
            yield f"{what}: python -m slurm resume {run} cancels {'them' if len(tasks) > 1 else 'it'} and goes on"
        elif reason in NOT_LAUNCHED:
            yield f"{what}: python -m slurm resume {run} submits them again"
        elif reason in NOT_AS_IT_IS:
            yield (
                f"{what}: Slurm cannot start them as they are; python -m slurm cancel {run} step={step.name}, "
                f"then resume {run} with other cluster.KEY=VALUE (constraint, partition, account, qos)"
            )
        else:
            who = "an administrator" if reason == "JobHeldAdmin" else "whoever held them"
            yield f"{what}: they wait for {who}: scontrol release {','.join(tasks[:3])}"
