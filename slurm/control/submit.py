"""How tasks get to where they run: one code path for Slurm, local processes and this process.

submissions/<id>/submission.json    frozen before anything is submitted: `tasks` (index → chunks), `cluster`, …
submissions/<id>/jobs.json          the job of each window, written as they are submitted
logs/<id>/                          what each task does, submitit's script, and one log a task
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
from slurm.task.task import Spec, run_tasks

TRIES = 6  # at a submission that failed in passing


class Window(NamedTuple):
    """One array job: the tasks [first, first + size) of a submission."""

    job: str
    first: int
    size: int
    tasks: list[list[int]]
    shared: bool = False  # with other steps


class Again(NamedTuple):
    """What is done again of chunks that are done: rows that failed with these codes, and rows that are new."""

    codes: Sequence[str]
    parts: Mapping[int, str]  # chunk → the part that the new one stands in for


NOTHING_AGAIN = Again((), {})


class RefusedError(ClusterError):
    """Slurm took none of the tasks."""


class RacedError(Exception):
    """Somebody else submitted for this step since we looked: look again."""


class Order(NamedTuple):
    """What is to be done of a step."""

    step: Step
    tasks: list[list[int]]  # array index → chunks
    after: Callable[[list[list[int]]], str | None]  # the sbatch dependency of a window
    seen: int  # the number after the last submission that the caller knew
    why: Mapping[str, int]
    again: Again = NOTHING_AGAIN

    @property
    def name(self) -> str:
        """Of its submission."""
        return f"{self.seen:04d}"


def submit(orders: Sequence[Order], cluster: Cluster) -> list[Window]:
    """The array jobs that will do what is ordered; empty when it was done here to its end.

    Several orders, of points of a sweep, share their tasks: element i of an array does task i of each of them, so that
    on a cluster all have the same tasks. Raises RacedError if somebody else submitted for one of them.
    """
    place = backend(cluster)
    first, tasks = orders[0], orders[0].tasks
    size = place.array_size(len(tasks))
    freeze_all(orders, cluster, size)
    done: list[Window] = []
    try:
        for number, (lane, window) in enumerate(_windows(tasks, size, cluster.parallel)):
            begin = size * number
            before = [w.job for n, w in enumerate(done) if n % lane.lanes == number % lane.lanes][-1:]
            words = [word for order in orders for word in (order.after(window) or "").split(",")]
            dependency = ",".join(dict.fromkeys(filter(None, [*words, *(f"afterany:{job}" for job in before)])))
            units = [[spec(order, begin + i) for order in orders] for i in range(len(window))]
            array = Array(
                function=run_tasks,
                arguments=units if place.submits else deal(orders, lane.parallel),
                folder=first.step.paths.log_folder(first.name),
                name=job_name(first.step, first.name, number),
                parallel=lane.parallel,
                dependency=dependency or None,
            )
            job = place.send(array, partial(_progress, orders), TRIES)
            done.append(Window(job, begin, len(window), window, shared=len(orders) > 1))
            for order in orders:
                write_record(order.step.paths.jobs(order.name), Jobs([(w.job, w.first, w.size) for w in done]))
    except ClusterError as error:
        if not done:
            for order in orders:
                shutil.rmtree(order.step.paths.submissions / order.name)
        raise (ClusterError if done else RefusedError)(
            f"sbatch refused {'the rest of ' if done else ''}{title(orders)}: {error}\n"
            f"{sum(w.size for w in done)} of {len(tasks)} tasks were submitted; when the cause is mended: "
            f"python -m slurm resume run={first.step.run.name}"
        ) from error
    finally:
        if not place.submits:
            for order in orders:
                close(order.step, order.name)
    return done if place.submits else []


def spec(order: Order, task: int) -> Spec:
    return Spec(str(order.step.run), order.step.name, order.name, task)


def deal(orders: Sequence[Order], parallel: int) -> list[list[Spec]]:
    """All tasks of all orders, dealt to as many processes as run at once: of each order as evenly as can be."""
    units = [spec(order, task) for order in orders for task in range(len(order.tasks))]
    return [units[start::parallel] for start in range(min(parallel, len(units)))]


def title(orders: Sequence[Order]) -> str:
    """The step; of points of a sweep the first one and their number."""
    return f"{orders[0].step}{f' and {len(orders) - 1:,} more points' if len(orders) > 1 else ''}"


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


def freeze_all(orders: Sequence[Order], cluster: Cluster, size: int) -> None:
    """Freezes a submission for each order, or none: RacedError if another one came first for one of them."""
    together = [(order.step.name, order.name) for order in orders] if len(orders) > 1 else []
    for number, (step, tasks, _, seen, why, again) in enumerate(orders):
        try:
            freeze(step, tasks, cluster, seen=seen, size=size, why=why, again=again, together=together)
        except RacedError:
            for order in orders[:number]:
                shutil.rmtree(order.step.paths.submissions / order.name)
            raise


def freeze(
    step: Step,
    tasks: list[list[int]],
    cluster: Cluster,
    *,
    seen: int,
    size: int,
    why: Mapping[str, int],
    again: Again = NOTHING_AGAIN,
    together: Sequence[tuple[str, str]] = (),
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
        together=list(together),
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
def _progress(orders: Sequence[Order]) -> Iterator[Callable[[], None]]:
    """A function that shows how far the chunks of these orders are."""
    with progress(orders[0].step.name if len(orders) == 1 else f"{len(orders):,} points") as report:
        yield lambda: report(*map(sum, zip(*(_finished(order.step, order.tasks) for order in orders), strict=True)))


def _finished(step: Step, tasks: list[list[int]]) -> tuple[int, int, int]:
    """Rows finished, failed, and in all, of a submission's chunks; in all is scaled up from those that were begun."""
    rows = failed = total = begun = 0
    for chunk in (chunk for task in tasks for chunk in task):
        if done := step.done(chunk):
            rows, failed, total, begun = rows + done.rows_in, failed + done.rows_failed, total + done.rows_in, begun + 1
        elif past := history(step, chunk):
            rows, total, begun = rows + past[-1].rows, total + past[-1].items, begun + 1
    scaled = round(total * sum(map(len, tasks)) / begun) if begun else 0
    return rows, failed, max(rows, scaled)  # an attempt may tell of rows before it has told how many there are


def load_windows(step: Step, name: str) -> list[Window]:
    """The array jobs of a submission, as far as its submitter wrote them down."""
    try:
        arrays = read_record(step.paths.jobs(name), Jobs).arrays
    except (FileNotFoundError, DamagedError):  # they are looked for by their names
        return []
    tasks, shared = step.submission(name).tasks, bool(step.submission(name).together)
    return [Window(job, first, size, tasks[first : first + size], shared) for job, first, size in arrays]


def named_by(step: Step, name: str) -> tuple[Step, str]:
    """The step and its submission by which the jobs of a submission are named, and where their logs lie."""
    together = step.submission(name).together
    return (Step(step.run, together[0][0]), together[0][1]) if together else (step, name)


def close(step: Step, name: str) -> None:
    """Marks that nothing more comes of a submission: it was cancelled, or was run here to its end."""
    step.paths.closed(name).touch()


def closed(step: Step, name: str) -> bool:
    return step.paths.closed(name).exists()
