"""The steps of a composed config, checked against their stages; nothing is written."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import InterpolationToMissingValueError, MissingMandatoryValue, OmegaConfBaseException
from pydantic import TypeAdapter, ValidationError

from slurm.conf import explain, no_value, wrong_values
from slurm.errors import InputError, check_name
from slurm.pool.spending import Budget, Prices
from slurm.record.paths import RESERVED
from slurm.scheduler.cluster import Cluster
from stages.core.runner.config import Chunks, Common, Items, Retry
from stages.core.runner.pipeline import Wanted
from stages.core.runner.stage import Stage, load

STAGES = Path(__file__).parents[2]
# of Common's fields, those that all steps share
OF_RUN = ("run", "runs", "dry_run", "overwrite", "extend", "budget", "price")
GROUPS = {"budget": Budget, "price": Prices, "chunks": Chunks, "items": Items, "retry": Retry, "cluster": Cluster}
OF_STEP = tuple(field.name for field in fields(Common) if field.name not in (*OF_RUN, "step"))


def read_steps(cfg: DictConfig) -> dict[str, Wanted]:
    """Step → what its config says; an InputError names the key that does not fit."""
    run = {key: resolved(cfg, key) for key in OF_RUN}
    if not run["runs"]:
        raise InputError("runs: say in which folder the runs lie: runs=DIR")
    check_name("run", str(run["run"]), Path(str(run["runs"])))
    check_groups(cfg)
    steps = cfg.get("steps")
    if not isinstance(steps, DictConfig) or not steps:
        raise InputError("steps: the recipe has none; its defaults take stages, /stage@steps.filter: filter")
    if isinstance(run["overwrite"], str):
        run["overwrite"] = [run["overwrite"]]
    for name in run["overwrite"] if isinstance(run["overwrite"], list) else []:
        if str(name).partition("@")[0] not in steps:
            raise InputError(f"overwrite={name}: no such step; there are: {', '.join(map(str, steps))}")
    return {str(step): read_step(cfg, str(step), run) for step in steps}


def check_groups(cfg: DictConfig) -> None:
    """Raises an InputError for a key of which no step would take notice, since each takes those that it knows."""
    for group in ("input", "source", "opt_out", *GROUPS):
        if not isinstance(cfg[group], DictConfig):
            raise InputError(f"{group}={cfg[group]}: it has keys of its own, which take values: {group}.KEY=VALUE")
    for group, kind in GROUPS.items():
        valid = [field.name for field in fields(kind)]
        if unknown := [key for key in cfg[group] if key not in valid]:
            raise InputError(f"{group}.{unknown[0]}: no such key; there are: {', '.join(valid)}")
        if missing := [key for key in valid if key not in list(cfg[group])]:
            raise InputError(no_value(group, missing))


def read_step(cfg: DictConfig, step: str, run: Mapping[str, Any]) -> Wanted:
    """A step of the config: its stage, the keys that every step has, and its stage's own."""
    check_name("step", step, Path(str(run["runs"]), str(run["run"])))
    node, where = cfg.steps.get(step), f"steps.{step}"
    if step in RESERVED:
        raise InputError(f"{where}: a run has a folder {step}/ of its own: give the step another name")
    if not isinstance(node, DictConfig) or node.get("stage") is None:
        raise InputError(f"{where}: no stage; say +stage@{where}=NAME, or in a recipe's defaults /stage@{where}: NAME")
    values = resolved(cfg.steps, step)
    stage = import_stage(str(values.pop("stage")), f"{where}.stage")
    common = {key: values.pop(key) for key in OF_STEP if key in values}
    if missing := [key for key in OF_STEP if not isinstance(common.get(key), dict) and key != "after"]:
        raise InputError(f"{where}.{missing[0]}: no keys; take /common into the defaults of the stage's config")
    check_one_stage(stage, values, where)
    for free in ("extra", "env"):  # what the step adds to the run's; of these no key is known beforehand
        if isinstance(common["cluster"][free], dict):
            common["cluster"][free] = {**resolved(cfg.cluster, free), **common["cluster"][free]}
    return Wanted(
        stage,
        validate(Common, {**run, "step": step, **common}, node, where),
        validate(stage.config, values, node, where),
    )


def check_one_stage(stage: Stage, values: Mapping[str, Any], where: str) -> None:
    """Raises an InputError if a recipe gave two stages the same name, so that the step has the keys of both."""
    own = {field.name for field in fields(stage.config)}
    if values.keys() <= own:
        return
    for name in known_stages():
        keys = {field.name for field in fields(load(name).config)}
        if name != stage.name and keys and keys <= values.keys():
            raise InputError(f"{where}: two stages, {name} and {stage.name}, have this name: give one of them another")


def known_stages() -> list[str]:
    """The stages of this tree."""
    return sorted(path.stem for path in STAGES.glob("[a-z]*.py"))


def resolved(cfg: DictConfig, key: str) -> Any:
    """The value of a key, every interpolation in it replaced; an InputError names what has none."""
    try:
        value = cfg[key]
        if OmegaConf.is_config(value):
            return OmegaConf.to_container(value, resolve=True, throw_on_missing=True)
        return value
    except MissingMandatoryValue as error:
        raise InputError(f"{error.full_key}: no value; say {error.full_key}=…") from error
    except InterpolationToMissingValueError as error:
        missing = str(error).partition("Missing mandatory value: ")[2].split()[0]
        raise InputError(f"{missing}: no value; say {missing}=…") from error
    except OmegaConfBaseException as error:
        raise InputError(f"{error.full_key}: {explain(error).partition(' full_key:')[0]}") from error


def import_stage(name: str, key: str) -> Stage:
    """The stage of this name, or of a module on PYTHONPATH by whose name its tasks can load it, too."""
    if "." not in name and name not in known_stages():
        known = ", ".join(known_stages())
        raise InputError(f"{key}: there is no stage {name!r}; stages: {known}; or a package.module")
    try:
        stage = load(name)
    except ImportError as error:
        raise InputError(f"{key}: {name} cannot be imported ({error}); is its folder in PYTHONPATH?") from error
    except AttributeError as error:
        raise InputError(f"{key}: {name} has no STAGE ({error})") from error
    if stage.name != name.removeprefix("stages."):
        raise InputError(f"{key}: the STAGE of {name} is named {stage.name!r}; its name must be {name!r}")
    return stage


def validate(kind: type, values: Mapping[str, Any], node: DictConfig, where: str) -> Any:
    """The values as their class; an InputError names each key that does not fit."""
    try:
        return TypeAdapter(kind).validate_python(dict(values))
    except ValidationError as error:
        raise InputError(wrong_values(error, partial(key_of, node, where))) from error


def key_of(node: DictConfig, where: str, parts: Sequence[object]) -> str:
    """The key where a value of a step was set: the run's own, if the step takes it from there."""
    names, holder = [str(part) for part in parts], node
    if names[0] in OF_RUN:
        return ".".join(names)
    for number, name in enumerate(list(names)):
        if isinstance(holder, DictConfig) and name not in holder and holder.get("name") == name:
            del names[number]  # which of a union's classes it is, by its `name`: no key
            break
        if not isinstance(holder, DictConfig) or name not in holder:
            break
        if OmegaConf.is_interpolation(holder, name):
            target = re.fullmatch(r"\$\{([\w.]+)\}", str(dict(holder.items_ex(resolve=False))[name]))
            return ".".join([target[1] if target else name, *names[number + 1 :]])
        holder = holder[name]
    return ".".join([where, *names])
