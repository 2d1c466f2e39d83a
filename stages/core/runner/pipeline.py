"""Several steps of a run at once: their plans in order, handed to `slurm` as plain intents."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

from slurm.control.extend import Growth
from slurm.control.start import Intent, start
from slurm.errors import InputError
from slurm.pool.config import Settings
from slurm.pool.spending import agree
from slurm.record.manifest import Step, steps
from slurm.record.plan import Plan, fingerprint, flatten
from slurm.scheduler.backend import backend
from slurm.scheduler.environment import environment, variables
from stages.core.models.needed import Needed, check_models
from stages.core.runner.config import Common
from stages.core.runner.plan import make_plan
from stages.core.runner.stage import Stage


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

    def servers(self) -> Settings | None:
        """The model servers that its stage asks."""
        asks = self.stage.pool(self.config)
        return Settings(self.config.pool, self.config.engine, self.common.cluster) if asks else None

    def models(self) -> Iterator[tuple[Needed, Mapping[str, str]]]:
        """The models that its tasks load and the one of its servers, each with the environment of what loads it."""
        cluster, servers = self.common.cluster, self.servers()
        env = environment(variables(cluster))
        for needed in self.stage.models(self.config):
            yield needed._replace(boxed=cluster.container.runtime is not None), env
        if servers is not None and servers.keep_weights:
            model = Needed("pool.model=", servers.pool.model, servers.pool.revision, served=True)
            yield model, env | servers.variables()


def inputs_of(wanted: Wanted) -> list[str]:
    after = wanted.common.after
    if after == "all":
        return [name for name in steps(wanted.run) if name != wanted.name and "@" not in name]
    return [after] if isinstance(after, str) else list(after or [])


def submit_steps(order: list[Wanted], begin: Callable[[], object] = lambda: None) -> int:
    """Plans the steps and submits them all at once; 0 if everything is done or under way, 1 if chunks failed.

    `begin` is called when all is checked, before anything is written.
    """
    run, common = order[0].run, order[-1].common
    check_pools(order)
    named = [
        name for wanted in order if not isinstance(wanted.common.overwrite, bool) for name in wanted.common.overwrite
    ]
    overwrite = named or common.overwrite is True
    intents = [
        Intent(wanted.name, plan, wanted.common.cluster, wanted.servers(), wanted.stage.shows)
        for wanted, plan in zip(order, plan_all(order, named), strict=True)
    ]
    new = [wanted for wanted, intent in zip(order, intents, strict=True) if not stands(run, intent)]
    for wanted in new:
        wanted.stage.check(wanted.config)
    missing = check_models(model for wanted in new for model in wanted.models())
    if missing and backend(common.cluster).submits:
        print("Still to be downloaded, by the tasks that come first; where these have no net, do it here before:")
        print("\n".join(dict.fromkeys(f"  {model}: {model.command}" for model in missing)))
    terms = agree(run, common.budget, common.price)
    growth = look_for_new(order, intents) if common.extend else None
    return start(run, intents, overwrite=overwrite, growth=growth, dry_run=common.dry_run, begin=begin, terms=terms)


def check_pools(order: Sequence[Wanted]) -> None:
    """Raises InputError where steps ask one pool with other settings, of which only the last would hold."""
    known: dict[str, tuple[str, dict[str, object]]] = {}
    for wanted in order:
        if (servers := wanted.servers()) is None:
            continue
        own = flatten({"pool": asdict(servers.pool), "engine": asdict(servers.engine)})
        first, settings = known.setdefault(servers.pool.name, (wanted.name, own))
        if other := next((key for key in settings | own if settings.get(key) != own.get(key)), None):
            raise InputError(
                f"steps {first} and {wanted.name} ask one pool, {servers.pool.name}, each with another {other}: say "
                f"the same for both, or give one a pool of its own, steps.{wanted.name}.pool.name=NAME"
            )


def stands(run: Path, intent: Intent) -> bool:
    """Whether the run has the step with this config."""
    step = Step(run, intent.name)
    return step.exists and step.plan.fingerprint == intent.plan.fingerprint


def plan_all(order: list[Wanted], overwritten: list[str]) -> list[Plan]:
    """The plans of steps that follow each other; those in `overwritten` differ from what stands even if made alike."""
    run = order[0].run
    plans = {name: Step(run, name).plan for name in steps(run)}
    found = []
    for wanted in order:
        inputs = inputs_of(wanted)
        if unknown := [name for name in inputs if name not in plans]:
            raise InputError(
                f"step {wanted.name} is after {unknown[0]!r}, which is no step of the run before it; "
                f"there are: {', '.join(plans) or 'none'}"
            )
        plan = make_plan(wanted.stage, wanted.common, wanted.config, inputs, plans)
        standing = plans.get(wanted.name)
        if standing is not None:
            times = standing.identity.get("overwritten", 0) + (wanted.name in overwritten)
            identity = plan.identity | ({"overwritten": times} if times else {})
            plan = replace(plan, identity=identity, fingerprint=fingerprint(identity))
        plans[wanted.name] = plan
        found.append(plan)
    return found


def look_for_new(order: list[Wanted], intents: list[Intent]) -> Growth | None:
    """What the source of these steps has that the run has not; None where the run has no source yet.

    Raises InputError if it has fewer rows than the run has of it: it may be another one, or not all there.
    """
    sources = [wanted for wanted in order if wanted.stage.ids is not None]
    if not sources:
        names = ", ".join(wanted.name for wanted in order)
        raise InputError(f"extend=true: none of {names} reads a source; say it of `ingest`, or of a recipe with it")
    wanted = sources[0]
    step = Step(wanted.run, wanted.name)
    if not step.exists:
        return None
    step.refuse_other(next(intent.plan for intent in intents if intent.name == wanted.name))
    rows = step.scan()
    if rows is None or not step.complete():
        raise InputError(f"extend=true: step {step} is not finished: python -m slurm resume run={step.run.name}")
    known = rows.select(step.plan.key).collect().to_series()
    assert wanted.stage.ids is not None
    there = wanted.stage.ids(wanted.config, wanted.run).unique()
    if len(there) < len(known) and wanted.common.extend != "fewer":
        raise InputError(
            f"extend=true: the source of step {step} has {len(there):,} rows now, the run has {len(known):,} of it: "
            f"is all of it there (input.path)? Say extend=fewer if rows were taken away on purpose"
        )
    new = int((~there.is_in(known.implode())).sum())
    return Growth(step.name, new, len(known), gone=len(known) - (len(there) - new))
