"""The files that are released: read from wherever they lie in pieces, and held against what is known of them."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

from slurm.errors import ItemError
from slurm.record.files import replacing
from stages.core.storage.addresses import classify_address
from stages.core.storage.scratch import open_local_copy

PIECE_BYTES = 1 << 22


class Item(NamedTuple):
    """A file to be released, by its path or address, and what a step before measured of it; None: nothing."""

    key: str
    address: str | None
    bytes: int | None
    sha256: str | None = None
    offset: int | None = None  # where it begins in the file at the address, a shard; None: it is that file


class Media:
    """An open file of `bytes` bytes at `path`; its `sha256`, in hex digits, is there when all pieces were read."""

    def __init__(self, item: Item, path: Path, file: IO[bytes], size: int) -> None:
        self.path, self.bytes, self.sha256 = path, size, ""
        self._item, self._file = item, file

    def pieces(self) -> Iterator[memoryview]:
        """All of it; a piece holds until the next one is asked for.

        Raises ItemError: unreadable; changed if it is another file than the one that was measured.
        """
        digest, buffer, left = hashlib.sha256(), memoryview(bytearray(min(PIECE_BYTES, self.bytes))), self.bytes
        while left:
            try:
                got = self._file.readinto(buffer[: min(left, len(buffer))])  # type: ignore[attr-defined]
            except OSError as error:
                raise ItemError("unreadable", f"{self._item.address}: {error}") from error
            if not got:
                raise ItemError("changed", f"{self._item.address}: it became shorter while it was read")
            left -= got
            digest.update(buffer[:got])
            yield buffer[:got]
        self.sha256 = digest.hexdigest()
        if self._item.sha256 not in (None, self.sha256):
            raise ItemError("changed", f"{self._item.address}: SHA-256 is {self.sha256}, and was {self._item.sha256}")


@contextmanager
def open_media(item: Item) -> Iterator[Media]:
    """The file of an item.

    Raises ItemError: missing, unreadable, empty, changed (its size), hidden_frames, disk, network.
    """
    from stages.core.release.hidden import count_hidden

    if not item.address:
        raise ItemError("missing", f"{item.key} has no file")
    with open_local_copy(item.address) as path:
        try:
            file = path.open("rb", buffering=0)
        except FileNotFoundError as error:
            raise ItemError("missing", item.address) from error
        except OSError as error:
            raise ItemError("unreadable", f"{item.address}: {error.strerror}") from error
        with file:
            size = os.fstat(file.fileno()).st_size
            if item.offset is not None and item.bytes is not None:
                file.seek(item.offset)
                yield Media(item, path, file, item.bytes)
                return
            if not size:
                raise ItemError("empty", item.address)
            if item.bytes not in (None, size):
                raise ItemError("changed", f"{item.address}: it has {size} bytes, and had {item.bytes}")
            if hidden := count_hidden(path):
                raise ItemError(
                    "hidden_frames",
                    f"{item.address}: an edit list hides {hidden} frames, in whose place some readers show others: "
                    f"release what cut makes of it",
                )
            yield Media(item, path, file, size)


def copy_media(item: Item, file: Path) -> Media:
    """Writes the file of an item, whole or not at all. Raises ItemError."""
    with open_media(item) as media:
        write_media(media, file)
    return media


def write_media(media: Media, file: Path) -> None:
    with replacing(file) as temporary, temporary.open("wb") as out:
        for piece in media.pieces():
            out.write(piece)


def size_of(item: Item) -> int:
    """The size of a file as it was measured, else as it is now; 0 where there is none."""
    from stages.core.storage import objects

    if item.bytes is not None or not item.address:
        return item.bytes or 0
    try:
        if classify_address(item.address) == "local":
            return Path(item.address).stat().st_size
        return objects.size(item.address) or 0
    except (OSError, ItemError):  # it fails when it is read
        return 0
