"""How the commands start: `python -m stages <stage|recipe|package.module>`, and a stage's own."""

import logging
import os
import sys
from contextlib import redirect_stdout
from functools import partial
from io import StringIO
from typing import TYPE_CHECKING

import hydra
from hydra._internal.utils import get_args_parser
from omegaconf import DictConfig, OmegaConf

from slurm.conf import CONF, ERRORS, compose, explain
from slurm.credentials import conceal_all, masked, masked_at, redact
from slurm.ending import ROWS_STAY, ending
from slurm.errors import InputError
from slurm.screen import log_to
from stages.core.command_line.remembered import remember
from stages.core.command_line.usage import usage
from stages.core.command_line.words import Line, read_line

if TYPE_CHECKING:
    from stages.core.command_line.points import Point


def command(stage: str | None = None) -> None:
    """Runs the words of the command line for a stage, or for what they name; exits with 0, 1 or 2 (bad input)."""
    log_to(sys.stderr, "%(message)s")
    os.environ["HYDRA_FULL_ERROR"] = "1"  # errors come here instead of Hydra's own report
    with ending(ROWS_STAY):
        status = run(stage)
    sys.exit(status)


def run(stage: str | None) -> int:
    """Shows or submits what the command line asks for."""
    try:
        line = read_line(sys.argv[1:], stage if stage is None or "." in stage else f"stages.{stage}")
        if line.remembered:
            print(
                f"as the run remembers: {' '.join(masked(line.remembered))}",
                file=sys.stderr if line.flags else sys.stdout,
            )
        return show(line) if line.flags else submit(line)
    except ERRORS as error:
        raise InputError(explain(error)) from error


def show(line: Line) -> int:
    """What only shows something: our --help, --cfg job [--resolve], and what Hydra prints; without credentials."""
    if {"--help", "-h"} & {*line.flags}:
        print(usage(line))
        return 0
    asked = get_args_parser().parse_args(line.flags)
    if asked.cfg == "job":
        shown = compose("run", line.words)
        shown = OmegaConf.select(shown, asked.package) if asked.package else shown
        plain = OmegaConf.to_container(shown, resolve=asked.resolve) if OmegaConf.is_config(shown) else shown
        print(OmegaConf.to_yaml(OmegaConf.create(masked_at((asked.package or "").split("."), plain))), end="")
        return 0
    conceal_all(OmegaConf.to_container(compose("run", line.words)))

    def nothing(cfg: DictConfig) -> None:
        """Hydra has printed it."""

    sys.argv[1:] = [*line.flags, *line.words]
    out = sys.stdout
    with redirect_stdout(StringIO()) as printed:
        try:
            hydra.main(config_path=str(CONF), config_name="run", version_base="1.3")(nothing)()
        finally:
            print(redact(printed.getvalue()), end="", file=out)
    return 0


def submit(line: Line) -> int:
    """Plans and submits all that the line asks for; nothing if any of it is wrong. 1 if chunks failed."""
    from slurm.scheduler.backend import backend
    from stages.core.command_line.points import merge, points_of, unswept
    from stages.core.runner.pipeline import submit_steps  # here, since what is only shown needs no more than Hydra

    status, points, given = 0, points_of(line), unswept(line)
    common = points[0].order[0].common
    if backend(common.cluster).in_process:  # its tasks would log among what this command prints
        logging.getLogger("reelmill").setLevel(logging.WARNING)
    order = merge(points)
    for run in dict.fromkeys(wanted.run for wanted in order):
        own = [wanted for wanted in order if wanted.run == run]
        status = max(status, submit_steps(own, partial(remember, run, given)))
    if not common.dry_run and any(point.own for point in points):
        show_points(points, line.title)
    return status


def show_points(points: list["Point"], title: str) -> None:
    """The table of a sweep, beside the steps of its run."""
    from slurm.record.manifest import Step
    from stages.core.command_line.sweep import finish

    run = points[0].order[0].run
    rows = [(point.label, step, Step(run, name)) for point in points for step, name in point.own.items()]
    finish(rows, run / "sweeps" / title.replace("/", "_"), {point.label: point.swept for point in points})
