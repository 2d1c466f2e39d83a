"""The state of every chunk of a step, from the manifest first and from Slurm for what only Slurm knows.

done     a done record bears the step's fingerprint and its part exists (it outranks whatever Slurm says)
active   its task is queued or running
stale    a done record bears another fingerprint, its input has got other rows since, or a file of it is gone
failed   its last attempt ended with a cause
lost     its last attempt neither ended nor lives, and nobody can say why
pending  not tried yet
"""

import os
import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from slurm.control.ends import DID_NOT_START, SILENT_S, unstarted, with_cause
from slurm.control.held import SILENT, Held
from slurm.control.submit import Window, close, closed, job_name, load_windows, named_by, submissions
from slurm.record.cache import Cache
from slurm.record.done import Done
from slurm.record.files import names
from slurm.record.finished import usable
from slurm.record.history import Past, alive, histories
from slurm.record.inputs import sources_of
from slurm.record.manifest import Step
from slurm.scheduler.accounting import Queued, reason_held
from slurm.scheduler.backend import Backend, backend

BEAT_FRESH_S = 120.0
SUBMITTING_S = 120.0
NEVER_BEGAN_S = 1800.0  # before its Python begins, a container may have to be fetched
CLOCKS_DIFFER_S = 30.0
NOT_TRIED = {"gated", "stopped", "budget"}  # ends that are no failure: the chunk waits for its next task


@dataclass
class Survey:
    """What is known of a step. Chunks that are in none of the dicts are pending."""

    step: Step
    submissions: int  # the number after the last one's
    done: dict[int, Done] = field(default_factory=dict)
    stale: dict[int, Done] = field(default_factory=dict)
    outdated: dict[int, Done] = field(default_factory=dict)  # these, and those whose newer attempt failed or was lost
    broken: dict[int, str] = field(
        default_factory=dict
    )  # chunk that was finished → which file of it is gone or damaged
    active: dict[int, str] = field(default_factory=dict)  # chunk → "RUNNING", "PENDING Resources", …
    failed: dict[int, str] = field(default_factory=dict)  # chunk → cause
    lost: set[int] = field(default_factory=set)
    past: dict[int, list[Past]] = field(default_factory=dict)  # attempts at chunks that are not done
    windows: list[Window] = field(default_factory=list)  # array jobs with a task in the queue
    redone: set[int] = field(default_factory=set)  # done, and submitted again for rows that failed or are new
    held: dict[int, Held] = field(default_factory=dict)  # of the active ones: those whose task Slurm will not start
    elsewhere: str = ""  # another process that does its chunks on this machine
    queue_known: bool = True
    unstarted: dict[int, str] = field(default_factory=dict)  # chunk whose last task did not start → its submission

    def state(self, chunk: int) -> str:
        for name in ("done", "active", "failed", "lost", "stale"):
            if chunk in getattr(self, name):
                return f"failed ({self.failed[chunk]})" if name == "failed" else name
        return "stale" if chunk in self.broken else "pending"

    def open(self, chunk: int) -> bool:
        """Whether a task that is queued for the chunk has something to do."""
        return chunk not in self.done or chunk in self.redone

    def unfinished(self) -> list[int]:
        return [chunk for chunk in range(self.step.plan.n) if chunk not in self.done]

    def complete(self) -> bool:
        return len(self.done) == self.step.plan.n

    def counts(self) -> Counter[str]:
        """The number of chunks in each state."""
        known = {k: set(getattr(self, k)) for k in ("done", "active", "failed", "lost", "stale")}
        known["stale"] |= {chunk for chunk in self.broken if self.state(chunk) == "stale"}
        counts = Counter({state: len(chunks) for state, chunks in known.items()})
        counts["pending"] = self.step.plan.n - len(set().union(*known.values()))
        return counts


