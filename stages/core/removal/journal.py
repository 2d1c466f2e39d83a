"""Changes of files that happen all or not at all, though whoever makes them may be killed at any instant.

First every new file is written beside the one that it will stand in for (`staged_of`), where no reader looks. Then the
list of all renames and removals is written, as one file: from here on it is decided, and whoever comes next does what
is left of it. Each of these acts may be repeated.
"""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from slurm.record.files import read_json, write_json
from slurm.removals import folder_of, staged_of


class Changes(NamedTuple):
    """Files whose new content lies at `staged_of`, and files that are to go."""

    replaced: list[Path]
    removed: list[Path]


def make(run: Path, changes: Changes) -> None:
    """Makes the changes, all of them as soon as their list is written."""
    if changes.replaced or changes.removed:
        write_json(_journal(run), [[str(path) for path in paths] for paths in changes], mode=0o600)
    finish(run)


def finish(run: Path) -> None:
    """Does what is left of changes that were decided."""
    try:
        replaced, removed = read_json(_journal(run))
    except FileNotFoundError:
        return
    for path in map(Path, replaced):
        if (ready := staged_of(path)).exists():
            ready.replace(path)
    remove(map(Path, removed))
    sync({path.parent for path in map(Path, [*replaced, *removed])})
    _journal(run).unlink()


def remove(paths: Iterable[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


def sync(folders: Iterable[Path]) -> None:
    """Has what became of the names in these folders reach the disk."""
    for folder in folders:
        if folder.is_dir():
            opened = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(opened)
            finally:
                os.close(opened)


def _journal(run: Path) -> Path:
    return folder_of(run) / ".changes.json"
