"""Starting steps: what the stage layer wants is compared with the run, written, submitted and reported."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryFile

from slurm.control.cancel import cancel
from slurm.control.extend import Growth, grow, steps_behind
from slurm.control.held import advice
from slurm.control.resume import batches, resume, save_cluster
from slurm.control.resumed import Resumed
from slurm.credentials import redact
from slurm.errors import InputError
from slurm.pool.config import Settings
from slurm.pool.launch import set_up
from slurm.pool.registry import PoolFolder
from slurm.pool.spending import Terms, check_priced, set_terms
from slurm.record import chunks
from slurm.record.chunks import is_behind
from slurm.record.manifest import Step, steps
from slurm.record.plan import Plan, differences
from slurm.removals import refuse_unfinished
from slurm.scheduler.backend import backend
from slurm.scheduler.cluster import Cluster
from slurm.screen import visible

Overwrite = bool | Collection[str]
MOST_ALIKE = 8  # points of a sweep that are said one by one, where all fare alike


@dataclass(frozen=True)
class Intent:
    """A step as somebody wants it to be."""

    name: str
    plan: Plan  # its number of chunks is left open (0) where that depends on the rows of its input
    cluster: Cluster
    pool: Settings | None = None  # the model servers that its tasks ask
    shows: str | None = None  # a file or folder of the step that a person wants to open; of a .txt the text itself


def start(
    run: Path,
    intents: Sequence[Intent],
    *,
    overwrite: Overwrite = False,
    growth: Growth | None = None,
    dry_run: bool = False,
    begin: Callable[[], object] = lambda: None,
    terms: Terms | None = None,
) -> int:
    """Plans the steps and submits them all at once; 0 if everything is done or under way, 1 if chunks failed.

    `terms` are the budget and the prices that hold from now on, where a step asks model servers or hours have a price.
    `growth` says what the source has that the run has not; `begin` is called once all is checked, before anything is
    written. Raises InputError or ClusterError before that, if a step stands with another config, or the cluster would
    refuse a task.
    """
    refuse_unfinished(run)
    check_overwrite(run, intents, overwrite)
    pools = [intent.pool.pool for intent in intents if intent.pool is not None]
    for pool in pools:
        check_priced(terms or Terms(), pool.model)
    asked: list[Cluster] = []
    for intent in intents:
        check_writable(run / intent.name)
        backend(intent.cluster).check(run / intent.name, again=intent.cluster in asked)
        asked.append(intent.cluster)
        if intent.pool is not None:
            intent.pool.check(run / intent.name)
    if dry_run:
        show_plans(run, intents, growth)
        return 0
    begin()
    if terms is not None and (pools or terms.priced):
        set_terms(run, terms)
    if overwrite is True and (kept := [intent.name for intent in intents if is_done_alike(run, intent)]):
        print(
            f"overwrite=true: {', '.join(kept)} are finished with this config and stay; overwrite=NAME makes one again"
        )
    names = [intent.name for intent in intents]
    if growth is not None:
        print(growth)
        names = list(dict.fromkeys([growth.source, *steps_behind(run, growth.source), *names]))
    wanted = {intent.name: intent for intent in intents}
    if backend(intents[-1].cluster).submits:
        for name in names:
            prepare(Step(run, name), wanted.get(name), growth, bool(overwrite))
        status = submit(run, names, wanted)
        print(f"python -m slurm status run={run.name} tells how it goes")
        return status
    status = 0
    plans = {name: wanted[name].plan if name in wanted else Step(run, name).plan for name in names}
    for batch in batches(names, plans.__getitem__):
        for name in batch:  # here each step is over before the next is laid out, so that the size of its input is known
            prepare(Step(run, name), wanted.get(name), growth, bool(overwrite))
        status = max(status, submit(run, batch, wanted))
    return status


def prepare(step: Step, intent: Intent | None, growth: Growth | None, overwrite: bool) -> None:
    """Writes what a step is to be: its plan, or the chunks that an extension adds."""
    if intent is not None:
        if step.exists and step.plan.fingerprint != intent.plan.fingerprint:
            if jobs := cancel(step):
                print(f"{step.name}: cancelled job {', '.join(jobs)} of its earlier config")
            step.supersede()
        plan = lay_out(step.run, intent.plan, {name: Step(step.run, name).plan for name in intent.plan.inputs})
        save_cluster(step, intent.cluster)
        if intent.pool is not None:
            pool = PoolFolder(step.run, intent.pool.pool.name)
            set_up(pool, intent.pool)
            pool.add_step(step.name)
        if not step.exists:
            step.create(plan)  # from here on the step exists
            return
        step.change(plan)
    if growth is not None:
        grow(step, growth)


def submit(run: Path, names: Sequence[str], wanted: Mapping[str, Intent]) -> int:
    """Submits what is missing of these steps and says so; 1 if something cannot get done."""
    results = resume(run, only=names)
    tell(results)
    for name in names:
        shows = wanted[name].shows if name in wanted else None
        if shows and results[name].survey.complete() and (made := run / name / shows).exists():
            for line in made.read_text().splitlines() if made.suffix == ".txt" else [made]:
                print(f"{name}: {line}")
    return 0 if all(result.unhindered for result in results.values()) else 1


def lay_out(run: Path, plan: Plan, inputs: Mapping[str, Plan]) -> Plan:
    """The plan with its number of chunks; `inputs` are the plans of the steps that it reads."""
    counts = {name: inputs[name].n for name in plan.inputs}
    plan = replace(plan, input_chunks=counts)
    if plan.kind == "reduce":
        return replace(plan, n=1)
    source = Step(run, plan.inputs[0])
    if plan.aligned:
        return replace(plan, n=counts[source.name])
    if plan.chunking.n is not None:
        return replace(plan, n=plan.chunking.n)
    same = source.exists and source.plan.fingerprint == inputs[source.name].fingerprint
    done = source.all_done() if same else []
    known = same and len(done) == source.plan.n
    rows = sum(record.rows_kept for record in done)
    return replace(plan, n=chunks.count(rows, plan.chunking.size) if known else plan.chunking.ahead)


def check_overwrite(run: Path, intents: Iterable[Intent], overwrite: Overwrite) -> None:
    """Raises an InputError that says what would be lost, unless `overwrite` names each step that would lose rows."""
    intents = list(intents)
    named = set() if isinstance(overwrite, bool) else set(overwrite)
    if unknown := named - {intent.name for intent in intents}:
        there = ", ".join(intent.name for intent in intents)
        raise InputError(f"overwrite={min(unknown)}: this command has no such step; it has: {there}")
    refused: list[str] = []
    lost: list[str] = []
    for intent in intents:
        step = Step(run, intent.name)
        if not step.exists or step.plan.fingerprint == intent.plan.fingerprint or intent.name in named:
            continue
        finished = step.all_done()
        if overwrite is not True or finished:
            changed = [f"\n  {line}" for line in differences(step.plan.identity, intent.plan.identity)]
            refused.append(f"step {step} exists with another config:{''.join(changed)}")
            lost += [f"{intent.name} ({describe(step)})"] if finished else []
    if refused:
        mend = ",".join(sorted(named | {text.partition(" ")[0] for text in lost}, key=[i.name for i in intents].index))
        again = f"overwrite={mend or 'true'} computes them again"
        if lost:
            again += f"; finished rows would be lost: {', '.join(lost)}"
        raise InputError("\n".join([*refused, f"Use another run= (or step=); {again}."]))


def is_done_alike(run: Path, intent: Intent) -> bool:
    """Whether the step stands with this config, finished, and over the rows that its input has now."""
    step = Step(run, intent.name)
    alike = step.exists and step.plan.fingerprint == intent.plan.fingerprint
    return alike and not is_behind(step) and step.complete()


def describe(step: Step) -> str:
    """What is finished of a step, in words."""
    done = step.all_done()
    rows, cpu_h = sum(record.rows_out for record in done), sum(record.seconds * record.cpus for record in done) / 3600
    return f"{len(done):,} of {step.plan.n:,} chunks done, {rows:,} rows, {cpu_h:,.2f} CPU hours"


def check_writable(folder: Path) -> None:
    """Raises an InputError if the folder cannot be made or written into; makes nothing."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    try:
        with TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise InputError(f"{folder} cannot be written ({error.strerror}): choose another place, runs=DIR") from error


