"""Steps as their configs say they should be: those of a recipe, and those that a run lacks before a step."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from hydra import compose
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from slurm.errors import InputError
from slurm.record.manifest import Step
from stages.core.runner.command import CONF, explained, read
from stages.core.runner.config import common_key
from stages.core.runner.pipeline import Wanted, inputs_of
from stages.core.runner.stage import load
from stages.core.runner.sweep import point_name


def configured(stage_name: str, step: str, changes: Mapping[str, Any]) -> Wanted:
    """A step from conf/<stage>.yaml, the common keys of this command line, and `changes`."""
    common = [word for word in HydraConfig.get().overrides.task if common_key(word) not in (None, "step", "after")]
    chosen = choices(changes)
    words = [f"{group}={name}" for group, name in chosen.items()]
    base = compose(stage_name, overrides=[*common, *words, f"step={step}"])
    try:
        cfg = OmegaConf.merge(base, {k: v for k, v in changes.items() if k not in chosen or isinstance(v, Mapping)})
    except OmegaConfBaseException as error:
        raise InputError(f"steps.{step}: {explained(error)}") from error
    stage = load(stage_name)
    assert isinstance(cfg, DictConfig)
    return Wanted(stage, *read(stage, cfg))


def choices(changes: Mapping[str, Any]) -> dict[str, str]:
    """The files of conf/<key>/ that a step's keys choose, by their name or by the `name` that is one of their keys.

    A choice comes before the merge, so that no key of the file that would have been chosen else remains.
    """
    groups = {key: value for key, value in changes.items() if (Path(CONF) / key).is_dir()}
    named = {key: value.get("name") if isinstance(value, Mapping) else value for key, value in groups.items()}
    return {key: name for key, name in named.items() if isinstance(name, str)}


def with_missing(wanted: Wanted) -> list[Wanted]:
    """The step behind all steps that it needs and its run does not have; a variant of it in a Hydra multirun."""
    if HydraConfig.get().mode == RunMode.MULTIRUN:
        base = Step(wanted.run, wanted.name)
        after = base.plan.inputs if base.exists else wanted.common.after
        name = point_name(wanted.name, HydraConfig.get().overrides.task)
        common = replace(wanted.common, step=name, after=after)
        wanted = wanted._replace(common=common)
    elif Step(wanted.run, wanted.name).exists and wanted.common.after != "all":
        wanted = wanted._replace(common=replace(wanted.common, after=Step(wanted.run, wanted.name).plan.inputs))
    order = [wanted]
    while missing := [name for name in inputs_of(order[0]) if not Step(wanted.run, name).exists]:
        if missing[0] in (later.name for later in order):
            raise InputError(f"step {missing[0]!r} cannot be after itself: say after= another step")
        order.insert(0, configured(missing[0], missing[0], {}))
    return order
