"""What a backend is given to run: one function, and what each task calls it with."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple

Watch = Callable[[], AbstractContextManager[Callable[[], None]]]  # opens a progress display; gives what redraws it


class Array(NamedTuple):
    """Tasks that are sent together, one for each of `arguments`."""

    function: Callable[[Any], None]
    arguments: Sequence[Any]
    folder: Path  # for scripts and pickles, and one log a task
    name: str  # of the job; no other job has it
    parallel: int  # tasks at once
    dependency: str | None = None  # in sbatch's words, e.g. "afterany:12"