def show_plans(run: Path, intents: Sequence[Intent], growth: Growth | None) -> None:
    """Prints what would be submitted, and the sbatch script of the last step."""
    plans = {name: Step(run, name).plan for name in steps(run)}
    if growth is not None:
        print(growth)
    for intent in intents:
        step, cluster = Step(run, intent.name), intent.cluster
        state = "new"
        if step.exists and step.plan.fingerprint == intent.plan.fingerprint:
            plan = plans[intent.name]
            state = f"planned already: {describe(step)}"
        else:
            plan = lay_out(run, intent.plan, plans)
            state = f"replaces {describe(step)}" if step.exists else "new"
        plans[intent.name] = plan
        tasks = -(-plan.n // plan.policy.per_task)
        behind = ", ".join(plan.inputs) or "nothing"
        size = f"{cluster.cpus} cpus, {cluster.gpus} gpus, {cluster.mem_gb:g} GB, {cluster.minutes} min"
        print(f"{intent.name} ({state}): {plan.n} chunks in {tasks} tasks behind {behind}; {size}; {plan.fingerprint}")
    last = intents[-1]
    if text := backend(last.cluster).script(Step(run, last.name).paths.log_folder("0000"), tasks):
        print(redact(text))


def tell(results: Mapping[str, Resumed]) -> None:
    """One line a step: what was submitted, why, and what was not; one for many points of a sweep that fared alike."""
    alike: dict[tuple[str, str], int] = {}
    for name, result in results.items():
        (kind, at, _), said = name.partition("@"), said_of(result)
        alike[kind, said] = alike.get((kind, said), 0) + 1
        troubled = result.why or result.set_aside or result.once_more or result.survey.held
        if not at or troubled or alike[kind, said] <= MOST_ALIKE:
            print(f"{name}: {said}")
        for line in advice(result.survey.step, result.survey.held):
            print(visible(f"  {line}"))
        if result.spent:
            print(visible(f"  {result.spent}"))
        if result.once_more:
            print(visible(f"  {result.once_more}: python -m slurm resume run={result.survey.step.run.name} once more"))
        for why, number in result.why.items():
            print(visible(f"  {number} again after {why}"))
        for chunk, why in list(result.set_aside.items())[:3]:
            print(visible(f"  chunk {chunk} not done: {why}"))
    for (kind, said), number in alike.items():
        if number > MOST_ALIKE:
            print(f"{kind}@…: {said} ({number:,} points alike)")


def said_of(result: Resumed) -> str:
    """What was done about a step, in words."""
    counts = result.survey.counts()
    parts = [f"{counts['done']}/{result.survey.step.plan.n} chunks done"]
    if counts["active"]:
        parts.append(f"{counts['active']} active")
    if result.submitted:
        jobs = ", ".join(window.job for window in result.windows)
        parts.append(f"{len(result.submitted)} submitted (job {jobs})")
    if result.waits_for:
        parts.append(f"waits for {result.waits_for}")
    if result.survey.elsewhere:
        parts.append(f"{result.survey.elsewhere} is at it")
    if result.later:
        parts.append(result.later)
    if result.without:
        parts.append(f"made without {', '.join(result.without)}, not finished")
    if not result.survey.queue_known:
        parts.append("Slurm does not answer, so nothing was submitted")
    return ", ".join(parts)
