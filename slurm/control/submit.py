"""How tasks get to where they run: one code path for Slurm, local processes and this process.

submissions/<id>/submission.json    frozen before anything is submitted: `tasks` (index → chunks), `cluster`, …
submissions/<id>/jobs.json          the job of each window, written as they are submitted
logs/<id>/                          submitit's scripts and pickles, and one log a task
"""

import errno
import hashlib
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple

from slurm.errors import ClusterError
from slurm.record.files import names
from slurm.record.formats import DamagedError, read_record, write_record
from slurm.record.history import history
from slurm.record.manifest import Step
from slurm.record.submission import Jobs, Submission
from slurm.scheduler.array import Array
from slurm.scheduler.backend import backend
from slurm.scheduler.cluster import Cluster
from slurm.screen import progress
from slurm.task.task import Spec, run_task

TRIES = 6  # at a submission that failed in passing


class Window(NamedTuple):
    """One array job: the tasks [first, first + size) of a submission."""

    job: str
    first: int
    size: int
    tasks: list[list[int]]


class Again(NamedTuple):
    """What is done again of chunks that are done: rows that failed with these codes, and rows that are new."""

    codes: Sequence[str]
    parts: Mapping[int, str]  # chunk → the part that the new one stands in for


NOTHING_AGAIN = Again((), {})


class RefusedError(ClusterError):
    """Slurm took none of the tasks."""


class RacedError(Exception):
    """Somebody else submitted for this step since we looked: look again."""


def submit(
    step: Step,
    tasks: list[list[int]],
    cluster: Cluster,
    *,
    after: Callable[[list[list[int]]], str | None],
    seen: int,
    why: Mapping[str, int],
    again: Again = NOTHING_AGAIN,
) -> list[Window]:
    """The array jobs that will do `tasks` (array index → chunks); empty when they were run here to their end.

    `after(tasks)` gives the sbatch dependency of a window; `seen` is the number after the last that the caller knew.
    """
    place = backend(cluster)
    size = place.array_size(len(tasks))
    name = freeze(step, tasks, cluster, seen=seen, size=size, why=why, again=again)
    done: list[Window] = []
    try:
        for number, (lane, window) in enumerate(_windows(tasks, size, cluster.parallel)):
            first = size * number
            before = [w.job for n, w in enumerate(done) if n % lane.lanes == number % lane.lanes][-1:]
            dependency = ",".join(filter(None, [after(window), *(f"afterany:{job}" for job in before)]))
            array = Array(
                function=run_task,
                arguments=[Spec(str(step.run), step.name, name, first + i) for i in range(len(window))],
                folder=step.paths.log_folder(name),
                name=job_name(step, name, number),
                parallel=lane.parallel,
                dependency=dependency or None,
            )
            job = place.send(array, partial(_progress, step, tasks), TRIES)
            done.append(Window(job, first, len(window), window))
            write_record(step.paths.jobs(name), Jobs([(w.job, w.first, w.size) for w in done]))
    except ClusterError as error:
        if not done:
            shutil.rmtree(step.paths.submissions / name)
        raise (ClusterError if done else RefusedError)(
            f"sbatch refused {'the rest of ' if done else ''}{step}: {error}\n"
            f"{sum(w.size for w in done)} of {len(tasks)} tasks were submitted; when the cause is mended: "
            f"python -m slurm resume run={step.run.name}"
        ) from error
    finally:
        if not place.submits:
            close(step, name)
    return done if place.submits else []


class Lane(NamedTuple):
    lanes: int
    parallel: int  # tasks at once in this lane


def _windows(tasks: list[list[int]], size: int, parallel: int) -> Iterator[tuple[Lane, list[list[int]]]]:
    """Arrays within Slurm's size limit that together keep to `parallel` tasks at once.

    Windows run side by side in lanes that share the throttle; when there are more windows than `parallel`, those of one
    lane run one after another.
    """
    windows = [tasks[start : start + size] for start in range(0, len(tasks), size)]
    lanes = min(len(windows), parallel)
    for number, window in enumerate(windows):
        yield Lane(lanes, parallel // lanes + (number % lanes < parallel % lanes)), window


def job_name(step: Step, submission: str, window: int) -> str:
    """Unique over runs directories, so that a submission whose answer got lost can be found again."""
    token = hashlib.sha256(str(step.paths.root.absolute()).encode()).hexdigest()[:6]
    return f"{step.run.name}.{step.name}.{submission}.{window}.{token}"


def freeze(
    step: Step,
    tasks: list[list[int]],
    cluster: Cluster,
    *,
    seen: int,
    size: int,
    why: Mapping[str, int],
    again: Again = NOTHING_AGAIN,
) -> str:
    """The name of the new submission, on disk before anything is submitted; RacedError if another one came first."""
    name = f"{seen:04d}"
    folder = step.paths.submissions
    draft = folder / f".{name}.{os.uname().nodename}.{os.getpid()}.{uuid.uuid4().hex[:8]}"
    content = Submission(
        tasks=tasks,
        cluster=cluster,
        window=size,
        why=dict(why),
        again=list(again.codes),
        replaces={str(chunk): part for chunk, part in again.parts.items()},
        created=time.time(),
        host=os.uname().nodename,
        pid=os.getpid(),
        fingerprint=step.plan.fingerprint,
    )
    write_record(draft / "submission.json", content)
    try:
        draft.rename(folder / name)  # fails if it exists: a folder with content is never replaced
    except OSError as error:
        shutil.rmtree(draft)
        if error.errno in (errno.EEXIST, errno.ENOTEMPTY):
            raise RacedError from error
        raise
    return name


def submissions(step: Step) -> list[str]:
    return names(step.paths.submissions)


@contextmanager
def _progress(step: Step, tasks: list[list[int]]) -> Iterator[Callable[[], None]]:
    """A function that shows how far the chunks of these tasks are."""
    with progress(step.name) as report:
        yield lambda: report(*_finished(step, tasks))


def _finished(step: Step, tasks: list[list[int]]) -> tuple[int, int, int]:
    """Rows finished, failed, and in all, of a submission's chunks; in all is scaled up from those that were begun."""
    rows = failed = total = begun = 0
    for chunk in (chunk for task in tasks for chunk in task):
        if done := step.done(chunk):
            rows, failed, total, begun = rows + done.rows_in, failed + done.rows_failed, total + done.rows_in, begun + 1
        elif past := history(step, chunk):
            rows, total, begun = rows + past[-1].rows, total + past[-1].items, begun + 1
    return rows, failed, round(total * sum(map(len, tasks)) / begun) if begun else 0


def load_windows(step: Step, name: str) -> list[Window]:
    """The array jobs of a submission, as far as its submitter wrote them down."""
    try:
        arrays = read_record(step.paths.jobs(name), Jobs).arrays
    except (FileNotFoundError, DamagedError):  # they are looked for by their names
        return []
    tasks = step.submission(name).tasks
    return [Window(job, first, size, tasks[first : first + size]) for job, first, size in arrays]


def close(step: Step, name: str) -> None:
    """Marks that nothing more comes of a submission: it was cancelled, or was run here to its end."""
    step.paths.closed(name).touch()


def closed(step: Step, name: str) -> bool:
    return step.paths.closed(name).exists()
