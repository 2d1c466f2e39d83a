"""The command of a stage, by its module: what `python -m stages.<name>` runs."""

from stages.core.runner.stage import Stage


def main(stage: Stage) -> None:
    """Runs the words of the command line; exits with 0 (done or submitted), 1 (chunks failed) or 2 (bad input)."""
    from stages.core.command_line.command import command  # here, since tasks and their workers need no Hydra

    command(stage.name)
