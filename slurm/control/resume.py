"""Resume: submit what is unfinished and not queued, and only that. The first submission is a resume of nothing."""

import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from slurm.control.behind import dependency_of, queue_behind
from slurm.control.extend import follow
from slurm.control.held import take_out
from slurm.control.nodes import avoided
from slurm.control.resumed import Inputs, Resumed
from slurm.control.retry import decide
from slurm.control.submit import NOTHING_AGAIN, Again, RacedError, RefusedError, submissions, submit
from slurm.control.survey import Survey, queue_of, survey
from slurm.credentials import hidden, masked_at
from slurm.errors import TRANSIENT, ClusterError, InputError
from slurm.owner import only_reads, trust, trusted
from slurm.pool.launch import keep_servers
from slurm.pool.registry import PoolFolder
from slurm.record.finished import Broken, read_record_of
from slurm.record.formats import DamagedError, read_record, write_record
from slurm.record.history import Past
from slurm.record.inputs import chunks_read
from slurm.record.manifest import Step, steps
from slurm.scheduler.backend import backend
from slurm.scheduler.cluster import Cluster
from slurm.task.breaker import report_failure

Resources = tuple[float, int]  # memory (GB) and time limit (min) of a task
LAG_S = 10.0  # so long accounting is waited for, which hears of a task's end after the queue
LAG_STEP_S = 1.0


def save_cluster(step: Step, cluster: Cluster) -> None:
    """Keeps where the step runs, for later resumes."""
    write_record(step.paths.cluster, replace(cluster, trust=trusted()))


def load_cluster(step: Step, changes: dict[str, Any] | None = None) -> Cluster:
    """Where the step runs; `changes` are keys of the cluster config with new values. Raises InputError."""
    try:
        where = read_record(step.paths.cluster, Cluster)
    except (FileNotFoundError, DamagedError) as error:
        if not (sent := list(step.submissions().values())):
            raise InputError(f"{step}: where it runs is not known ({error}): give its command again") from None
        where = sent[-1].cluster
    stored, changes = asdict(where), changes or {}
    if (secret := hidden(stored)) and not only_reads() and "env_file" not in changes:
        raise InputError(
            f"cluster.{secret[0]}: its value is kept for another user alone ({step.paths.cluster}): say your own in a "
            f"file of NAME=VALUE lines, cluster.env_file=FILE"
        )
    unknown = sorted(changes.keys() - stored.keys())
    if unknown:
        raise InputError(
            f"unknown key cluster.{unknown[0]}; valid: {', '.join('cluster.' + key for key in sorted(stored))}"
        )
    try:
        return TypeAdapter(Cluster).validate_python({**stored, **changes, "trust": trusted()})
    except ValidationError as error:
        wrong = error.errors()[0]
        got = masked_at(wrong["loc"], wrong["input"])
        raise InputError(f"cluster.{'.'.join(map(str, wrong['loc']))}: {wrong['msg']}, got {got!r}") from None


def resume(
    run: Path,
    only: Sequence[str] | None = None,
    changes: dict[str, Any] | None = None,
    force: bool = False,
    retry: Collection[str] = (),
) -> dict[str, Resumed]:
    """Submits what is missing of a run's steps (or those in `only`), in order; runs it here if the cluster is local.

    Of done chunks, rows are tried again that failed with a code in slurm.errors.TRANSIENT or in `retry`. Safe to
    repeat: all else that is done, queued or running is left alone.
    """
    trust((changes or {}).get("trust", ()))
    result: dict[str, Resumed] = {}
    for name in only if only is not None else steps(run):
        step = Step(run, name)
        cluster = load_cluster(step, changes)
        goes_on = True
        while goes_on:  # a chunk of a step that continues waits for the one before it, which was run here
            before = result.get(name)
            with suppress(RacedError):
                result[name] = _resume_step(step, cluster, result, force, frozenset(retry))
                waits = result[name].waits_for == name and not backend(cluster).submits
                goes_on = waits and (before is None or len(result[name].survey.done) > len(before.survey.done))
    return result


