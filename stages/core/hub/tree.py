"""The files of a dataset, here and on the Hub, and in what they differ."""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from slurm.errors import InputError
from stages.core.storage.walk import find_files


class File(NamedTuple):
    """A file here: its path in the dataset, where it lies, and the SHA-256 that it had when it was packed."""

    path: str
    local: Path
    bytes: int
    sha256: str | None


class Remote(NamedTuple):
    """A file on the Hub; `oid` is the SHA-256 of a large one, else git's hash of it."""

    bytes: int
    oid: str
    large: bool


def list_tree(folder: Path, checksums: Mapping[str, str]) -> list[File]:
    """The files of a folder, by their paths in it. Raises InputError for a link that leads nowhere."""
    found = []
    for file in find_files(folder).files:
        name = file.relative_to(folder).as_posix()
        try:
            found.append(File(name, file, file.stat().st_size, checksums.get(name)))
        except OSError as error:
            raise InputError(f"{file} cannot be read: {error.strerror}; pack it again") from error
    return sorted(found)


def check_files(files: Iterable[File]) -> None:
    """Raises InputError for a file that is another one than when it was made."""
    for file in files:
        if file.sha256 is not None and (now := hash_file(file.local)) != file.sha256:
            raise InputError(
                f"{file.path}: its SHA-256 is {now}, and was {file.sha256} when it was packed: it was changed or "
                f"damaged since; pack it again (overwrite=STEP)"
            )


def is_same(file: File, remote: Remote | None) -> bool:
    """Whether the Hub has the file with these bytes."""
    if remote is None or remote.bytes != file.bytes:
        return False
    if remote.large:
        return remote.oid == (file.sha256 or hash_file(file.local))
    return remote.oid == git_hash(file.local)


def hash_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def git_hash(path: Path) -> str:
    """Git's name of a file with this content."""
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
