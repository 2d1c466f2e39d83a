"""python -m slurm.scheduler.begin FOLDER UMASK: how a task begins, and the executors of submitit whose tasks begin so.

A pickle executes what is in it. So only the user who sends tasks may write into the folder of their pickles, whatever
the umask is that a shared run needs, and a task loads only a pickle of its own user's.
"""

import os
import pickle
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from shlex import quote
from typing import Any, NoReturn

import submitit
from submitit.core import submission, utils

from slurm.credentials import redact
from slurm.errors import ReelmillError, TooEarlyError, is_disk_full
from slurm.owner import UntrustedError, read
from slurm.scheduler.accounting import DISK_FULL, GATED


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
    found = os.umask(0o077)
    os.umask(found)
    return found


class _Begins(submitit.core.core.PicklingExecutor):
    """Sends tasks that begin with `main`, under the umask of now."""

    mask = 0o022

    @property
    def _submitit_command_str(self) -> str:
        return f"{self.python} -u -m slurm.scheduler.begin {quote(str(self.folder))} {self.mask:o}"  # type: ignore[attr-defined]

    def _internal_process_submissions(self, delayed_submissions: list[Any]) -> list[Any]:
        self.mask = umask()
        with closed_to_others(self.folder):
            return super()._internal_process_submissions(delayed_submissions)


class SlurmExecutor(_Begins, submitit.SlurmExecutor):  # the names are submitit's, which knows executors by them
    pass


class LocalExecutor(_Begins, submitit.LocalExecutor):
    pass


def load(path: str | Path) -> Any:
    """What a pickle holds; UntrustedError if another user may have written it."""
    try:
        return pickle.loads(read(Path(path)).content)
    except UntrustedError as error:
        raise UntrustedError(f"this is not what was sent: look who did it, then resume: {error}") from None


def main(folder: str, mask: str) -> None:
    os.umask(int(mask, 8))
    sys.excepthook = lambda *error: print(redact("".join(traceback.format_exception(*error))), file=sys.stderr, end="")
    utils.pickle_load = load  # type: ignore[assignment]
    try:
        submission.process_job(folder)
    except (OSError, ReelmillError) as error:
        if is_disk_full(error):
            end(error, DISK_FULL)
        if isinstance(error, TooEarlyError):
            end(error, GATED)
        raise


def end(error: Exception, status: int) -> NoReturn:
    """Ends the process with this status: its last event and its log may have found no room, or get lost."""
    with suppress(OSError):
        sys.excepthook(type(error), error, error.__traceback__)
    sys.stdout = sys.stderr = None  # else what they hold may make the exit status another
    sys.exit(status)


if __name__ == "__main__":
    main(*sys.argv[1:])
