"""What one array task does: the gate, then each of its chunks from the last flushed row to the done record."""

import importlib
import logging
import os
import signal
import sys
import uuid
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

import polars as pl

from slurm.credentials import redact
from slurm.errors import (
    AlarmError,
    ChunkError,
    ReelmillError,
    SpentError,
    TooEarlyError,
    UnavailableError,
    reported,
)
from slurm.owner import trust
from slurm.record.chunks import follow_input, has_moved, is_behind
from slurm.record.done import Done
from slurm.record.history import history
from slurm.record.inputs import damaged, source_of
from slurm.record.manifest import Step
from slurm.scheduler.backend import backend
from slurm.scheduler.cluster import Cluster
from slurm.scheduler.environment import task_variables
from slurm.scheduler.signals import LOG, Stop, job_end, own_job, requeue
from slurm.screen import log_to, progress
from slurm.task.attempt import Attempt, Output
from slurm.task.breaker import report_failure
from slurm.task.causes import LostFlushError, TooManyErrorsError, cause_of
from slurm.task.commit import commit
from slurm.task.gate import GateError, gate

log = logging.getLogger("reelmill")

End = Literal["done", "advanced", "stuck", "not begun"]  # of a task's chunk; all but the first where it was stopped


class Spec(NamedTuple):
    """All that a task is sent; everything else is read from the run's directory."""

    run: str
    step: str
    submission: str
    task: int


class Work(Protocol):
    """A step's stage as a task needs it; the plan's `entry` names what makes one from (step, stop, cluster)."""

    schemas: dict[str, dict[str, pl.DataType]]
    counters: dict[str, float]  # of the work on the chunk whose items were asked for last
    warnings: dict[str, str]  # of that work

    def items(self, chunk: int) -> pl.DataFrame:
        """The input rows of a chunk, in order, with the item key and all columns that the stage needs."""

    def run(self, items: pl.DataFrame) -> Iterator[Output]:
        """Outputs as they get finished; ends early when the stop says so."""

    def close(self) -> None:
        """Ends its worker processes."""


def run_tasks(sent: Sequence[Sequence[Any]]) -> None:
    """Does the chunks of one array task, of several steps one after another where points of a sweep share it.

    Raises if one of them failed; requeues itself when it was stopped. `sent` are its Specs, as JSON has them.
    """
    specs = [Spec(*spec) for spec in sent]
    if LOG in os.environ:  # in a process of its own, whose output is its log
        log_to(sys.stdout, force=True)
    logging.getLogger("submitit").propagate = False  # it has a handler of its own
    there = [(spec, Step(Path(spec.run), spec.step)) for spec in specs]
    if len(there) > 1 and not (there := [one for one in there if one[1].exists]):  # those that were not dropped since
        return
    cluster = there[0][1].submission(there[0][0].submission).cluster  # of all of them
    trust(cluster.trust)  # whom its submitter trusted
    failures: list[str] = []
    gated = True  # by each of these
    reached: set[End] = set()
    with Stop(grace_s=cluster.signal_delay_s, end=job_end(cluster.minutes)) as stop:
        for spec, step in there:
            with ExitStack() as ends:  # a step's workers and models go before those of the next one come
                work = cache(partial(make_work, step, stop, cluster, ends))
                for chunk in step.submission(spec.submission).tasks[spec.task]:
                    if stop.asked:
                        reached.add("not begun")
                        break
                    try:
                        reached.add(run_chunk(step, chunk, work, stop, spec, first=not reached and not failures))
                    except ChunkError as error:  # recorded already; the task's other chunks go on
                        failures.append(f"{step.name} chunk {chunk}: {error}")
                        gated &= isinstance(error.__cause__, GateError)
    if failures:
        raise (TooEarlyError if gated else ChunkError)("; ".join(failures))
    if reached - {"done"}:
        go_on = bool(reached & {"done", "advanced"}) or stop.reason == "SIGTERM"
        log.info("stopped by %s, %s", stop.reason, "to be requeued" if go_on else "not requeued: no row was finished")
        if go_on:
            requeue()
        sys.exit(128 + signal.SIGINT if stop.reason == "SIGINT" else 128 + signal.SIGTERM)


def make_work(step: Step, stop: Stop, cluster: Cluster, ends: ExitStack) -> Work:
    """A step's stage, as its plan's `entry` makes it, closed at the end of `ends`."""
    os.environ.update(task_variables(cluster))
    module, _, name = step.plan.entry.partition(":")
    make: Callable[..., Work] = getattr(importlib.import_module(module), name)
    return ends.enter_context(closing(make(step, stop, cluster)))


def attempt_name(spec: Spec) -> str:
    """`<job>_<index>_<restart>` in Slurm; a fresh one elsewhere."""
    job = own_job()
    if job is None:
        return f"local{uuid.uuid4().hex[:8]}_{spec.task}_0"
    return f"{job if '_' in job else f'{job}_0'}_{os.environ.get('SLURM_RESTART_COUNT', '0')}"


