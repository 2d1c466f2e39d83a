"""How a release was made, by the plans of the steps: thresholds, models with revisions, prompts."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any, NamedTuple

import polars as pl
from pydantic import TypeAdapter, ValidationError

from slurm.record.manifest import Step, steps
from stages.core.report.content.histograms import over_columns
from stages.core.report.flow.lineage import lineage
from stages.core.runner.stage import load

LIMITS = {"min": "≥", "above": ">", "max": "≤", "below": "<", "equals": "=", "in": "one of"}


class Threshold(NamedTuple):
    step: str
    rule: str
    value: str  # what is judged: `mean of motion`
    limits: str


class Model(NamedTuple):
    step: str
    name: str
    revision: str | None
    prompts: tuple[str, ...]  # hashes of the templates


def steps_before(packages: Sequence[Step]) -> list[Step]:
    """These steps and all that they were made of, each behind those that it reads."""
    needed = {step.name for package in packages for step in lineage(package)}
    return [packages[0].other(name) for name in steps(packages[0].run) if name in needed]


def thresholds_of(step: Step) -> Iterator[Threshold]:
    """The limits of a filter step, in the order of its rules."""
    for name, rule in over_columns(step.plan.config.get("rules") or {}):
        value = f"{rule.get('reduce', 'value')} of {rule.get('column') or name.rpartition('.')[2]}"
        value += f" per {rule['per']}" if rule.get("per") else ""
        limits = [f"{sign} {rule[key]}" for key, sign in LIMITS.items() if rule.get(key) is not None]
        yield Threshold(step.name, name, value, ", ".join(limits) or "a value")


def models_of(step: Step) -> list[Model]:
    """The models of a step: those that its rows name, else those that its config names; one row each."""
    prompts = tuple(prompts_of(step.plan.identity))
    found = [Model(step.name, *named, prompts=prompts) for named in in_rows(step)]
    known = {model.name for model in found}
    found += [Model(step.name, *named, prompts=()) for named in in_config(step) if named[0] not in known]
    return list(dict.fromkeys(found))


def in_rows(step: Step) -> Iterator[tuple[str, str | None]]:
    rows = step.scan()
    for column in sorted(name for name in step.plan.gives if name.endswith("_model")):
        revision = column.removesuffix("_model") + "_revision"
        if rows is None:
            continue
        by = pl.col(revision) if revision in step.plan.gives else pl.lit(None, pl.String)
        named = rows.select(name=column, revision=by).drop_nulls("name").unique().collect().sort("name", "revision")
        yield from named.iter_rows()


def in_config(step: Step) -> Iterator[tuple[str, str | None]]:
    """Models that tasks of the step load; none where another version planned it."""
    stage = load(step.plan.stage)
    try:
        config: Any = TypeAdapter(stage.config).validate_python(step.plan.config)
    except ValidationError:
        return
    yield from ((needed.name, needed.revision) for needed in stage.models(config) if not needed.tokenizer)


def prompts_of(identity: Mapping[str, Any]) -> Iterator[str]:
    """`caption.j2 0123456789abcdef` of each template that decides the step's result."""
    for key, value in sorted(identity.items()):
        file = PurePath(key.removeprefix("file."))
        if key.startswith("file.") and file.suffix in (".j2", ".txt"):
            yield f"{file.name} {value}"
