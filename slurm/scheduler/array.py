"""What a backend is given to run: one function, and what each task calls it with."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple

from slurm.errors import ClusterError

Watch = Callable[[], AbstractContextManager[Callable[[], None]]]  # opens a progress display; gives what redraws it


class Array(NamedTuple):
    """Tasks that are sent together, one for each of `arguments`."""

    function: Callable[[Any], None]  # of a module, by whose name it is found
    arguments: Sequence[Any]  # what JSON can hold
    folder: Path  # for its record, its script, and one log a task
    name: str  # of the job; no other job has it
    parallel: int  # tasks at once
    dependency: str | None = None  # in sbatch's words, e.g. "afterany:12"


def check_folder(folder: Path, replaced: str = "%") -> None:
    """Raises ClusterError if the path of a folder for logs has a character that submitit or sbatch would replace."""
    for place in (*reversed(folder.parents), folder):
        if wrong := [character for character in place.name if character in replaced]:
            raise ClusterError(
                f"{place}: no log can lie below a name with {wrong[0]!r}, for which Slurm and submitit put something "
                f"else: choose another place (runs=DIR, run=NAME or step=NAME)"
            )
