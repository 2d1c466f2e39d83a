"""Several steps of a run at once: their plans in order, and their submission."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, NamedTuple

from slurm.__main__ import tell
from slurm.control.resume import resume, save_cluster
from slurm.errors import InputError
from slurm.pool.config import Settings
from slurm.pool.launch import want
from slurm.pool.registry import PoolFolder
from slurm.record.manifest import Plan, Step, steps
from slurm.scheduler.backend import backend
from stages.core.runner.stage import Common, Stage, make_plan


class Wanted(NamedTuple):
    """A step as its configs say it should be."""

    stage: Stage
    common: Common
    config: Any

    @property
    def run(self) -> Path:
        return (Path(self.common.runs) / self.common.run).absolute()

    @property
    def name(self) -> str:
        return self.common.step

    def servers(self) -> Settings:
        """The model servers that its stage asks."""
        return Settings(self.config.pool, self.config.engine, self.common.cluster)


def inputs_of(wanted: Wanted) -> list[str]:
    after = wanted.common.after
    if after == "all":
        return [name for name in steps(wanted.run) if name != wanted.name and "@" not in name]
    return [after] if isinstance(after, str) else list(after or [])


def submit_steps(order: list[Wanted]) -> int:
    """Plans the steps and submits them all at once; 0 if everything is done or under way, 1 if chunks failed."""
    run = order[0].run
    for wanted in order:
        check_writable(run / wanted.name)
    plans = plan_all(order)
    for wanted in order:
        if not Step(run, wanted.name).exists:
            wanted.stage.check(wanted.config)
        backend(wanted.common.cluster).check(run / wanted.name)
        if wanted.stage.pool(wanted.config):
            backend(wanted.servers().site()).check(run / wanted.name)
    if order[-1].common.dry_run:
        show_plan(order, plans)
        return 0
    if backend(order[-1].common.cluster).submits:
        status = start(order, plans)
        print(f"python -m slurm status run={run.name} tells how it goes")
        return status
    # here each step is over before the next is planned, so that the size of its input is known
    return max(start([wanted], plan_all([wanted])) for wanted in order)


def check_writable(folder: Path) -> None:
    """Raises an InputError if the folder cannot be made or written into; makes nothing."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    try:
        with TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise InputError(f"{folder} cannot be written ({error.strerror}): choose another place, runs=DIR") from error


def start(order: list[Wanted], plans: Mapping[str, Plan]) -> int:
    """Writes the plans and submits what is missing of their steps; 1 if something cannot get done."""
    run = order[0].run
    for wanted in order:
        step, plan = Step(run, wanted.name), plans[wanted.name]
        same = step.exists and step.plan.fingerprint == plan.fingerprint
        if step.exists and wanted.common.overwrite and (not same or step.behind()):
            step.supersede()
        save_cluster(step, wanted.common.cluster)
        if wanted.stage.pool(wanted.config):
            pool = PoolFolder(run, wanted.config.pool.name)
            want(pool, wanted.servers())
            pool.add_step(wanted.name)
        step.create(plan)  # from here on the step exists
        if same:
            step.change(plan)
    results = resume(run, only=[wanted.name for wanted in order])
    tell(results)
    for wanted in order:
        if wanted.stage.shows and results[wanted.name].survey.complete():
            print(f"{wanted.name}: {run / wanted.name / wanted.stage.shows}")
    return 0 if all(not result.set_aside and not result.waits_for for result in results.values()) else 1


def plan_all(order: list[Wanted]) -> dict[str, Plan]:
    """The plans of steps that follow each other; an InputError if one of them stands with another config."""
    run = order[0].run
    plans = {name: Step(run, name).plan for name in steps(run)}
    for wanted in order:
        inputs = inputs_of(wanted)
        if unknown := [name for name in inputs if name not in plans]:
            raise InputError(f"step {wanted.name} is after {unknown[0]!r}, which is no step of the run before it")
        plan = make_plan(wanted.stage, wanted.common, wanted.config, inputs, plans)
        step = Step(run, wanted.name)
        if step.exists and not wanted.common.overwrite:
            step.refuse_other(plan)
        same = step.exists and step.plan.fingerprint == plan.fingerprint
        if same:  # its chunks are frozen, whatever the config says of them now
            plan = step.plan.with_ways(plan.config, plan.settings)
        plans[wanted.name] = plan
    return plans


def show_plan(order: list[Wanted], plans: Mapping[str, Plan]) -> None:
    """Prints what would be submitted, and the sbatch script of the last step."""
    for wanted in order:
        plan, cluster = plans[wanted.name], wanted.common.cluster
        tasks = -(-plan.n // wanted.common.chunks.per_task)
        state = "planned already" if Step(wanted.run, wanted.name).exists else "new"
        behind = ", ".join(plan.inputs) or "nothing"
        size = f"{cluster.cpus} cpus, {cluster.gpus} gpus, {cluster.mem_gb:g} GB, {cluster.minutes} min"
        print(f"{wanted.name} ({state}): {plan.n} chunks in {tasks} tasks behind {behind}; {size}; {plan.fingerprint}")
    last = order[-1]
    folder, tasks = last.run / last.name / "logs" / "0000", -(-plans[last.name].n // last.common.chunks.per_task)
    if script := backend(last.common.cluster).script(folder, tasks):
        print(script)
