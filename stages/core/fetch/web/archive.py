"""A zip file as one sequence of bytes: in one file or split into several, local or on a server with range requests."""

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

TAIL_BYTES = 2**16 + 2**8  # longest comment + end records (zip and zip64); often includes the whole directory
MAX_DIRECTORY_BYTES = 2**30  # ten million members; a damaged end record may claim any size
BLOCK_BYTES = 2**20
GONE = {"missing", "removed"}  # error codes of a file that does not exist
FIRST_PART = "_partaa"

Headers = Mapping[str, str]


class RangeReader(Protocol):
    """Reads sizes and byte ranges [start, end) of files by address. Raises ItemError, also if fewer bytes arrive."""

    def __hash__(self) -> int: ...

    def size(self, url: str, headers: Headers | None = None, /) -> int: ...

    def stream(self, url: str, start: int, end: int, headers: Headers | None = None, /) -> Iterator[bytes]: ...


@dataclass(frozen=True)
class Archive:
    """A zip file, the concatenation of `files` with `parts` bytes each. `headers` are sent with each request."""

    ranges: RangeReader
    files: tuple[str, ...]
    parts: tuple[int, ...]
    headers: Headers = field(repr=False)  # may contain a token

    @property
    def size(self) -> int:
        return sum(self.parts)

    def stream(self, start: int, end: int) -> Iterator[bytes]:
        """The bytes [start, end), with one request per file that they span."""
        for file, size, file_end in zip(self.files, self.parts, accumulate(self.parts), strict=True):
            first, last = max(start - file_end + size, 0), min(end - file_end + size, size)
            if first < last:
                yield from self.ranges.stream(file, first, last, self.headers)


def open_archive(ranges: RangeReader, zip_address: str, parts: tuple[int, ...] = ()) -> Archive:
    """The zip file at a path or an address; unless `parts` has the sizes of its files, they are requested.

    Raises ItemError: bad_value, and what `RangeReader.size` raises.
    """
    scheme, separator, _ = zip_address.partition("://")
    if separator and scheme not in ("http", "https", "hf"):
        raise ItemError("bad_value", f"{zip_address}: a zip file must be a local path, or at http(s):// or hf://")
    url, headers, source = zip_address, dict[str, str](), ranges if separator else LocalFiles()
    if scheme == "hf":
        from stages.core.storage.transfer import resolve_hub_url

        url, headers = resolve_hub_url(zip_address)
    files = part_files(url)
    sizes = parts[: len(files)] or tuple(part_sizes(source, files, headers))
    return Archive(source, tuple(files[: len(sizes)]), sizes, headers)


def part_files(first: str) -> list[str]:
    """All possible file names of a split zip file, as `split` names them: _partaa, _partab, …"""
    if not first.endswith(FIRST_PART):
        return [first]
    return [first[:-2] + a + b for a, b in product(ascii_lowercase, repeat=2)]


def part_sizes(ranges: RangeReader, files: list[str], headers: Headers) -> Iterator[int]:
    """The size of each file in bytes, up to the first that does not exist. Raises ItemError if none exists."""
    for number, file in enumerate(files):
        try:
            yield ranges.size(file, headers)
        except ItemError as error:
            if number == 0 or error.code not in GONE:
                raise
            return


class ZipTail:
    """A read-only file object for zipfile's parser that downloads only the end of an archive, and more on demand."""

    def __init__(self, archive: Archive) -> None:
        self.archive, self.at = archive, 0
        self.begin = max(0, archive.size - TAIL_BYTES)
        self.tail = b"".join(archive.stream(self.begin, archive.size))

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
            self.tail = b"".join([*self.archive.stream(self.at, self.begin), self.tail])
            self.begin = self.at
        start = self.at - self.begin
        block = self.tail[start : None if length < 0 else start + length]
        self.at += len(block)
        return block


class LocalFiles:
    """A RangeReader of local files."""

    def size(self, path: str, headers: Headers | None = None) -> int:
        with translate_read_errors(path):
            return Path(path).stat().st_size

    def stream(self, path: str, start: int, end: int, headers: Headers | None = None) -> Iterator[bytes]:
        with translate_read_errors(path), Path(path).open("rb") as file:
            file.seek(start)
            while start < end:
                chunk = file.read(min(BLOCK_BYTES, end - start))
                if not chunk:
                    raise ItemError("corrupt", f"{path}: ends at byte {start}, before {end}")
                start += len(chunk)
                yield chunk


@contextmanager
def translate_read_errors(path: str) -> Iterator[None]:
    """Turns an OSError while reading a local file into an ItemError: missing, unreadable."""
    try:
        yield
    except FileNotFoundError as error:
        raise ItemError("missing", path) from error
    except OSError as error:
        raise ItemError("unreadable", f"{path}: {error}") from error
