"""Looks whether anything of what was removed is left: in the name and the bytes of every file of a run and its stores.

It knows nothing of where things are kept: it is a look of its own at what others have cleaned.
"""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

from slurm.errors import InputError, ItemError
from stages.core.removal.contents import TornError, pieces_of
from stages.core.removal.files import store_roots, walk
from stages.core.removal.mentions import BESIDE, Mentions
from stages.core.storage.errors import ErrorCodes, translate_store_errors
from stages.core.storage.remote import open_file_system

CODES = ErrorCodes(missing="missing", forbidden="disk")


class Seen(NamedTuple):
    """A file, or an object, that still mentions what was removed, or of which that cannot be told."""

    place: str
    how: str
    what: str  # the name, or why it cannot be read


class Look(NamedTuple):
    files: int
    bytes: int
    seen: list[Seen]


def look(run: Path, mentions: Mentions) -> Look:
    """Looks at every file of a run and of the stores of its steps. Raises InputError where one cannot be read."""
    places = [run, *(Path(root) for root in store_roots(run) if "://" not in root)]
    apart = [place for place in places if not any(place != other and place.is_relative_to(other) for other in places)]
    addresses = [root for root in store_roots(run) if "://" in root]
    files = size = 0
    seen: list[Seen] = []
    for place, own_bytes, found in (*in_folders(dict.fromkeys(apart), mentions), *in_stores(addresses, mentions)):
        files, size = files + 1, size + own_bytes
        seen += [Seen(place, how, what) for how, what in found[:1]]
    return Look(files, size, seen)


Looked = tuple[str, int, list[tuple[str, str]]]  # a file, its bytes, and how it mentions what


def in_folders(folders: Iterable[Path], mentions: Mentions) -> Iterator[Looked]:
    for folder in folders:
        for path in walk(folder):
            named = [part for part in path.relative_to(folder).parts if mentions.in_text(part)]
            if path.is_symlink() and (name := mentions.in_text(str(path.readlink()))):
                yield str(path), 0, [("points to", name)]
                continue
            if named:
                yield str(path), 0, [("is named by", mentions.in_text(named[0]) or "")]
                continue
            if not path.is_file():  # a socket, a pipe, or a link to nothing
                yield str(path), 0, []
                continue
            with path.open("rb") as file:
                yield str(path), os.fstat(file.fileno()).st_size, in_file(file, mentions)


def in_stores(roots: Iterable[str], mentions: Mentions) -> Iterator[Looked]:
    for root in roots:
        try:
            with translate_store_errors(root, CODES):
                system, path = open_file_system(root)
                system.invalidate_cache()
                for name, facts in sorted(system.find(path, detail=True).items()):
                    address = str(system.unstrip_protocol(name))
                    inside = name.removeprefix(path)
                    if named := mentions.in_text(inside):
                        yield address, 0, [("is named by", named)]
                        continue
                    with system.open(name, "rb") as file:
                        yield address, int(facts["size"] or 0), in_file(cast(IO[bytes], cast(Any, file)), mentions)
        except ItemError as error:
            raise InputError(f"store {root} cannot be read, so nothing is proved: {error.detail}") from error


def in_file(file: IO[bytes], mentions: Mentions) -> list[tuple[str, str]]:
    """The first mention in a file: where, and whose."""
    overlap = mentions.longest + 2 * BESIDE
    try:
        for where, piece in pieces_of(file, overlap):
            if name := mentions.in_bytes(piece):
                return [(f"{where or 'bytes'}: mentions", name)]
    except TornError as error:
        return [("cannot be read:", str(error).partition("\n")[0])]
    return []
