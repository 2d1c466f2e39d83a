"""What `status` read of a step and need not read again: done records, and attempts that have ended.

<run>/<step>/.cache     one file, replaced as a whole by whoever looked last; it may be removed at any time

A folder's content is taken from the cache if the folder is as it was when that was read, and had then been at rest for
SETTLED_S: where clocks tick in seconds (NFS) or differ between nodes (Lustre), a change right after a read may leave
the time as it was. Tasks read the records themselves, and so does `resume` but for attempts that have ended.
"""

import marshal
import os
import sys
import time
import zlib
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from slurm import owner
from slurm.record.done import Done
from slurm.record.files import names, replacing
from slurm.record.finished import Broken, Folder, read_folder
from slurm.record.formats import FORMAT
from slurm.record.history import Past, read_attempt
from slurm.record.manifest import Step
from slurm.record.paths import ROWS, bucket, chunk_name

SETTLED_S = 60.0
LEAST = 1000  # fewer records are read as fast without a cache
WORTH = 0.1  # the share of new content from which on it is written again: that takes a tenth of the time of reading

Stamp = tuple[int, ...]  # of a folder: inode, mtime and ctime in ns
Row = tuple[Any, ...]
Dones = dict[str, tuple[Stamp, list[Row], list[Row]]]  # by folder: records with all their files, and broken ones
Attempted = tuple[Stamp, list[Row], list[str]]  # of a chunk: attempts that have ended, names of those that are open


class Cache:
    """The records of a step, read from its cache as far as that holds them."""

    def __init__(self, step: Step, least: int = LEAST) -> None:
        self.step, self.least = step, least
        self._done, self._attempts = self._load()
        self._kept: tuple[Dones, dict[int, Attempted]] = {}, {}  # what the next cache will hold
        self._read = 0  # records among these that the old one lacks
        self._now_ns: int | None = None

    def folders(self) -> Iterator[Folder]:
        """As `Step.folders`."""
        paths = self.step.paths
        for folder in names(paths.dones):
            places = [paths.dones / folder, *(paths.part(folder, table) for table in (ROWS, *self.step.plan.tables))]
            stamp = tuple(chain.from_iterable(_stamp(str(place)) for place in places))
            entry, settled = self._done.get(folder), True
            if entry is None or entry[0] != stamp:
                settled = self._settled(stamp)
                whole, broken = read_folder(paths, folder)
                entry = stamp, [tuple(r) for r in whole], [(c, lacks, r and tuple(r)) for c, lacks, r in broken]
                self._read += len(whole) + len(broken) if settled else 0
            if settled:
                self._kept[0][folder] = entry
            broken = [Broken(chunk, lacks, Done._make(row) if row else None) for chunk, lacks, row in entry[2]]
            yield list(map(Done._make, entry[1])), broken

    def histories(self, chunks: Iterable[int]) -> dict[int, list[Past]]:
        """Of each chunk that was tried, its attempts as `history` gives them."""
        fingerprint, root = self.step.plan.fingerprint, str(self.step.paths.attempts)
        found = {}
        for chunk in chunks:
            folder = f"{root}/{bucket(chunk)}/{chunk_name(chunk)}"
            stamp, entry = _stamp(folder), self._attempts.get(chunk)
            if entry is None or entry[0] != stamp:
                entry, settled = (stamp, [], names(folder)), self._settled(stamp)
            else:
                settled = True
            if entry[2]:
                entry, past = self._read_open(folder, entry)
            else:
                past = [Past._make(row) for row in entry[1]]
            if settled:
                self._kept[1][chunk] = entry
            past = [attempt for attempt in past if attempt.fingerprint in ("", fingerprint)]
            if past:
                found[chunk] = sorted(past, key=lambda p: (p.started, p.name)) if len(past) > 1 else past
        return found

    def _read_open(self, folder: str, entry: Attempted) -> tuple[Attempted, list[Past]]:
        """The entry with those of its open attempts that have ended since, and all its attempts."""
        ended, still_open = list(entry[1]), []
        past = [Past._make(row) for row in ended]
        for name in entry[2]:
            attempt = read_attempt(folder, name)
            past += [attempt] if attempt else []
            if attempt and _has_ended(attempt):
                ended.append(tuple(attempt))
                self._read += 1
            else:
                still_open.append(name)
        return (entry[0], ended, still_open), past

    def save(self) -> None:
        """Replaces the cache, if enough was read that it lacks. Where nothing can be written there is none."""
        size = sum(len(whole) + len(torn) for _, whole, torn in self._kept[0].values())
        size += sum(len(ended) for _, ended, _ in self._kept[1].values())
        if size < self.least or self._read < WORTH * size:
            return
        try:
            content = marshal.dumps(self._kept)
            with replacing(self.step.paths.cache) as temporary:
                temporary.write_bytes(_head(content) + content)
                temporary.chmod(temporary.stat().st_mode & ~0o022)  # else it would not be trusted
        except (OSError, ValueError):  # no space, or no permission
            return

    def _load(self) -> tuple[Dones, dict[int, Attempted]]:
        """The content of the cache; nothing if there is none, it is damaged, another's, or of another version."""
        try:
            text = owner.read(self.step.paths.cache)
            head, _, content = text.content.partition(b"\n")
        except (OSError, owner.UntrustedError):  # what marshal loads must not be just anybody's
            return {}, {}
        if not text.obeyed or head + b"\n" != _head(content):
            return {}, {}
        loaded: tuple[Dones, dict[int, Attempted]] = marshal.loads(content)
        return loaded

    def _settled(self, stamp: Stamp) -> bool:
        """Whether folders with this stamp were at rest for SETTLED_S when they begin to be read, which is now."""
        if self._now_ns is None:
            self._now_ns = _clock_ns(self.step.paths.cache)
        return all(time_ns < self._now_ns - SETTLED_S * 1e9 for time_ns in stamp[1::3])


def _head(content: bytes) -> bytes:
    """The first line of a cache: all on which it depends, and a sum over what follows."""
    fields = [*Done._fields, *Past._fields]
    return f"{FORMAT} {sys.version_info[:2]} {fields} {zlib.crc32(content)}\n".encode()


def _has_ended(past: Past) -> bool:
    return past.cause is not None and past.last < time.time() - SETTLED_S


def _stamp(folder: str) -> Stamp:
    """Inode, mtime and ctime (ns) of a folder; nothing if there is none.

    It is opened, since NFS then asks the server, where stat alone may answer with what it heard a minute ago.
    """
    try:
        opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return ()
    try:
        about = os.fstat(opened)
    finally:
        os.close(opened)
    return about.st_ino, about.st_mtime_ns, about.st_ctime_ns


def _clock_ns(path: Path) -> int:
    """The time by the clock of the filesystem, which need not be ours; 0 where nothing can be written."""
    try:
        with NamedTemporaryFile(dir=path.parent, prefix=f"{path.name}.") as file:
            return os.fstat(file.fileno()).st_mtime_ns
    except OSError:
        return 0
