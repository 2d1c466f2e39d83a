"""Resume: submit what is unfinished and not queued, and only that. The first submission is a resume of nothing."""

import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import TypeAdapter, ValidationError

from slurm.control.behind import dependency_of, queue_behind
from slurm.control.extend import follow
from slurm.control.held import take_out
from slurm.control.resumed import Inputs, Resumed, cores, send, set_aside_failed
from slurm.control.retry import decide
from slurm.control.submit import NOTHING_AGAIN, Again, Order, RacedError
from slurm.control.survey import Survey, queue_of, survey
from slurm.credentials import hidden, masked_at
from slurm.errors import TRANSIENT, ClusterError, InputError
from slurm.owner import only_reads, trust, trusted
from slurm.pool.launch import keep_servers
from slurm.pool.registry import PoolFolder
from slurm.pool.spending import budget_spent
from slurm.record.finished import Broken, read_record_of
from slurm.record.formats import DamagedError, read_record, write_record
from slurm.record.inputs import chunks_read
from slurm.record.manifest import Step, steps
from slurm.record.plan import Plan
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
    for names in batches(only if only is not None else steps(run), lambda name: Step(run, name).plan):
        clusters, first = {name: load_cluster(Step(run, name), changes) for name in names}, names[0]
        goes_on = True
        while goes_on:  # a chunk of a step that continues waits for the one before it, which was run here
            before = result.get(first)
            with suppress(RacedError):
                result |= _resume_steps(run, clusters, result, force, frozenset(retry))
                waits = result[first].waits_for == first and not backend(clusters[first]).submits
                goes_on = waits and (before is None or len(result[first].survey.done) > len(before.survey.done))
    return result


def batches(names: Sequence[str], plan_of: Callable[[str], Plan]) -> list[list[str]]:
    """The steps in this order, points of one sweep together if they may share tasks: filter@min=1, filter@min=2, …"""
    found: list[list[str]] = []
    for name in names:
        last, plan = found[-1] if found else [], plan_of(name)
        alike = "@" in name and last and name.partition("@")[0] == last[-1].partition("@")[0]
        shares = plan.policy.points > 1 and not plan.continues and plan.pool is None
        if alike and shares and plan_of(last[-1]).stage == plan.stage and not {*last} & {*plan.inputs}:
            last.append(name)
        else:
            found.append([name])
    return found


class Asked(NamedTuple):
    """A step that was looked at, and what is to be done about it."""

    report: Resumed
    before: Survey
    cluster: Cluster
    inputs: Inputs
    again: Again = NOTHING_AGAIN
    groups: Mapping[Resources, list[int]] = {}  # chunks by what their tasks get


def _resume_steps(
    run: Path, clusters: Mapping[str, Cluster], before: Inputs, force: bool, retry: frozenset[str]
) -> dict[str, Resumed]:
    """Looks at the steps, decides what is to be tried and with what, submits it, and looks again if it ran here."""
    looked, asked = dict(before), list[Asked]()
    for name, cluster in clusters.items():
        asked.append(_look(Step(run, name), cluster, looked, force, retry))
        looked |= {source: found for source, found in asked[-1].inputs.items() if source != name}
    todo = [one for one in asked if one.groups]
    with ExitStack() as servers:
        for one in todo:
            servers.enter_context(_servers(one.before.step, one.cluster, one.inputs))
        send([(one.report, order, where) for one in todo for order, where in _orders(one, len(todo))])
    for one in asked:
        _look_again(one)
    return {name: one.report for name, one in zip(clusters, asked, strict=True)}


def _look(step: Step, cluster: Cluster, before: Inputs, force: bool, retry: frozenset[str]) -> Asked:
    """Looks at a step, and decides what is to be tried."""
    inputs = {name: before.get(name) or Resumed(survey(Step(step.run, name))) for name in step.plan.inputs}
    known = {name: source.survey for name, source in inputs.items()}
    now = survey(step, known, thorough=True)
    report = Resumed(now)
    submits = backend(cluster).submits
    if submits and not now.queue_known:
        return Asked(report, now, cluster, inputs)
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
    report.spent = why_spent(step) if todo else ""
    todo = [] if report.spent else todo
    return Asked(report, now, cluster, inputs, again, _by_resources(report, todo, cluster, reasons, force))


def why_spent(step: Step) -> str:
    """Why a step that asks model servers may not do so any more; "" if it may."""
    return (budget_spent(step.run) or "") if step.plan.pool is not None else ""


def _look_again(asked: Asked) -> None:
    """What is to be said of a step after its tasks were sent, or were run here."""
    report, now, cluster = asked.report, asked.before, asked.cluster
    submits = backend(cluster).submits
    if submits and not now.queue_known:
        return
    slurm = queue_of(now.step)
    if slurm and (late := queue_behind(now.step, now, asked.inputs, slurm)):
        report.once_more = late
    if _ending(now):
        report.once_more = "some of its tasks are ending, and Slurm does not tell yet how"
    if not submits and report.submitted:
        known = {name: source.survey for name, source in asked.inputs.items()}
        tried, report.submitted, report.survey = report.submitted, [], survey(now.step, known)
        set_aside_failed(report, tried, now, cluster)
        report.spent = "" if report.survey.complete() else why_spent(now.step)


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


def _orders(asked: Asked, steps: int) -> Iterator[tuple[Order, Cluster]]:
    """What is to be done of one of so many steps, and where: a submission for each group."""
    step, cluster, seen = asked.before.step, asked.cluster, asked.before.submissions
    after = dependency_of(step, asked.inputs)
    for number, ((mem_gb, minutes), chunks) in enumerate(sorted(asked.groups.items())):
        per_task = step.plan.policy.per_task
        if not backend(cluster).submits:  # nobody else waits for these processes: start no more than can run at once
            at_once = cluster.parallel if steps == 1 else max(cluster.parallel, -(-cores(cluster) // steps))
            per_task = max(per_task, -(-len(chunks) // at_once))
        tasks = [chunks[i : i + per_task] for i in range(0, len(chunks), per_task)]
        where = replace(cluster, mem_gb=mem_gb, minutes=minutes)
        yield Order(step, tasks, after, seen + number, asked.report.why, asked.again), where


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
    same = {chunk: record for chunk, record in now.outdated.items() if record.fingerprint == step.plan.fingerprint}
    why = dict.fromkeys(same.keys() & now.stale, "its input got other rows")
    gone = dict.fromkeys(now.broken, "files of finished chunks that are gone or damaged")
    for chunk, record in now.done.items():
        failed = codes & record.errors.keys()
        if failed and (force or failed & retry or record.tries < step.plan.policy.max_attempts):
            why[chunk] = "rows that failed in passing"
        elif changing and _reads_any(step, chunk, changing):
            why[chunk] = "rows that its input may get"
    records = now.done | same
    parts = {chunk: records[chunk].part for chunk in {*why, *same}}
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
