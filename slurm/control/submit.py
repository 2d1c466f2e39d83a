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
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple, cast

import submitit
from submitit.core.utils import DelayedSubmission, FailedJobError, FailedSubmissionError, JobPaths
from tenacity import retry, retry_if_exception, stop_after_attempt, wait_exponential_jitter

from slurm.errors import ClusterError
from slurm.record.files import names, read_json, write_json
from slurm.record.history import history
from slurm.record.manifest import Step
from slurm.scheduler import accounting
from slurm.scheduler.cluster import Cluster, environment, executor, max_array_size
from slurm.screen import Report, progress
from slurm.task.task import Spec, run_task

TRANSIENT = (
    "Socket timed out",
    "Unable to contact slurm controller",
    "Connection refused",
    "Connection reset",
    "Zero Bytes were transmitted",
    "temporarily una",  # "… unable to accept job", "Resource temporarily unavailable" (MaxJobCount)
    "Transport endpoint",
    "timed out",
    "try again",
)


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
    os.environ.update(cluster.env)
    size = max_array_size(cluster) if cluster.executor == "slurm" else len(tasks)
    name = freeze(step, tasks, cluster, seen=seen, size=size, why=why, again=again)
    folder = step.root / "logs" / name
    if cluster.executor != "slurm":
        _run_here(step, name, tasks, cluster, folder)
        return []
    done: list[Window] = []
    try:
        for number, (lane, window) in enumerate(_windows(tasks, size, cluster.parallel)):
            first = size * number
            before = [w.job for n, w in enumerate(done) if n % lane.lanes == number % lane.lanes][-1:]
            dependency = ",".join(filter(None, [after(window), *(f"afterany:{job}" for job in before)]))
            specs = [Spec(str(step.run), step.name, name, first + i) for i in range(len(window))]
            made = executor(cluster, folder, job_name=job_name(step, name, number), dependency=dependency or None)
            made.parameters["array_parallelism"] = lane.parallel
            job = _send(
                cast(submitit.SlurmExecutor, made), specs, job_name(step, name, number), environment(asdict(cluster))
            )
            done.append(Window(job, first, len(window), window))
            write_json(step.root / "submissions" / name / "jobs.json", [[w.job, w.first, w.size] for w in done])
    except (FailedJobError, FailedSubmissionError) as error:
        if not done:
            shutil.rmtree(step.root / "submissions" / name)
        raise ClusterError(
            f"sbatch refused {'the rest of ' if done else ''}{step}: {str(error).strip().splitlines()[-1]}\n"
            f"{sum(w.size for w in done)} of {len(tasks)} tasks were submitted; when the cause is mended: "
            f"python -m slurm resume run={step.run.name}"
        ) from error
    return done


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
    token = hashlib.sha256(str(step.root.absolute()).encode()).hexdigest()[:6]
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
    folder = step.root / "submissions"
    draft = folder / f".{name}.{os.uname().nodename}.{os.getpid()}.{uuid.uuid4().hex[:8]}"
    content: dict[str, Any] = {
        "tasks": tasks,
        "cluster": asdict(cluster),
        "window": size,
        "why": dict(why),  # reason for another attempt → chunks
        "again": list(again.codes),
        "replaces": {str(chunk): part for chunk, part in again.parts.items()},
        "created": time.time(),
        "host": os.uname().nodename,
        "pid": os.getpid(),
    }
    write_json(draft / "submission.json", content)
    try:
        draft.rename(folder / name)  # fails if it exists: a folder with content is never replaced
    except OSError as error:
        shutil.rmtree(draft)
        if error.errno in (errno.EEXIST, errno.ENOTEMPTY):
            raise RacedError from error
        raise
    return name


def submissions(step: Step) -> list[str]:
    return names(step.root / "submissions")


def _transient(error: BaseException) -> bool:
    return isinstance(error, FailedJobError) and any(words.lower() in str(error).lower() for words in TRANSIENT)


def _send(made: submitit.SlurmExecutor, specs: Sequence[Spec], name: str, env: dict[str, str]) -> str:
    """The job's id. Before a repetition the queue is asked whether the first try did get through after all."""

    @retry(
        retry=retry_if_exception(_transient),
        wait=wait_exponential_jitter(initial=1, max=30),
        stop=stop_after_attempt(6),
        reraise=True,
    )
    def send() -> str:
        adopted = accounting.find(name, env) if send.statistics["attempt_number"] > 1 else None
        if not adopted:
            return str(made.map_array(run_task, specs)[0].job_id).split("_")[0]
        for index, spec in enumerate(specs):  # what submitit would have left for the tasks
            job = f"{adopted}_{index}" if len(specs) > 1 else adopted
            work = DelayedSubmission(run_task, spec)
            work.set_timeout(0, 0)
            work.dump(JobPaths(made.folder, job).submitted_pickle)
        return adopted

    return str(send())


def _run_here(step: Step, name: str, tasks: list[list[int]], cluster: Cluster, folder: Path) -> None:
    """Runs the tasks in local processes, `parallel` at once, or in this process; failures are in the manifest."""
    specs = [Spec(str(step.run), step.name, name, index) for index in range(len(tasks))]
    made = executor(cluster, folder)
    write_json(step.root / "submissions" / name / "jobs.json", [["local", 0, len(tasks)]])
    running: list[submitit.Job[None]] = []
    try:
        if cluster.executor == "debug":
            for spec in specs:
                made.submit(run_task, spec).exception()  # runs it; the manifest tells how it ended
            return
        with progress(step.name) as report:
            for spec in specs:
                running.append(made.submit(run_task, spec))
                while len(running) >= cluster.parallel:
                    running = _wait(step, tasks, running, report)
            while running:
                running = _wait(step, tasks, running, report)
            report(*_finished(step, tasks))
    except KeyboardInterrupt:
        for job in running:
            with suppress(ProcessLookupError):
                job.cancel()
        raise
    finally:
        close(step, name)


def _wait(
    step: Step, tasks: list[list[int]], running: list[submitit.Job[None]], report: Report
) -> list[submitit.Job[None]]:
    """The jobs that still run, a moment later."""
    for _ in range(10):
        time.sleep(0.05)
        if any(job.done() for job in running):
            break
    report(*_finished(step, tasks))
    return [job for job in running if not job.done()]


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
    path = step.root / "submissions" / name / "jobs.json"
    if not path.exists():
        return []
    tasks = step.submission(name)["tasks"]
    return [Window(job, first, size, tasks[first : first + size]) for job, first, size in read_json(path)]


def close(step: Step, name: str) -> None:
    """Marks that nothing more comes of a submission: it was cancelled, or was run here to its end."""
    (step.root / "submissions" / name / "closed").touch()


def closed(step: Step, name: str) -> bool:
    return (step.root / "submissions" / name / "closed").exists()