def run_chunk(step: Step, chunk: int, made: Callable[[], Work], stop: Stop, spec: Spec, *, first: bool) -> End:
    """How far the chunk got. Records its start, its end and, whatever it was, its cause of failure."""
    past = history(step, chunk)
    submission = step.submission(spec.submission)
    cluster = submission.cluster
    attempt = Attempt(step, chunk, attempt_name(spec), {}, backend(cluster).beat_s)

    def failed(error: Exception) -> None:
        words = str(error) if isinstance(error, ReelmillError) else f"{type(error).__name__}: {error}"
        cause, detail = cause_of(error), redact(words)[:2000]
        attempt.event("end", cause=cause, detail=detail, rows=attempt.rows)
        if cause not in ("gated", "budget"):
            report_failure(step, spec.submission, chunk, detail)

    with reported(failed), attempt:
        attempt.event("start", **_circumstances(step, spec, stop))
        old = step.done(chunk)
        if old and submission.replaces.get(str(chunk)) != old.part:
            attempt.event("end", cause="done", detail="another attempt did it")
            return "done"
        gate(step, chunk, spec.submission)
        if has_moved(step, chunk):
            follow_input(step, step.layout_of(chunk))
        source = source_of(step, chunk)
        if old and old.source == source and not old.errors.keys() & set(submission.again):
            attempt.event("end", cause="done", detail="its input is still the same")
            return "done"
        work = made()  # here, since a stage that cannot even be imported is a failure of the chunk
        attempt.schemas = work.schemas
        causes = [p.cause for p in past if p.cause not in (None, "gated", "stopped")]
        retry_failed = causes[-1:] == ["too_many_errors"]
        try:
            items, todo = _do_items(attempt, work, old, again=submission.again, retry_failed=retry_failed)
            if stop.asked and attempt.rows < todo:
                # out of time before the first row: it needs more time, not another turn
                stuck = attempt.rows == 0 and first and stop.reason not in ("SIGTERM", "SIGINT")
                attempt.event("end", cause="timeout" if stuck else "stopped", detail=stop.reason, rows=attempt.rows)
                return "advanced" if attempt.rows else "stuck"
            new = step.done(chunk)
            if new is not None and new != old and new.source == source:
                raise FileExistsError(f"another attempt did {step} chunk {chunk}")
            done = commit(attempt, items, cluster, source, step.paths.media)
        except (OSError, pl.exceptions.PolarsError, ChunkError) as error:
            if wrong := _wrong_input(step, chunk, source, error):
                raise GateError(wrong) from error
            new = step.done(chunk)
            if new is None or new == old or new.source != source:
                if lost := attempt.lost_file():
                    what = "damaged" if lost.exists() else "gone"
                    raise LostFlushError(
                        f"{lost} is {what}, with rows that were finished: they are done again"
                    ) from error
                raise
            attempt.withdraw()  # the one that was faster took away the files that both had loaded
            attempt.event("end", cause="done", detail="another attempt did it", rows=attempt.rows)
            return "done"
        attempt.event("end", cause="done", rows=attempt.rows)
        numbers = f"{done.rows_in} in, {done.rows_failed} failed, {done.seconds:.1f} s"
        log.info("%s chunk %d done: %s", step, chunk, numbers)
        return "done"


def _wrong_input(step: Step, chunk: int, source: str, error: Exception) -> str:
    """In what way the failure is that of what the chunk reads; "" if it is its own."""
    if wrong := damaged(step, chunk):
        return f"{wrong}, which it reads"
    if isinstance(error, ChunkError) and is_behind(step):  # a resume lays its chunks out again
        return str(error)
    replaced = source_of(step, chunk) != source  # its parts were moved away
    return f"what it reads was replaced while it was read: {error}" if replaced else ""


def _circumstances(step: Step, spec: Spec, stop: Stop) -> dict[str, object]:
    """What the start event tells of where and why an attempt runs."""
    return {
        "job": own_job() or "local",
        "restart": int(os.environ.get("SLURM_RESTART_COUNT", "0")),
        "host": os.uname().nodename,
        "pid": os.getpid(),
        "node": os.environ.get("SLURMD_NODENAME", os.uname().nodename),
        "submission": spec.submission,
        "index": spec.task,
        "fingerprint": step.plan.fingerprint,
        "log": os.environ.get(LOG, ""),
        "end": stop.end,
    }


def _do_items(
    attempt: Attempt, work: Work, old: Done | None, *, again: Collection[str], retry_failed: bool
) -> tuple[pl.Series, int]:
    """The keys of the chunk's items, and how many were left to do; what got done of them is flushed.

    Of an `old` part all is left but what failed with a code in `again`, and what is new in the input.
    """
    step, chunk, policy = attempt.step, attempt.chunk, attempt.step.plan.policy
    items = work.items(chunk)
    attempt.counters, attempt.warnings = work.counters, work.warnings
    keys = items[step.plan.item_key]
    finished = attempt.load(retry_failed, keys)
    if old and step.plan.kind == "map":  # a reduce step is made again as a whole
        finished |= attempt.adopt(old, again)
    todo = items.filter(~keys.is_in(list(finished))) if finished else items
    before = len(items) - len(todo)
    attempt.event("items", items=len(items), before=before)
    log.info("%s chunk %d: %d items, %d of them done before", step, chunk, len(items), before)
    with progress(f"{step.name} {chunk}") as report, kept(attempt):
        for output in work.run(todo):
            attempt.add(output, policy.flush_s)
            report(before + attempt.rows, attempt.failed, len(items))
            if attempt.failed >= policy.min_errors and attempt.failed > policy.max_error_share * len(items):
                share = policy.max_error_share
                raise TooManyErrorsError(
                    f"{attempt.failed} of {len(items)} items failed, more than chunks.max_error_share={share}; "
                    f"last: {_last_error(output)}"
                )
    if attempt.rows < len(todo):  # else what is left in memory is committed now
        attempt.flush()
    return keys, len(todo)


@contextmanager
def kept(attempt: Attempt) -> Iterator[None]:
    """Flushes what is finished where the rest of the chunk cannot be had for now, or is not worth doing."""
    try:
        yield
    except (AlarmError, TooManyErrorsError, UnavailableError, SpentError):
        attempt.flush()
        raise


def _last_error(output: Output) -> str:
    rows = output.tables["rows"]
    row = rows[-1] if isinstance(rows, list) else {}
    return f"{row.get('error')} ({row.get('error_detail')})"
