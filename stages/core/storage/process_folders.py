"""Folders that belong to one process each, whose names tell which; those of dead processes can be found and removed."""

import os
import shutil
from contextlib import suppress
from pathlib import Path
from uuid import uuid4


def new_process_folder(parent: Path) -> Path:
    """An unused path in `parent` for this process; first removes this user's folders there whose process is dead."""
    for other in parent.iterdir():
        if is_process_dead(other.name):
            with suppress(FileNotFoundError):  # another task removes it too
                if other.lstat().st_uid == os.getuid():
                    shutil.rmtree(other, ignore_errors=True)
    return parent / new_process_name()


def new_process_name() -> str:
    """An unused folder name that identifies this process: host, pid namespace (a container has its own), pid."""
    return f"{_stem()}-{os.getpid()}-{uuid4().hex[:8]}"


def is_process_dead(name: str) -> bool:
    """Whether the process of this folder name has ended; False if it cannot be known on this host."""
    stem, _, pid = name.rpartition("-")[0].rpartition("-")
    return stem == _stem() and pid.isdecimal() and not Path("/proc", pid).exists()


def _stem() -> str:
    return f"reelmill-{os.uname().nodename}-{Path('/proc/self/ns/pid').stat().st_ino}"
