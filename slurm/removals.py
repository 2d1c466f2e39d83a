"""What was taken out of a run for good: a record of each removal, which names nobody, and of one that is under way.

<run>/removals/<number>.json       a removal that is finished (`Removal`): the version that the dataset has since
<run>/removals/.unfinished.json    what one that is under way has to do, for its owner alone: while it is there nothing
                                   is submitted, since tasks might bring back what is being taken out
"""

import hmac
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from slurm.errors import InputError
from slurm.record.files import names
from slurm.record.formats import read_record

FOLDER = "removals"
FIRST_VERSION = 1  # of the dataset, before anything was removed


class Removal(NamedTuple):
    """A removal. `rows` and `shards` go by step; of steps that made a release, `released` says which of these rows."""

    version: int
    date: str  # UTC, as 2024-01-31T12:00:00Z
    videos: int
    rows: dict[str, int]  # of the main tables
    released: dict[str, int]  # rows that a release had, and has no more
    shards: dict[str, int]  # of releases: those that were written anew, or are gone
    files: int  # that are gone
    salt: str
    hashes: list[str]  # of the names by which a catalogue would bring the videos back, see `hash_name`


def folder_of(run: Path) -> Path:
    return run / FOLDER


def unfinished_of(run: Path) -> Path:
    return folder_of(run) / ".unfinished.json"


def path_of(run: Path, version: int) -> Path:
    return folder_of(run) / f"{version:04d}.json"


def staged_of(path: Path) -> Path:
    """Where a file lies that is to stand in for the one at `path`, until all are ready that belong together."""
    return path.with_name(f".{path.name}.removal.tmp")


def removals(run: Path) -> list[Removal]:
    """What was removed from the run, the first time first."""
    files = [folder_of(run) / name for name in names(folder_of(run)) if name.endswith(".json")]
    return [read_record(file, Removal, decides=False) for file in files]


def version_of(run: Path) -> int:
    """The version of the run's dataset: each removal raises it."""
    return max((removal.version for removal in removals(run)), default=FIRST_VERSION)


def new_salt(run: Path) -> str:
    """The salt of the run's removals, which all have the same."""
    return next((removal.salt for removal in removals(run)), None) or secrets.token_hex(16)


def hash_name(salt: str, name: str) -> str:
    """32 hex digits by which a name is known again, and that tell it to nobody."""
    return hmac.new(bytes.fromhex(salt), name.encode(errors="surrogateescape"), "sha256").hexdigest()[:32]


class Ledger:
    """The names that were removed from a run, as far as they can be told: whether one is among them."""

    def __init__(self, run: Path) -> None:
        found = removals(run)
        self.salt = found[0].salt if found else ""
        self.versions = {digest: one.version for one in found for digest in one.hashes}

    def __bool__(self) -> bool:
        return bool(self.versions)

    def version(self, name: str) -> int | None:
        """The version since which a name is gone; None if it was not removed."""
        return self.versions.get(hash_name(self.salt, name)) if self.versions else None

    def holds(self, values: Iterable[str | None]) -> list[bool]:
        return [value is not None and self.version(value) is not None for value in values]


def refuse_unfinished(run: Path) -> None:
    """Raises InputError while a removal is not finished."""
    if unfinished_of(run).exists():
        raise InputError(
            f"videos are being taken out of run {run.name!r}, and that is not finished: python -m scripts.opt_out "
            f"run={run.name} finishes it; until then nothing is submitted"
        )


def removed_since(run: Path, name: str) -> Removal | None:
    """The removal that took a name out of the run."""
    version = Ledger(run).version(name)
    return next((one for one in removals(run) if one.version == version), None)


def hashes_of(salt: str, given: Iterable[str]) -> list[str]:
    return sorted({hash_name(salt, name) for name in given})
