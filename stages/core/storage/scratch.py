"""Node-local scratch: a folder of each task, with local copies of media from an object store.

It is in $SLURM_TMPDIR, else $TMPDIR, else the system's folder for temporary files.
"""

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from threading import Lock

from slurm.errors import ItemError
from stages.core.schema.types import Row
from stages.core.storage.addresses import classify_address
from stages.core.storage.errors import ErrorCodes, hide_passwords, translate_disk_errors
from stages.core.storage.process_folders import new_process_folder

VARIABLE = "REELMILL_SCRATCH"  # the environment variable by which a task's processes find its folder
COPY_CODES = ErrorCodes(missing="missing", forbidden="unreadable")


class Scratch:
    """A task's scratch folder: created on first use, removed by `close`, or after a kill by the node's next task.

    Processes started afterwards find it by `scratch_folder()`.
    """

    def __init__(self) -> None:
        self.path = new_process_folder(temp_folder())
        os.environ[VARIABLE] = str(self.path)

    def close(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        if os.environ.get(VARIABLE) == str(self.path):
            del os.environ[VARIABLE]


def temp_folder() -> Path:
    """The node's folder for temporary files."""
    candidates = [os.environ.get(name, "") for name in ("SLURM_TMPDIR", "TMPDIR")]
    usable = [place for place in candidates if place and os.access(place, os.W_OK | os.X_OK)]
    return Path(*usable[:1] or [tempfile.gettempdir()]).absolute()


_lock = Lock()


def scratch_folder() -> Path:
    """The scratch folder of this process's task; outside of a task, one of this process. Raises ItemError disk."""
    with _lock:
        if VARIABLE not in os.environ:
            atexit.register(Scratch().close)
    made = Path(os.environ[VARIABLE])
    with translate_disk_errors(made):
        made.mkdir(mode=0o700, exist_ok=True)
    return made


@dataclass
class Copy:
    """A downloaded file, alone in its folder."""

    folder: Path
    file: Path | None = None
    users: int = 0
    fetching: Lock = field(default_factory=Lock)


_copies: dict[str, Copy] = {}


@contextmanager
def open_video_of(row: Row) -> Iterator[Path]:
    """A local file with the video of a row, by its `path`. Raises ItemError: not_downloaded, and as open_local_copy."""
    if not row["path"]:
        raise ItemError("not_downloaded", f"no local file of {row.get('url') or 'a video without a URL'}")
    with open_local_copy(str(row["path"])) as path:
        yield path


@contextmanager
def open_local_copy(address: str) -> Iterator[Path]:
    """A local file with the content at a path or address: the path itself, or a downloaded copy.

    A copy is kept until another address is opened, since the clips of a video follow one another. Raises ItemError:
    missing, unreadable, empty, disk, network (an address). In ItemErrors raised inside the `with` block the path of the
    copy is replaced by the address.
    """
    if classify_address(address) == "local":
        yield Path(address)
        return
    copy, file = _acquire(address), None
    try:
        file = _download(copy, address)
        yield file
    except ItemError as error:
        raise ItemError(
            error.code, error.detail.replace(str(file or hide_passwords(address)), hide_passwords(address))
        ) from error
    finally:
        with _lock:
            copy.users -= 1


def _acquire(address: str) -> Copy:
    """The existing or a new copy of the address, with its user count raised; removes unused copies of others."""
    place = _process_folder(scratch_folder())
    with _lock:
        for other in [name for name, copy in _copies.items() if name != address and not copy.users]:
            shutil.rmtree(_copies.pop(other).folder, ignore_errors=True)
        if address not in _copies or not _copies[address].folder.exists():
            with translate_disk_errors(place):
                _copies[address] = Copy(Path(tempfile.mkdtemp(dir=place)))
        _copies[address].users += 1
        return _copies[address]


def _download(copy: Copy, address: str) -> Path:
    from stages.core.storage.transfer import download_file

    with copy.fetching:
        if copy.file is None:
            copy.file = download_file(address, copy.folder, None, COPY_CODES)
        return copy.file


@cache
def _process_folder(scratch: Path) -> Path:
    """This process's folder in the task's scratch; the leftovers of killed workers there are removed."""
    made = new_process_folder(scratch)
    with translate_disk_errors(made):
        made.mkdir(mode=0o700)
    return made
