"""A zip file as one row of bytes, in one file or cut into several, here or behind a server that knows ranges."""

import io
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import accumulate, product
from pathlib import Path
from string import ascii_lowercase
from typing import Protocol

from slurm.errors import ItemError

TAIL_BYTES = 2**16 + 2**8  # the longest comment with the end records of both kinds, and often the directory
MAX_DIRECTORY_BYTES = 2**30  # ten million members; a torn end record may claim any size
BLOCK_BYTES = 2**20
GONE = {"missing", "removed"}  # the errors of a file that is not there
FIRST_PART = "_partaa"

Headers = Mapping[str, str]


class Ranges(Protocol):
    """Sizes and bytes [start, end) of files by their addresses; ItemError if they are not to be had, or fewer come."""

    def __hash__(self) -> int: ...

    def size(self, url: str, headers: Headers | None = None, /) -> int: ...

    def stream(self, url: str, start: int, end: int, headers: Headers | None = None, /) -> Iterator[bytes]: ...


@dataclass(frozen=True)
class Archive:
    """The zip file; its `files`, one after another, have `parts` bytes each. `headers` open them."""

    ranges: Ranges
    files: tuple[str, ...]
    parts: tuple[int, ...]
    headers: Headers = field(repr=False)  # there may be a token in them

    @property
    def size(self) -> int:
        return sum(self.parts)

    def stream(self, start: int, end: int) -> Iterator[bytes]:
        """The bytes [start, end), with a request for every file in which they lie."""
        for file, size, file_end in zip(self.files, self.parts, accumulate(self.parts), strict=True):
            first, last = max(start - file_end + size, 0), min(end - file_end + size, size)
            if first < last:
                yield from self.ranges.stream(file, first, last, self.headers)


def open_archive(ranges: Ranges, zip_address: str, parts: tuple[int, ...] = ()) -> Archive:
    """The zip file at a path or an address; the sizes of its files are asked for where they are not given."""
    scheme, separator, _ = zip_address.partition("://")
    if separator and scheme not in ("http", "https", "hf"):
        raise ItemError("bad_value", f"{zip_address}: a zip file is a local path, or at http(s):// or hf://")
    url, headers, source = zip_address, dict[str, str](), ranges if separator else Disk()
    if scheme == "hf":
        from stages.core.storage.files import hub_url

        url, headers = hub_url(zip_address)
    files = part_files(url)
    sizes = parts[: len(files)] or tuple(part_sizes(source, files, headers))
    return Archive(source, tuple(files[: len(sizes)]), sizes, headers)


def part_files(first: str) -> list[str]:
    """What the files are called if there are as many as there can be, as `split` names them: _partaa, _partab, …"""
    if not first.endswith(FIRST_PART):
        return [first]
    return [first[:-2] + a + b for a, b in product(ascii_lowercase, repeat=2)]


def part_sizes(ranges: Ranges, files: list[str], headers: Headers) -> Iterator[int]:
    """The bytes of each, up to the first that is not there, which must not be the first of all."""
    for number, file in enumerate(files):
        try:
            yield ranges.size(file, headers)
        except ItemError as error:
            if number == 0 or error.code not in GONE:
                raise
            return


class End:
    """A zip file of which only the end is read, for zipfile's parser: the tail, and what is asked for before it."""

    def __init__(self, archive: Archive) -> None:
        self.archive, self.at = archive, 0
        self.begin = max(0, archive.size - TAIL_BYTES)
        self.known = b"".join(archive.stream(self.begin, archive.size))

    def tell(self) -> int:
        return self.at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self.at, io.SEEK_END: self.archive.size}[whence]
        if at < 0:
            raise OSError(f"byte {at} is before the beginning")
        self.at = at
        return at

    def read(self, length: int = -1) -> bytes:
        if self.at < self.begin:
            if self.archive.size - self.at > MAX_DIRECTORY_BYTES:
                raise zipfile.BadZipFile(f"a directory of {self.archive.size - self.at} bytes")
            self.known = b"".join([*self.archive.stream(self.at, self.begin), self.known])
            self.begin = self.at
        start = self.at - self.begin
        found = self.known[start : None if length < 0 else start + length]
        self.at += len(found)
        return found


class Disk:
    """Ranges of local files."""

    def size(self, path: str, headers: Headers | None = None) -> int:
        with disk_errors(path):
            return Path(path).stat().st_size

    def stream(self, path: str, start: int, end: int, headers: Headers | None = None) -> Iterator[bytes]:
        with disk_errors(path), Path(path).open("rb") as file:
            file.seek(start)
            while start < end:
                chunk = file.read(min(BLOCK_BYTES, end - start))
                if not chunk:
                    raise ItemError("corrupt", f"{path}: ends at byte {start}, before {end}")
                start += len(chunk)
                yield chunk


@contextmanager
def disk_errors(path: str) -> Iterator[None]:
    """Turns what a local file meets into an ItemError: missing, unreadable."""
    try:
        yield
    except FileNotFoundError as error:
        raise ItemError("missing", path) from error
    except OSError as error:
        raise ItemError("unreadable", f"{path}: {error}") from error
