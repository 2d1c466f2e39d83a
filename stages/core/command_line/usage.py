"""What `--help` prints: the keys of each step that it does not take from the run, those of the run, and the choices."""

from typing import Any

from omegaconf import DictConfig, OmegaConf

from slurm.conf import compose
from slurm.credentials import masked
from stages.core.command_line.words import STEP_KEYS, Line


def usage(line: Line) -> str:
    """The text for a command line; its configs are composed, and need no value yet."""
    cfg = compose("run", line.words)
    run = {str(key): value for key, value in cfg.items_ex(resolve=False) if key != "steps"}
    steps = {str(name): own_keys(node) for name, node in cfg.steps.items()}
    if line.step is None:
        head = [f"python -m stages {line.title} run=NAME [key=value …]", "", "# the steps: steps.STEP.KEY=value"]
        keys = {"steps": steps}
    else:
        head = [f"python -m stages.{line.title} run=NAME [key=value …]", "", "# its own keys"]
        keys = steps[line.step]
    groups = ((group, line.folders.listed(group)) for group in line.folders.groups())
    return "\n".join(
        [
            *head,
            OmegaConf.to_yaml(masked_config(keys)),
            "# the keys of the run; they hold for every step that has no value of its own",
            OmegaConf.to_yaml(masked_config(run)),
            "# what can be chosen",
            *(f"{group}={'|'.join(names)}" for group, names in groups if names),
            "",
            "The files of conf/ explain the keys; --cfg job shows all of them, --cfg job --resolve their values.",
        ]
    )


def masked_config(keys: dict[str, Any]) -> Any:
    """The keys without credentials, their interpolations as they stand."""
    return OmegaConf.create(masked(OmegaConf.to_container(OmegaConf.create(keys))))


def own_keys(node: DictConfig) -> dict[str, Any]:
    """The keys of a step, without those whose values are the run's."""
    keys = {str(key): value for key, value in node.items_ex(resolve=False)}
    for group in STEP_KEYS:
        held = keys.pop(group)
        if own := {key: held[key] for key in held if not OmegaConf.is_interpolation(held, key)}:
            keys[group] = own
    return keys
