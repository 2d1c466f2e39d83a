"""A whole recipe: plans every step of conf/pipeline/<name>.yaml and submits them all at once.

python -m stages pipeline=clips run=NAME input.path=DIR [cluster=slurm] [steps.filter.rules.motion.min=0.01]
"""

from pathlib import Path
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf

from slurm.errors import InputError
from stages.core.runner.command import command
from stages.core.runner.compose import configured
from stages.core.runner.pipeline import Wanted, submit_steps


def wanted(cfg: DictConfig) -> list[Wanted]:
    """The recipe's steps in order; each is behind the one before unless it says `after`."""
    recipe = cast(dict[str, dict[str, Any] | None], OmegaConf.to_container(cfg.steps, resolve=True))
    order: list[Wanted] = []
    for name, given in recipe.items():
        changes = {"after": order[-1].name if order else None, **(given or {})}
        stage = changes.pop("stage", name)
        if stage not in stages():
            raise InputError(f"steps.{name}: there is no stage {stage!r}; stages: {', '.join(stages())}")
        if changes["after"] == "all":
            changes["after"] = [step.name for step in order]
        order.append(configured(str(stage), name, changes))
    if not order:
        raise InputError("the pipeline has no steps")
    return order


def stages() -> list[str]:
    return sorted(path.stem for path in Path(__file__).parent.glob("[a-z]*.py"))


if __name__ == "__main__":
    command("pipeline", lambda cfg: submit_steps(wanted(cfg)))
