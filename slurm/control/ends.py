"""How tasks ended that could not tell it themselves: what Slurm's accounting and their logs say.

Some were killed. Others left the queue before our Python started, and no attempt tells of them: a broken `setup` line,
a container image that is gone, a node without the shared filesystem, a prolog that fails.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from slurm.control.submit import Window, load_windows, named_by
from slurm.record.files import names
from slurm.record.history import Past, history
from slurm.record.logs import last_line, log_tail
from slurm.record.manifest import Step
from slurm.record.paths import bucket, chunk_name
from slurm.scheduler.accounting import OWN_CAUSES, SLURM_CAUSES, Ended
from slurm.scheduler.backend import Backend

DID_NOT_START = "did not start"
SILENT_S = 300.0  # a task that runs gives a sign of life every 15 s
QUIET_S = 60.0  # so long before the end of its time a task that was under way gave one at least
UNSURE = ("stopped", "timeout")  # ends of which Slurm may know more
LOST_STEP = "Timed out waiting for job step to complete"  # srun's words where what watches over the task is gone
KILLED = ("0:9", "9:0", "137:0")  # exit status and signal of a task that got SIGKILL
SIGNALS = range(4, 12)  # srun ends with the number of the signal that ended its task, from SIGILL to SIGSEGV


def whole_story(step: Step, chunk: int, slurm: Backend | None) -> list[Past]:
    """All attempts at a chunk, finished or not, oldest first, those included that only Slurm knows of."""
    past = history(step, chunk)
    if slurm is None:
        return past
    sent = {name: load_windows(step, name) for name in step.submissions()}
    found, _ = unstarted(step, sent, {chunk}, {chunk: past}, slurm, waited=True)
    past = sorted([*past, *(end for _, end in found.get(chunk, []))], key=lambda p: (p.started, p.name))
    jobs = sorted({p.job.split("_")[0] for p in past if p.cause in (None, *UNSURE) and p.job != "local"})
    lives = (slurm.ended(jobs) if jobs else None) or {}
    return [with_cause(p, lives) for p in past]


def unstarted(
    step: Step,
    sent: Mapping[str, Sequence[Window]],
    chunks: Collection[int],
    past: Mapping[int, Sequence[Past]],
    slurm: Backend,
    *,
    waited: bool = False,
) -> tuple[dict[int, list[tuple[str, Past]]], set[int]]:
    """For each of these chunks: the submission and the end of every run of a task that was to do it, and did not begin.

    Also the chunks whose task ended a moment ago, so that Slurm's accounting does not tell of it yet. None of `chunks`
    is in the queue; `sent` are the windows by submission, `past` the attempts that are known. Runs that were cancelled
    while they waited are left out, unless `waited`; then all tasks are asked for, also those of finished chunks.
    """
    tasks = list(_unclear(step, sent, set(chunks), past, all_of_them=waited))
    jobs = sorted({window.job for _, window, _, _ in tasks})
    fresh = slurm.just_ended(jobs) if jobs else set()
    ends = slurm.ended(jobs) if jobs else None
    found: dict[int, list[tuple[str, Past]]] = {}
    ending: set[int] = set()
    for submission, window, index, tried in tasks:
        job = f"{window.job}_{index}" if len(window.tasks) > 1 else window.job
        place, name = named_by(step, submission)
        log = place.paths.log_folder(name) / f"{job}_0_log.out"
        lives = (ends or {}).get(job, [])
        mine = [chunk for chunk in window.tasks[index] if chunk in chunks]
        if ends is not None and len(lives) < max(1, len(tried)) and (window.job, index) in fresh:
            ending.update(mine)
        for restart, end in enumerate(lives):
            name = f"{window.job}_{index}_{restart}"
            if name not in tried and (waited or end.began or end.state != "CANCELLED"):
                for chunk in mine:
                    found.setdefault(chunk, []).append((submission, _past(step, name, end, log)))
    return found, ending


def _unclear(
    step: Step,
    sent: Mapping[str, Sequence[Window]],
    chunks: set[int],
    past: Mapping[int, Sequence[Past]],
    *,
    all_of_them: bool,
) -> Iterator[tuple[str, Window, int, set[str]]]:
    """The tasks of these chunks that left no attempt, or were to come back after their last one; and their attempts."""
    for submission, windows in sent.items():
        for window in windows:
            for index, task in enumerate(window.tasks):
                if chunks.isdisjoint(task):
                    continue
                prefix, known = f"{window.job}_{index}_", [past[chunk] for chunk in task if past.get(chunk)]
                tried = {p.name for attempts in known for p in attempts if p.name.startswith(prefix)}
                if all_of_them or not tried:  # of its other chunks that are done, `past` does not tell
                    others = [chunk for chunk in task if chunk not in chunks]
                    tried = tried.union(*(_attempts(step, chunk, prefix) for chunk in others))
                    for name, _ in step.submission(submission).together:
                        tried = tried.union(*(_attempts(step.other(name), chunk, prefix) for chunk in task))
                comes_back = any(p[-1].name in tried and p[-1].cause in (None, "stopped") for p in known)
                if all_of_them or not tried or comes_back:
                    yield submission, window, index, tried


def _attempts(step: Step, chunk: int, task: str) -> set[str]:
    """The names of a task's attempts at a chunk."""
    folder = f"{step.paths.attempts}/{bucket(chunk)}/{chunk_name(chunk)}"
    return {name.removesuffix(".jsonl") for name in names(folder) if name.startswith(task)}


