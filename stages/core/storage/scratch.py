"""Node-local scratch: a task's own folder, and in it copies of media that lie in an object store.

It is below $SLURM_TMPDIR, else $TMPDIR, else where the system keeps temporary files.
"""

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from threading import Lock
from uuid import uuid4

from slurm.errors import ItemError
from stages.core.storage.kinds import kind_of
from stages.core.storage.remote import Codes, on_disk, shown

VARIABLE = "REELMILL_SCRATCH"  # tells a task's processes its folder
OURS = Codes(absent="missing", barred="unreadable")


class Scratch:
    """A task's folder; made when first needed, removed by `close`, or after a kill by the next task of the node.

    Processes that are started after it find it by `folder()`.
    """

    def __init__(self) -> None:
        self.path = own(above())
        os.environ[VARIABLE] = str(self.path)

    def close(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        if os.environ.get(VARIABLE) == str(self.path):
            del os.environ[VARIABLE]


def above() -> Path:
    """The folder of the node for temporary files."""
    given = [os.environ.get(name, "") for name in ("SLURM_TMPDIR", "TMPDIR")]
    usable = [place for place in given if place and os.access(place, os.W_OK | os.X_OK)]
    return Path(*usable[:1] or [tempfile.gettempdir()]).absolute()


def own(place: Path) -> Path:
    """A new name in `place` for this process, after what died processes of this user left beside it is removed."""
    for found in place.iterdir():
        if died(found.name):
            with suppress(FileNotFoundError):  # another task removes it too
                if found.lstat().st_uid == os.getuid():
                    shutil.rmtree(found, ignore_errors=True)
    return place / own_name()


def own_name() -> str:
    """A new name that tells this process: its host, the numbering of processes (a container has its own), its id."""
    return f"{_stem()}-{os.getpid()}-{uuid4().hex[:8]}"


def died(name: str) -> bool:
    """Whether it is the name of a process that is no more; False where it cannot be told from here."""
    begin, _, pid = name.rpartition("-")[0].rpartition("-")
    return begin == _stem() and pid.isdecimal() and not Path("/proc", pid).exists()


def _stem() -> str:
    return f"reelmill-{os.uname().nodename}-{Path('/proc/self/ns/pid').stat().st_ino}"


_lock = Lock()


def folder() -> Path:
    """The scratch of the task that this process belongs to; outside of a task, of this process."""
    with _lock:
        if VARIABLE not in os.environ:
            atexit.register(Scratch().close)
    made = Path(os.environ[VARIABLE])
    with on_disk(made):
        made.mkdir(mode=0o700, exist_ok=True)
    return made


@dataclass
class Copy:
    """A file brought from an address, into a folder of its own."""

    folder: Path
    file: Path | None = None
    users: int = 0
    fetching: Lock = field(default_factory=Lock)


_copies: dict[str, Copy] = {}


@contextmanager
def local(address: str) -> Iterator[Path]:
    """A local file with the content of the one at a path or address: that of a path itself, of an address a copy.

    A copy is kept until another is asked for, since the clips of a video follow one another. Raises ItemError:
    missing, unreadable, empty, disk, network (an address), and what is raised inside, with the address for the copy.
    """
    if kind_of(address) == "local":
        yield Path(address)
        return
    copy, file = _taken(address), None
    try:
        file = _fetched(copy, address)
        yield file
    except ItemError as error:
        raise ItemError(error.code, error.detail.replace(str(file or shown(address)), shown(address))) from error
    finally:
        with _lock:
            copy.users -= 1


def _taken(address: str) -> Copy:
    """The copy that is there or is to be made, with one user more; those that nobody uses are removed."""
    place = _of_process(folder())
    with _lock:
        for other in [name for name, copy in _copies.items() if name != address and not copy.users]:
            shutil.rmtree(_copies.pop(other).folder, ignore_errors=True)
        if address not in _copies or not _copies[address].folder.exists():
            with on_disk(place):
                _copies[address] = Copy(Path(tempfile.mkdtemp(dir=place)))
        _copies[address].users += 1
        return _copies[address]


def _fetched(copy: Copy, address: str) -> Path:
    from stages.core.storage.files import fetch_files

    with copy.fetching:
        if copy.file is None:
            copy.file = fetch_files(address, copy.folder, None, OURS)
        return copy.file


@cache
def _of_process(scratch: Path) -> Path:
    """A folder within the task's, so that what a killed worker leaves is removed by the next."""
    made = own(scratch)
    with on_disk(made):
        made.mkdir(mode=0o700)
    return made
