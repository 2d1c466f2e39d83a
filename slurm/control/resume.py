"""Resume: submit what is unfinished and not queued, and only that. The first submission is a resume of nothing."""

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from slurm.control.retry import bad_nodes, decide
from slurm.control.submit import Again, RacedError, Window, submissions, submit
from slurm.control.survey import Survey, survey
from slurm.errors import TRANSIENT, InputError
from slurm.pool.launch import served
from slurm.pool.registry import PoolFolder
from slurm.record.files import read_json, write_json
from slurm.record.history import Past
from slurm.record.manifest import Step, steps
from slurm.scheduler.backend import backend
from slurm.scheduler.cluster import Cluster


@dataclass
class Resumed:
    """What was done about a step."""

    survey: Survey
    submitted: list[int] = field(default_factory=list)  # chunks
    windows: list[Window] = field(default_factory=list)
    set_aside: dict[int, str] = field(default_factory=dict)
    waits_for: str | None = None  # an input that nothing under way will complete
    why: dict[str, int] = field(default_factory=dict)  # reason → chunks submitted again for it

    @property
    def promised(self) -> set[int]:
        """Chunks that are done, or will be if all goes well."""
        return self.survey.done.keys() | self.survey.active.keys() | set(self.submitted)

    @property
    def settled(self) -> set[int]:
        """Chunks that are done and stay as they are."""
        return self.survey.done.keys() - self.survey.redone - set(self.submitted)

    @property
    def jobs(self) -> list[str]:
        return sorted({window.job for window in self.arrays})

    @property
    def arrays(self) -> list[Window]:
        return [*self.survey.windows, *self.windows]


def save_cluster(step: Step, cluster: Cluster) -> None:
    """Keeps where the step runs, for later resumes."""
    write_json(step.root / "cluster.json", asdict(cluster))


def load_cluster(step: Step, changes: dict[str, Any] | None = None) -> Cluster:
    """Where the step runs; `changes` are keys of the cluster config with new values."""
    stored = read_json(step.root / "cluster.json")
    unknown = sorted((changes or {}).keys() - stored.keys())
    if unknown:
        raise InputError(
            f"unknown key cluster.{unknown[0]}; valid: {', '.join('cluster.' + key for key in sorted(stored))}"
        )
    try:
        return TypeAdapter(Cluster).validate_python({**stored, **(changes or {})})
    except ValidationError as error:
        wrong = error.errors()[0]
        raise InputError(
            f"cluster.{'.'.join(map(str, wrong['loc']))}: {wrong['msg']}, got {wrong['input']!r}"
        ) from None


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
    result: dict[str, Resumed] = {}
    for name in only if only is not None else steps(run):
        step = Step(run, name)
        cluster = load_cluster(step, changes)
        while name not in result:
            try:
                result[name] = _resume_step(step, cluster, result, force, frozenset(retry))
            except RacedError:
                continue
    return result