def _resume_step(step: Step, cluster: Cluster, before: Inputs, force: bool, retry: frozenset[str]) -> Resumed:
    """Looks at the step, decides what is to be tried and with what, submits it, and looks again if it ran here."""
    inputs = {name: before.get(name) or Resumed(survey(Step(step.run, name))) for name in step.plan.inputs}
    known = {name: source.survey for name, source in inputs.items()}
    now = survey(step, known, thorough=True)
    report = Resumed(now)
    submits = backend(cluster).submits
    if submits and not now.queue_known:
        return report
    slurm, until_s = queue_of(step), time.monotonic() + LAG_S
    try:
        while slurm and (take_out(step, now.held, slurm) or _ending(now)) and _waits(until_s):
            now = report.survey = survey(step, known, thorough=True)
    except ClusterError as error:
        report.once_more = f"tasks that could not be launched are another user's, who has to resume first ({error})"
    if follow(now, known):
        now = report.survey = survey(step, known, thorough=True)
    for chunk, submission in now.unstarted.items():
        report_failure(step, submission, chunk, now.past[chunk][-1].detail)  # for the tasks of it that still wait
    if step.plan.continues:
        inputs[step.name] = Resumed(now)
    again, reasons = _again(now, inputs, force, retry)
    todo = [chunk for chunk in sorted({*now.unfinished(), *again.parts}) if chunk not in now.active]
    todo = _without_waiting(report, todo, inputs, submits=submits)
    groups = _by_resources(report, todo, cluster, reasons, force)
    with _servers(step, cluster, inputs) if groups else nullcontext():
        _submit(report, groups, cluster, inputs, again)
    if slurm and (late := queue_behind(step, now, inputs, slurm)):
        report.once_more = late
    if _ending(now):
        report.once_more = "some of its tasks are ending, and Slurm does not tell yet how"
    if not submits and report.submitted:
        tried, report.submitted, report.survey = report.submitted, [], survey(step, known)
        _set_aside_failed(report, tried, now, cluster)
    return report


def _ending(found: Survey) -> bool:
    return not {"ENDING", "COMPLETING"}.isdisjoint(found.active.values())


def _waits(until_s: float) -> bool:
    """Waits a moment for Slurm's accounting; False when it is later than `until_s`."""
    time.sleep(LAG_STEP_S)
    return time.monotonic() < until_s


def _without_waiting(report: Resumed, todo: list[int], inputs: Inputs, *, submits: bool) -> list[int]:
    """Those chunks whose input is done, or on its way where tasks wait; the report says why others are left."""
    step = report.survey.step
    promised = {name: source.promised if submits else source.survey.done.keys() for name, source in inputs.items()}
    known: dict[tuple[str, range], bool] = {}

    def comes(name: str, needed: range) -> bool:
        if (name, needed) not in known:
            known[name, needed] = all(number in promised[name] for number in needed)
        return known[name, needed]

    ready = []
    for chunk in todo:
        lacking = [name for name, needed in chunks_read(step, chunk).items() if not comes(name, needed)]
        under_way = [name for name in lacking if inputs[name].survey.active or inputs[name].submitted]
        if under_way and not submits:
            who = inputs[under_way[0]].survey.elsewhere or "Slurm"
            report.later = f"{who} is at {under_way[0]}, which it reads: give the command again when that has ended"
        elif lacking and not step.plan.without_unfinished:
            report.waits_for = report.waits_for or lacking[0]
        else:
            report.without = lacking
            ready.append(chunk)
    return ready


def _by_resources(
    report: Resumed, todo: Iterable[int], cluster: Cluster, reasons: dict[int, str], force: bool
) -> dict[Resources, list[int]]:
    """The chunks to submit, by what their tasks get; those that failed too often are set aside in the report."""
    past, most = report.survey.past, report.survey.step.plan.policy.max_attempts
    groups: dict[Resources, list[int]] = defaultdict(list)
    for chunk in todo:
        decision = decide(past.get(chunk, []), cluster, most)
        if decision.again or force:
            groups[decision.mem_gb, decision.minutes].append(chunk)
            if why := reasons.get(chunk, decision.why):
                report.why[why] = report.why.get(why, 0) + 1
        else:
            report.set_aside[chunk] = decision.why
    return groups