def survey(
    step: Step, before: Mapping[str, Survey] | None = None, cache: Cache | None = None, *, thorough: bool = False
) -> Survey:
    """The state of the step now: one pass over its done records, one call of squeue, at most one round of sacct.

    `before` holds surveys of its inputs, as far as they were made already. With a `cache`, records that it holds are
    not read again. A `thorough` look, before anything is submitted, reads all done records, and compares the sizes of
    files; of the cache it takes how attempts ended, which never changes.
    """
    plan = step.plan
    found = Survey(step, submissions=max(map(int, submissions(step)), default=-1) + 1)
    for folder in cache.folders() if cache else step.folders(sizes=thorough):
        for record in usable(folder, plan.fingerprint):
            if record.chunk < plan.n:
                (found.done if record.fingerprint == plan.fingerprint else found.stale)[record.chunk] = record
        found.broken |= {chunk: lacks for chunk, lacks, _ in folder[1] if chunk < plan.n and chunk not in found.stale}
    _outdated(found, before or {})
    _redone(found)
    if len(found.done) < plan.n or found.redone:
        tried = sorted((_tried(step) - found.done.keys()) | found.redone)
        known = cache or (Cache(step) if thorough else None)
        found.past = known.histories(tried) if known else histories(step, tried)
        ours = {name: place for name, place in backends(step).items() if _is_of(step, name)}
        sent = _queue(found, ours)
        _unstarted(found, sent, queue_of(step))
        _ends(found, queue_of(step))
        found.outdated = {c: d for c, d in found.stale.items() if c not in found.active}
        found.stale = {c: d for c, d in found.stale.items() if found.state(c) == "stale"}
    if cache:
        cache.save()
    return found


def _outdated(found: Survey, before: Mapping[str, Survey]) -> None:
    """Calls done chunks stale whose input has other kept rows now than when they read it."""
    step, plan = found.step, found.step.plan
    if not plan.inputs or not any(done.source for done in found.done.values()):
        return
    known = {
        name: before[name].done if name in before else {d.chunk: d for d in Step(step.run, name).all_done()}
        for name in plan.inputs
    }
    now = sources_of(step, found.done, {**known, step.name: dict(found.done)})
    for chunk, record in list(found.done.items()):
        follows = plan.continues and bool(found.stale)  # it was handed what a stale chunk gave
        if follows or (record.source and now[chunk] and now[chunk] != record.source):
            found.stale[chunk] = found.done.pop(chunk)


def _redone(found: Survey) -> None:
    """Which done chunks a submission was to do again, and has not yet."""
    for submission in found.step.submissions().values():
        for chunk, part in submission.replaces.items():
            record = found.done.get(int(chunk))
            if record and record.part == part:
                found.redone.add(int(chunk))


def _tried(step: Step) -> set[int]:
    root = step.paths.attempts
    return {int(name) for folder in names(root) for name in names(root / folder)}


def backends(step: Step) -> dict[str, Backend]:
    """Where each submission's tasks run, oldest first."""
    return {name: backend(submission.cluster) for name, submission in step.submissions().items()}


def _is_of(step: Step, submission: str) -> bool:
    """Whether a submission is one of the step as it is now; tasks of an earlier config do nothing for its chunks."""
    return step.submission(submission).fingerprint in ("", step.plan.fingerprint)


def queue_of(step: Step) -> Backend | None:
    """The backend that knows of the step's jobs: the newest submission's that has any; None if tasks only ran here."""
    return next((place for place in reversed(backends(step).values()) if place.submits), None)


def _queue(found: Survey, places: Mapping[str, Backend]) -> dict[str, list[Window]]:
    """Finds which unfinished chunks are queued, running or being submitted; gives the windows of each submission."""
    sent = {name: _windows(found, name, place) for name, place in places.items()}
    windows = [window for submitted in sent.values() for window in submitted]
    slurm = queue_of(found.step)
    queue = slurm.queued([w.job for w in windows]) if slurm and windows else []
    found.queue_known = queue is not None
    tasks: dict[str, list[Queued]] = defaultdict(list)
    for task in queue or []:
        tasks[task.job].append(task)
    for name, submitted in sent.items():
        for window in submitted:
            if window.job in tasks:
                found.windows.append(window)
            for task in tasks[window.job]:
                _add(found, name, window, task)
    for chunk, past in found.past.items():  # outside Slurm, or with Slurm silent: heartbeats
        last = past[-1]
        if chunk not in found.active and last.cause is None and (last.job == "local" or queue is None):
            lives = alive(last.host, last.pid) if last.job == "local" else None
            if lives or (lives is None and time.time() - last.last < BEAT_FRESH_S):
                found.active[chunk] = "RUNNING"
    return sent


def _add(found: Survey, submission: str, window: Window, task: Queued) -> None:
    """Notes the state of a task that is in the queue."""
    chunks = [chunk for chunk in window.tasks[task.element] if found.open(chunk) and not _left(found, chunk, task)]
    found.active |= dict.fromkeys(chunks, f"{task.state} {task.reason}" if task.state == "PENDING" else task.state)
    if reason := reason_held(task) or _silent(found, submission, window.tasks[task.element], task):
        name = f"{task.job}_{task.element}" if len(window.tasks) > 1 else task.job
        found.held |= dict.fromkeys(chunks, Held(submission, task.job, task.element, name, reason))