def _resume_step(
    step: Step, cluster: Cluster, before: dict[str, Resumed], force: bool, retry: frozenset[str]
) -> Resumed:
    plan, place = step.plan, backend(cluster)
    sources = plan.inputs if plan.kind == "reduce" else plan.inputs[:1]
    inputs = {name: before.get(name) or Resumed(survey(Step(step.run, name))) for name in sources}
    known = {name: source.survey for name, source in inputs.items()}
    now = survey(step, known)
    report = Resumed(now)
    if not now.queue_known and place.submits:
        return report
    again, reasons = _again(now, inputs, force, retry)
    todo = [chunk for chunk in sorted({*now.unfinished(), *again.parts}) if chunk not in now.active]
    for name, source in inputs.items():
        promised = source.promised
        ready = [chunk for chunk in todo if chunk in promised] if plan.aligned else todo
        if not plan.aligned and len(promised) < source.survey.step.plan.n:
            ready = []
        if len(ready) < len(todo):
            todo, report.waits_for = ready, name
    groups: dict[tuple[float, int], list[int]] = defaultdict(list)
    for chunk in todo:
        decision = decide(now.past.get(chunk, []), cluster, plan.settings["max_attempts"])
        if decision.again or force:
            groups[decision.mem_gb, decision.minutes].append(chunk)
            why = reasons.get(chunk, decision.why)
            if why:
                report.why[why] = report.why.get(why, 0) + 1
        else:
            report.set_aside[chunk] = decision.why
    avoid = ",".join(filter(None, [cluster.exclude, *bad_nodes(now.past.values())])) or None
    per_task = plan.settings["per_task"]
    with _servers(step, cluster, inputs) if groups else nullcontext():
        for number, ((mem_gb, minutes), chunks) in enumerate(sorted(groups.items())):
            if not place.submits:  # nobody else waits for these processes: start no more than can run at once
                per_task = max(per_task, -(-len(chunks) // cluster.parallel))
            tasks = [chunks[i : i + per_task] for i in range(0, len(chunks), per_task)]
            where = replace(cluster, mem_gb=mem_gb, minutes=minutes, exclude=avoid)
            report.windows += submit(
                step,
                tasks,
                where,
                after=_dependency(plan.aligned, inputs),
                seen=now.submissions + number,
                why=report.why,
                again=again,
            )
            report.submitted += chunks
    if not place.submits and report.submitted:  # they were run: look what became of them
        tried, report.submitted, report.survey = report.submitted, [], survey(step, known)
        for chunk in report.survey.failed:
            report.set_aside[chunk] = decide(report.survey.past[chunk], cluster, plan.settings["max_attempts"]).why
        ends = {chunk: _unfinished(report.survey, chunk, now.past.get(chunk)) for chunk in sorted(tried)}
        report.set_aside |= {chunk: end for chunk, end in ends.items() if end}
    return report


def _unfinished(found: Survey, chunk: int, before: list[Past] | None) -> str | None:
    """Why a chunk that was run here is not done though no attempt says that it failed; None if it is, or waits."""
    if chunk in found.failed or chunk in found.active or (chunk in found.done and chunk not in found.lost):
        return None
    last = next(reversed(found.past.get(chunk, [])[len(before or []) :]), None)
    if last and last.cause:
        return None if last.cause == "gated" else last.headline
    log = last.log if last else f"{found.step.root}/logs/{submissions(found.step)[-1]}/"
    return f"its task ended without a word (killed, out of time, or it did not start): see {log}"


def _servers(step: Step, cluster: Cluster, inputs: dict[str, Resumed]) -> AbstractContextManager[None]:
    """The model servers that the step's tasks need: here for as long as these run; on a cluster they outlive us.

    There a step that waits for its input starts none yet: its tasks will.
    """
    name = step.plan.settings.get("pool")
    if name is None or (backend(cluster).submits and not all(s.survey.complete() for s in inputs.values())):
        return nullcontext()
    return served(PoolFolder(step.run, name))


def _again(now: Survey, inputs: dict[str, Resumed], force: bool, retry: frozenset[str]) -> tuple[Again, dict[int, str]]:
    """What is to be done again of done chunks, and why: rows that may get the better of it, and what is read anew."""
    plan, codes = now.step.plan, TRANSIENT | retry
    changing = {chunk for source in inputs.values() for chunk in source.submitted}
    same = {chunk: record for chunk, record in now.stale.items() if record.fingerprint == plan.fingerprint}
    why = dict.fromkeys(same, "its input got other rows")
    for chunk, record in now.done.items():
        failed = codes & record.errors.keys()
        if failed and (force or failed & retry or record.tries < plan.settings["max_attempts"]):
            why[chunk] = "rows that failed in passing"
        elif changing if plan.kind == "reduce" else plan.aligned and chunk in changing:
            why[chunk] = "rows that its input may get"
    records = now.done | same
    return Again(sorted(codes), {chunk: records[chunk].part for chunk in why}), why


def _dependency(aligned: bool, inputs: dict[str, Resumed]) -> Callable[[list[list[int]]], str | None]:
    """The sbatch dependency of a window: chunk by chunk where the input has a like array, else a barrier."""

    settled = {name: source.settled for name, source in inputs.items()}

    def after(tasks: list[list[int]]) -> str | None:
        words = []
        for name, source in inputs.items():
            twin = next((w for w in source.arrays if w.tasks == tasks and len(tasks) > 1), None) if aligned else None
            needed = {chunk for task in tasks for chunk in task} if aligned else set(range(source.survey.step.plan.n))
            if twin:
                words.append(f"aftercorr:{twin.job}")
            elif source.jobs and needed - settled[name]:
                words.append(f"afterany:{':'.join(source.jobs)}")
        return ",".join(words) or None

    return after