def _past(step: Step, name: str, end: Ended, log: Path) -> Past:
    said = last_line(log)
    why = f"its log ends: {said}" if said else "it wrote no log" if end.began else "it never began"
    if number := _signal(end):
        why = f"killed by signal {number}; {why}"
    return Past(
        name=name,
        job=name.rpartition("_")[0],
        restart=int(name.rpartition("_")[2]),
        host=end.nodes,
        pid=0,
        started=end.began or end.ended,
        last=end.ended,
        rows=0,
        cause=SLURM_CAUSES.get(end.state, OWN_CAUSES.get(end.exit_code, DID_NOT_START)),
        detail=f"Slurm: {end.state} {end.exit_code}; {why}",
        log=str(log),
        fingerprint=step.plan.fingerprint,
        node=end.nodes,
    )


def with_cause(past: Past, lives: Mapping[str, Sequence[Ended]]) -> Past:
    """The attempt with the cause of its end, if it has none and Slurm knows it; `lives` are the runs of each task.

    Of one that was asked to stop, and says so itself, the detail tells what Slurm calls its end. One that was told that
    its time is nearly over, and was cancelled or lost with its node then, has that cause.
    """
    alone = past.job.removesuffix("_0")  # of an attempt of which only the name is known
    ends = lives.get(past.job) or lives.get(f"{past.job}_0") or lives.get(alone) or []
    if past.cause not in (None, *UNSURE) or past.job == "local" or past.restart >= len(ends):
        return past
    end = ends[past.restart]
    if past.cause == "timeout":
        known = SLURM_CAUSES.get(end.state, "timeout")
        return past if known == "timeout" else past._replace(cause=known, detail=f"{past.detail}; Slurm: {end.state}")
    if past.cause == "stopped":
        return past._replace(detail=f"{past.detail}; Slurm: {end.state}") if end.state in SLURM_CAUSES else past
    cause, detail = _silence(past, end) or _cause(past, end)
    return past._replace(cause=cause, detail=detail)


def _silence(past: Past, end: Ended) -> tuple[str, str] | None:
    """The cause and its detail, if the task had given no sign of life for long, or had lost what watched over it."""
    quiet_s, most_s = end.ended - past.last, {"TIMEOUT": QUIET_S, "CANCELLED": SILENT_S}.get(end.state)
    if most_s and quiet_s > most_s:
        return "silent", f"no sign of life for the last {quiet_s / 60:.0f} min; Slurm: {end.state}"
    if end.state == "TIMEOUT" and LOST_STEP in log_tail(Path(past.log)):
        return "silent", f"srun: {LOST_STEP}; Slurm: {end.state}"
    return None


def _cause(past: Past, end: Ended) -> tuple[str | None, str]:
    """The cause and its detail by Slurm's state, the exit status and the log."""
    if end.state in SLURM_CAUSES:
        return SLURM_CAUSES[end.state], f"Slurm: {end.state}"
    # a site without cgroups says FAILED where the memory was too little
    if end.exit_code in KILLED and "memory limit" in log_tail(Path(past.log)):
        return "out_of_memory", "Exceeded job memory limit"
    if end.state == "COMPLETED":
        return past.cause, past.detail
    detail, said = f"Slurm: {end.state} {end.exit_code}", last_line(Path(past.log))
    cause = OWN_CAUSES.get(end.exit_code, "killed" if _signal(end) else "died")
    return cause, f"{detail}; its log ends: {said}" if said else detail


def _signal(end: Ended) -> int:
    """The number of the signal that ended it, 0 if none did: its own process, or (128 more) a command of its shell."""
    status, number = map(int, end.exit_code.split(":"))
    return number or (status - 128 if status > 128 else status if status in SIGNALS else 0)