def _left(found: Survey, chunk: int, task: Queued) -> bool:
    """Whether a task that still runs has done the chunk already, of rows that its input had before."""
    record, past = found.stale.get(chunk), found.past.get(chunk)
    if record is None or not past or task.state == "PENDING":
        return False
    return past[-1].name == record.attempt and record.attempt.startswith(f"{task.job}_{task.element}_")


def _silent(found: Survey, submission: str, chunks: list[int], task: Queued) -> str | None:
    """SILENT if the task is said to run, and gives no sign of life for SILENT_S; for NEVER_BEGAN_S if it never did."""
    now_s, prefix = time.time(), f"{task.job}_{task.element}_"
    lasts = [past[-1] for chunk in chunks if (past := found.past.get(chunk)) and past[-1].name.startswith(prefix)]
    lasts = [past for past in lasts if past.cause is None and past.started > task.began - CLOCKS_DIFFER_S]
    ends = [found.done[chunk].ended for chunk in chunks if chunk in found.done]
    last_s = max([task.began, *ends, *(past.last for past in lasts)])
    quiet_s = SILENT_S if lasts else NEVER_BEGAN_S
    if not task.began or last_s >= now_s - quiet_s:
        return None
    for name, _ in found.step.submission(submission).together:  # it may be at a chunk of another step
        others = histories(found.step.other(name), chunks).values() if found.step.other(name).exists else ()
        if any(p.last >= now_s - SILENT_S for past in others for p in past if p.name.startswith(prefix)):
            return None
    return SILENT


def _unstarted(found: Survey, sent: Mapping[str, list[Window]], slurm: Backend | None) -> None:
    """Adds the ends of tasks that never began to what is known of chunks that are not queued."""
    if slurm is None or not found.queue_known:
        return
    idle = {chunk for chunk in range(found.step.plan.n) if found.open(chunk) and chunk not in found.active}
    ended, ending = unstarted(found.step, sent, idle, found.past, slurm)
    found.active |= dict.fromkeys(ending, "ENDING")
    for chunk, ends in ended.items():
        past = sorted([*found.past.get(chunk, []), *(end for _, end in ends)], key=lambda p: (p.started, p.name))
        found.past[chunk] = past
        if past[-1].cause == DID_NOT_START:
            found.unstarted[chunk] = ends[-1][0]


def _windows(found: Survey, name: str, place: Backend) -> list[Window]:
    """The array jobs of a submission; one whose submitter died before it could write down its id is looked up."""
    submission = found.step.submission(name)
    tasks, size = submission.tasks, submission.window
    windows = load_windows(found.step, name) if place.submits else []
    if closed(found.step, name):
        return windows
    if not place.submits:  # another command runs it on this machine, as long as that lives
        if alive(submission.host, submission.pid) and submission.pid != os.getpid():
            found.elsewhere = f"another process (pid {submission.pid})"
            found.active |= {chunk: "RUNNING" for task in tasks for chunk in task if found.open(chunk)}
        return []
    written = len(windows)
    for number in range(written, -(-len(tasks) // size)):
        first = number * size
        job = place.find(job_name(*named_by(found.step, name), number))
        if job:
            windows.append(Window(job, first, size, tasks[first : first + size], bool(submission.together)))
        elif time.time() - submission.created < SUBMITTING_S:
            found.active |= {chunk: "SUBMITTING" for chunks in tasks[first:] for chunk in chunks}
        elif job is None and len(windows) == written:  # its submitter is gone, and nothing of the rest got through
            with suppress(PermissionError):  # who only looks at another's run
                close(found.step, name)
            break
    return windows


def _ends(found: Survey, slurm: Backend | None) -> None:
    """Why chunks that were tried, and are not queued, did not get done."""
    unsure = (None, "timeout")
    open_ended = {p.job for past in found.past.values() for p in past if p.cause in unsure and p.job != "local"}
    jobs = sorted({job.split("_")[0] for job in open_ended})
    lives = slurm.ended(jobs) if slurm and jobs else {}
    if lives:
        found.past = {chunk: [with_cause(p, lives) for p in past] for chunk, past in found.past.items()}
    for chunk, past in found.past.items():
        if chunk in found.active:
            continue
        cause = past[-1].cause
        if cause is None:
            found.lost.add(chunk)
        elif cause not in NOT_TRIED and cause != "done":
            found.failed[chunk] = cause