def _submit(
    report: Resumed, groups: dict[Resources, list[int]], cluster: Cluster, inputs: Inputs, again: Again = NOTHING_AGAIN
) -> None:
    """Sends a submission for each group, away from nodes that failed; runs it where the backend does not submit."""
    step, seen, why = report.survey.step, report.survey.submissions, report.why
    exclude = ",".join(filter(None, [cluster.exclude, *avoided(report.survey.past.values(), cluster)])) or None
    after = dependency_of(step, inputs)
    for number, ((mem_gb, minutes), chunks) in enumerate(sorted(groups.items())):
        per_task = step.plan.policy.per_task
        if not backend(cluster).submits:  # nobody else waits for these processes: start no more than can run at once
            per_task = max(per_task, -(-len(chunks) // cluster.parallel))
        tasks = [chunks[i : i + per_task] for i in range(0, len(chunks), per_task)]
        where = replace(cluster, mem_gb=mem_gb, minutes=minutes)
        send = partial(submit, step, tasks, after=after, seen=seen + number, why=why, again=again)
        try:
            report.windows += send(cluster=replace(where, exclude=exclude))
        except RefusedError:
            if exclude == cluster.exclude:
                raise
            report.windows += send(cluster=where)  # rather on a node that failed than nowhere
        report.submitted += chunks


def _set_aside_failed(report: Resumed, tried: Iterable[int], before: Survey, cluster: Cluster) -> None:
    """Says of chunks that were run here why they are not done."""
    most = report.survey.step.plan.policy.max_attempts
    for chunk in report.survey.failed:
        report.set_aside[chunk] = decide(report.survey.past[chunk], cluster, most).why
    ends = {chunk: _unfinished(report.survey, chunk, before.past.get(chunk)) for chunk in sorted(tried)}
    report.set_aside |= {chunk: end for chunk, end in ends.items() if end}


def _unfinished(found: Survey, chunk: int, before: list[Past] | None) -> str | None:
    """Why a chunk that was run here is not done though no attempt says that it failed; None if it is, or waits."""
    if chunk in found.failed or chunk in found.active or (chunk in found.done and chunk not in found.lost):
        return None
    last = next(reversed(found.past.get(chunk, [])[len(before or []) :]), None)
    if last and last.cause:
        return None if last.cause == "gated" else last.headline
    log = last.log if last else f"{found.step.paths.log_folder(submissions(found.step)[-1])}/"
    return f"its task ended without a word (killed, out of time, or it did not start): see {log}"


def _servers(step: Step, cluster: Cluster, inputs: Inputs) -> AbstractContextManager[None]:
    """The model servers that the step's tasks need: here for as long as these run; on a cluster they outlive us.

    There a step that waits for its input starts none yet: its tasks will.
    """
    name = step.plan.pool
    if name is None or (backend(cluster).submits and not all(s.survey.complete() for s in inputs.values())):
        return nullcontext()
    return keep_servers(PoolFolder(step.run, name))


def _again(now: Survey, inputs: Inputs, force: bool, retry: frozenset[str]) -> tuple[Again, dict[int, str]]:
    """What is to be done again of done chunks, and why: rows that may succeed now, and what is read anew."""
    step, codes = now.step, TRANSIENT | retry
    changing = {name: set(source.submitted) for name, source in inputs.items() if source.submitted}
    same = {chunk: record for chunk, record in now.stale.items() if record.fingerprint == step.plan.fingerprint}
    why = dict.fromkeys(same, "its input got other rows")
    gone = dict.fromkeys(now.broken, "files of finished chunks that are gone or damaged")
    for chunk, record in now.done.items():
        failed = codes & record.errors.keys()
        if failed and (force or failed & retry or record.tries < step.plan.policy.max_attempts):
            why[chunk] = "rows that failed in passing"
        elif changing and _reads_any(step, chunk, changing):
            why[chunk] = "rows that its input may get"
    records = now.done | same
    parts = {chunk: records[chunk].part for chunk in why}
    for chunk in gone:  # so that who only lists files knows, too, that a damaged one is to be replaced
        found = read_record_of(step.paths, chunk)
        damaged = found.record if isinstance(found, Broken) else found
        if damaged:
            parts[chunk] = damaged.part
    return Again(sorted(codes), parts), why | gone


def _reads_any(step: Step, chunk: int, changing: dict[str, set[int]]) -> bool:
    """Whether a chunk reads one of these chunks."""
    needed = chunks_read(step, chunk)
    return any(not chunks.isdisjoint(needed[name]) for name, chunks in changing.items())
