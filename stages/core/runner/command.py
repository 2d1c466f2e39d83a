"""How a stage's command starts: its config, composed by Hydra and checked, and errors that a person can read."""

import difflib
import logging
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hydra
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException
from pydantic import TypeAdapter, ValidationError

from slurm.errors import InputError, ReelmillError, check_name
from slurm.scheduler.cluster import FREE_KEYS, cpu_count
from stages.core.runner.config import Common
from stages.core.runner.stage import Stage

CONF = str(Path(__file__).parents[3] / "conf")


def command(config_name: str, do: Callable[[DictConfig], int]) -> None:
    """Composes the config and does something with it; every error that is the user's to mend is one message."""
    sys.argv[1:] = [re.sub(FREE_KEYS, r"++\1", word) for word in sys.argv[1:]]
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    os.environ["HYDRA_FULL_ERROR"] = "1"  # errors come here instead of Hydra's own report
    OmegaConf.register_new_resolver("cpu_count", cpu_count, replace=True)
    status = 0

    def run(cfg: DictConfig) -> None:
        nonlocal status
        with told() as refused:  # here, so that Hydra does not report it in its own way first
            status = max(status, do(cfg))
        status = max(status, refused())

    with told() as refused:
        hydra.main(config_path=CONF, config_name=config_name, version_base="1.3")(run)()
    sys.exit(max(status, refused()))


@contextmanager
def told() -> Iterator[Callable[[], int]]:
    """Prints an error that is the user's to mend; gives a function that tells the exit status: 2 if there was one."""
    status = 0
    try:
        yield lambda: status
    except (ReelmillError, HydraException, OmegaConfBaseException) as error:
        print(f"error: {explained(error)}", file=sys.stderr)
        status = 2
    except PermissionError as error:
        print(f"error: no permission to write {error.filename}: choose another place with runs=DIR", file=sys.stderr)
        status = 2


def explained(error: BaseException) -> str:
    """What a person reads: our own words as they stand; of Hydra's, which key is unknown and which are valid."""
    if isinstance(error, ReelmillError):
        return str(error)
    cause = error if isinstance(error, OmegaConfBaseException) else error.__cause__
    if isinstance(cause, ConfigKeyError | ConfigAttributeError) and isinstance(cause.parent_node, DictConfig):
        valid = [str(key) for key in cause.parent_node if key != "hydra"]
        near = difflib.get_close_matches(str(cause.key), valid, 1)
        meant = f" (did you mean {near[0]}?)" if near else ""
        return f"unknown key {cause.full_key}{meant}; valid there: {', '.join(valid)}"
    text = str(error).strip()
    return f"{text}: {cause}" if isinstance(error, HydraException) and cause and str(cause) not in text else text


def read(stage: Stage, cfg: DictConfig) -> tuple[Common, Any]:
    """The keys that every stage has, and the stage's own as its config class."""
    try:
        plain = OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        raise InputError(f"{error.full_key}: no value; say {error.full_key}=…") from error
    assert isinstance(plain, dict)
    names = set(Common.__dataclass_fields__)
    own = {str(k): v for k, v in plain.items() if k not in names}
    common = validate(Common, {str(k): v for k, v in plain.items() if k in names}, stage.name)
    check_name("run", common.run, Path(common.runs))
    check_name("step", common.step, Path(common.runs, common.run))
    return common, validate(stage.config, own, stage.name)


def validate(kind: type, values: dict[str, Any], where: str) -> Any:
    try:
        return TypeAdapter(kind).validate_python(values)
    except ValidationError as error:
        lines = [f"{'.'.join(str(p) for p in e['loc'])}: {e['msg']}, got {e['input']!r}" for e in error.errors()]
        raise InputError(f"config of {where}: " + "; ".join(lines)) from error


def launch(stage: Stage, cfg: DictConfig) -> int:
    """Plans one step, brings along what it needs and the run does not have, and submits."""
    from stages.core.runner.compose import with_missing
    from stages.core.runner.pipeline import Wanted, submit_steps

    return submit_steps(with_missing(Wanted(stage, *read(stage, cfg))))
