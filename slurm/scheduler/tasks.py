"""What the tasks of an array do: one record for all of them, in a folder where nobody else writes.

FOLDER/tasks-….json     the function, by its module and name, and what each task calls it with

The record says what is executed. So only the user who sends tasks may write into its folder, whatever the umask is that
a shared run needs, and a task obeys only a record of its own user's.
"""

import importlib
import json
import os
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from slurm.owner import UntrustedError, read


@contextmanager
def closed_to_others(folder: Path) -> Iterator[None]:
    """Makes the folder. What is written there meanwhile nobody else can write; scripts nobody else can read either.

    Raises UntrustedError if it is another user's.
    """
    folder.mkdir(parents=True, exist_ok=True)
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        about = os.fstat(opened)
        if about.st_uid != os.geteuid():
            raise UntrustedError(f"{folder} is another user's, who could change what tasks execute: move it away")
        group = about.st_mode & 0o2000
        os.fchmod(opened, 0o700 | group)
        before = umask()
        os.umask(before | 0o022)
        try:
            yield
        finally:
            os.umask(before)
            for script in folder.glob("*.sh"):  # its lines may hold what is no concern of others; Slurm has a copy
                if not script.is_symlink():
                    script.chmod(0o600)
            os.fchmod(opened, (0o755 & ~before) | group)
    finally:
        os.close(opened)


def umask() -> int:
    """This process's umask."""
    now = os.umask(0o077)
    os.umask(now)
    return now


def write_tasks(folder: Path, function: Callable[[Any], None], arguments: Sequence[Any]) -> Path:
    """Writes the record; gives where it lies. Arguments are what JSON can hold."""
    record = folder / f"tasks-{uuid.uuid4().hex}.json"
    work = {"function": f"{function.__module__}:{function.__qualname__}", "arguments": [*arguments]}
    with closed_to_others(folder), record.open("x") as file:  # no task begins before it is whole
        json.dump(work, file)
        file.flush()
        os.fsync(file.fileno())
    return record


def read_task(record: Path, number: int) -> tuple[Callable[[Any], None], Any]:
    """The function and the argument of a task. Raises UntrustedError if another user may have written the record."""
    try:
        work = json.loads(read(record).content)
    except UntrustedError as error:
        raise UntrustedError(f"this is not what was sent: look who did it, then resume: {error}") from None
    module, _, name = work["function"].partition(":")
    function: Callable[[Any], None] = getattr(importlib.import_module(module), name)
    return function, work["arguments"][number]
