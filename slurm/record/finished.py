"""Reads done records, and looks whether the files that they name are there: a filesystem may be purged, a disk full."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from pydantic_core import from_json

from slurm.record.done import Done, from_record
from slurm.record.files import contents, names, sizes_of
from slurm.record.formats import FORMAT, DamagedError, check_format
from slurm.record.paths import ROWS, StepPaths


class Broken(NamedTuple):
    """A chunk that was finished, and of which a file is gone, or its record cannot be read."""

    chunk: int
    lacks: str  # what is the matter with which file
    record: Done | None


Folder = tuple[list[Done], list[Broken]]  # the records of a thousand chunks: those with all their files, and the others


def read_record_of(paths: StepPaths, chunk: int) -> Done | Broken | None:
    """The done record of a chunk; None if there is none."""
    path = paths.done(chunk)
    try:
        content = _parse(path.read_bytes())
    except FileNotFoundError:
        return None
    record = _record(paths, chunk, content)
    if isinstance(record, Broken):
        return record
    wrong = lacks(paths, record)
    return Broken(chunk, wrong, record) if wrong else record


def lacks(paths: StepPaths, record: Done) -> str:
    """What is the matter with the first file of a record that is not as it was written; "" if all are."""
    for number, table in enumerate((ROWS, *record.tables)):
        path = paths.part(record.part, table)
        try:
            size = path.stat().st_size
        except FileNotFoundError:
            return f"{path.relative_to(paths.run)} is gone"
        if record.sizes and size != record.sizes[number]:
            wanted = f"it has {size:,} bytes, not {record.sizes[number]:,}"
            return f"{path.relative_to(paths.run)} is damaged: {wanted}"
    return ""


def read_folder(paths: StepPaths, folder: str, *, sizes: bool = False) -> Folder:
    """The done records in a folder of a thousand chunks, by chunk.

    With `sizes` files are looked at, too: where they lie on many servers (Lustre) that is a question for each.
    """
    numbered = ((name.removesuffix(".json"), content) for name, content in contents(paths.dones / folder))
    files = [(int(number), content) for number, content in numbered if number.isdigit()]
    try:  # a thousand at once is faster than one by one
        values = from_json(b"[" + b",".join(content for _, content in files) + b"]")
    except ValueError:
        values = []
    if len(values) != len(files):
        values = [_parse(content) for _, content in files]
    there: dict[str, dict[str, int]] = {}
    whole: list[Done] = []
    broken: list[Broken] = []
    for (chunk, _), content in zip(files, values, strict=True):
        record: Done | Broken | None = _record(paths, chunk, content)
        if isinstance(record, Done) and not _is_whole(paths, folder, record, there, sizes=sizes):
            record = read_record_of(paths, chunk)  # perhaps it was replaced since, and its files put away
        if isinstance(record, Done):
            whole.append(record)
        elif record:
            broken.append(record)
    return whole, broken


def usable(found: Folder, fingerprint: str) -> Iterator[Done]:
    """The records with all their files, and those of another fingerprint than this one, whose files are elsewhere."""
    whole, broken = found
    others = [record for _, _, record in broken if record and record.fingerprint != fingerprint]
    yield from sorted([*whole, *others], key=lambda record: record.chunk) if others else whole


def _parse(content: bytes) -> Any:
    try:
        return from_json(content)
    except ValueError:
        return None


def _record(paths: StepPaths, chunk: int, content: Any) -> Done | Broken:
    """The content of a chunk's file as a record. Raises InputError for another format."""
    try:
        if content.get("format") != FORMAT:
            check_format(paths.done(chunk), content)
        record = from_record(content)
    except (AttributeError, TypeError, DamagedError):
        record = None
    if record is None or record.chunk != chunk:
        return Broken(chunk, f"{paths.done(chunk).relative_to(paths.run)} is damaged", None)
    return record


def _is_whole(paths: StepPaths, folder: str, record: Done, there: dict[str, dict[str, int]], *, sizes: bool) -> bool:
    """Whether the files that the record names are in their folders; `there` are their sizes, once they are listed.

    With `sizes` they must be as long as they were written, too.
    """
    name, found = record.part.rpartition("/")[2], []
    for table in (ROWS, *record.tables):
        if table not in there:
            place = paths.part(folder, table)
            there[table] = sizes_of(place) if sizes else dict.fromkeys(names(place), -1)
        found.append(there[table].get(name))
    return None not in found and (not sizes or not record.sizes or found == record.sizes)
