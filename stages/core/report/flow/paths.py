"""Where what the steps made lies, below the folder of the run."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from slurm.credentials import redact
from slurm.record.files import names, read_json
from slurm.record.manifest import Step


class Paths(NamedTuple):
    """Paths below the run; `media`: "" if the step writes no files."""

    step: Step
    rows: str
    tables: list[str]
    media: str
    logs: str


def list_paths(steps: Sequence[Step]) -> list[Paths]:
    """Where the steps' rows, side tables, files and logs lie, as far as they are there."""
    return [
        Paths(
            step,
            f"{step.name}/parts/",
            [f"tables/{step.name}/{table}/" for table in names(step.paths.tables)],
            f"{step.name}/media/" if step.paths.media.exists() else "",
            f"{step.name}/logs/" if step.paths.logs.exists() else "",
        )
        for step in steps
    ]


def read_settings(run: Path) -> dict[str, str]:
    """What the run remembers of the commands that made it, without passwords: key → the word."""
    try:
        words = read_json(run / "run.json")["words"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return {str(key): redact(str(word)) for key, word in words.items()} if isinstance(words, dict) else {}
