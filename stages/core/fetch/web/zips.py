"""Members of a remote zip file: its directory takes two or three requests, each member one.

A zip file that was split into x_partaa, x_partab, … is named by the first of them. Member names are percent-encoded. An
address may include the member's location (second form): then the directory is not read.

    zip://in/name.mp4::https://host/x.zip
    zip://name.mp4::hf://datasets/org/name/x_partaa#offset=512&packed=99&size=99&crc=123&parts=1024,300
"""

import re
import struct
import threading
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, unquote

from slurm.errors import ItemError
from stages.core.fetch.web.archive import BLOCK_BYTES, Archive, RangeReader, ZipTail, open_archive
from stages.core.storage.errors import LIBRARY_FAULTS

SPARE_BYTES = 128  # likely size of a local header's extra field
LOCAL_HEADER = struct.Struct("<4s2xHH16xHH")  # signature, flags, method, lengths of the name and of the extra field
SIGNATURE = b"PK\x03\x04"
ENCRYPTED = 1  # of the flags
N = r"\d{1,18}"
ADDRESS = re.compile(
    rf"zip://(.+?)::(.+?)(?:#offset=(-?{N})&packed=({N})&size=({N})&crc=({N})&parts=({N}(?:,{N})*))?", re.DOTALL
)


class MemberLocation(NamedTuple):
    """The location of a member: `offset` of its local header in the whole zip file, whose files have `parts` bytes.

    `packed` and `size` are its compressed and uncompressed bytes, `crc` the CRC-32 of the uncompressed ones.
    """

    offset: int
    packed: int
    size: int
    crc: int
    parts: tuple[int, ...]


def address(name: str, zip_address: str, place: MemberLocation) -> str:
    """The address of a member with its location, so that `fetch` does not read the directory."""
    offset, packed, size, crc, parts = place
    where = f"offset={offset}&packed={packed}&size={size}&crc={crc}&parts={','.join(map(str, parts))}"
    return f"zip://{quote(name)}::{zip_address}#{where}"


def parse(member: str) -> tuple[str, str, MemberLocation | None]:
    """The member's name, the zip file's address, and the member's location if the address includes it."""
    match = ADDRESS.fullmatch(member)
    if not match:
        raise ItemError("bad_value", f"{member} is not an address like zip://in/name.mp4::https://host/x.zip")
    name, zip_address, *numbers, parts = match.groups()
    if "#offset=" in zip_address:
        raise ItemError("bad_value", f"{member[:200]}… does not end with the numbers that #offset= begins")
    if parts is None:
        return unquote(name), zip_address, None
    offset, packed, size, crc = map(int, numbers)
    return unquote(name), zip_address, MemberLocation(offset, packed, size, crc, tuple(map(int, parts.split(","))))


def directory(ranges: RangeReader, zip_address: str) -> dict[str, MemberLocation]:
    """The locations of all members by name, without folders; of two with one name the last counts, as for unzip.

    Raises ItemError: missing or removed (no such file), corrupt (not a complete zip file), errors of the connection.
    """
    archive = open_archive(ranges, zip_address)
    try:
        with zipfile.ZipFile(ZipTail(archive)) as parsed:
            members = parsed.infolist()
    except (zipfile.BadZipFile, struct.error, *LIBRARY_FAULTS) as error:
        what = f"{zip_address} and the parts after it, {len(archive.parts)} files" if archive.parts[1:] else zip_address
        raise ItemError("corrupt", f"{what}: not a complete zip file ({error})") from error
    return {
        member.filename: MemberLocation(
            member.header_offset, member.compress_size, member.file_size, member.CRC, archive.parts
        )
        for member in members
        if not member.is_dir()
    }


cached_directory = lru_cache(maxsize=32)(directory)
reading = threading.Lock()


def fetch(ranges: RangeReader, member: str, file: Path, max_bytes: int) -> Path:
    """Writes the member to `file`, complete and with the right CRC-32.

    Raises ItemError: missing (no such member), too_large, no_format (encrypted, or an unsupported compression),
    corrupt, disk, and errors of the connection.
    """
    name, zip_address, place = parse(member)
    if place is None:
        with reading:  # so that threads that need the same directory read it once
            members = cached_directory(ranges, zip_address)
        if name not in members:
            raise ItemError("missing", f"no {name!r} among the {len(members)} members of {zip_address}")
        place = members[name]
    where = f"{name} in {zip_address}"
    if place.size > max_bytes:
        raise ItemError("too_large", f"{where}: {place.size} bytes are more than {max_bytes}")
    archive = open_archive(ranges, zip_address, place.parts)
    part = file.with_name(f"{file.name}.part")
    try:
        size, crc = write(part, content(archive, name, place), place.size)
        if (size, crc) != (place.size, place.crc):
            promised = f"{place.size} bytes with CRC {place.crc:08x}"
            raise ItemError("corrupt", f"{where}: {size} bytes with CRC {crc:08x}, not {promised}")
        return part.replace(file)
    except OSError as error:
        raise ItemError("disk", f"{file}: {error}") from error
    finally:
        part.unlink(missing_ok=True)


def write(file: Path, chunks: Iterable[bytes], most_bytes: int) -> tuple[int, int]:
    """Writes the chunks, up to the first that exceeds `most_bytes` in total; returns the size and CRC-32 written."""
    size = crc = 0
    with file.open("wb") as out:
        for chunk in chunks:
            out.write(chunk)
            size, crc = size + len(chunk), zlib.crc32(chunk, crc)
            if size > most_bytes:
                break
    return size, crc


def content(archive: Archive, name: str, place: MemberLocation) -> Iterator[bytes]:
    """A member's uncompressed bytes; one request for header and data unless the header is longer than expected."""
    where = f"{name} in {archive.files[0]}"
    least_end = place.offset + LOCAL_HEADER.size + place.packed
    if place.offset < 0 or least_end > archive.size:
        raise ItemError("corrupt", f"{where}: its location is outside the {archive.size} bytes of the zip file")
    asked_end = min(least_end + len(name.encode()) + SPARE_BYTES, archive.size)
    chunks = archive.stream(place.offset, asked_end)
    head = b""
    while len(head) < LOCAL_HEADER.size:
        head += next(chunks)
    signature, flags, method, name_bytes, extra_bytes = LOCAL_HEADER.unpack_from(head)
    if signature != SIGNATURE:
        raise ItemError("corrupt", f"{where}: there is no member at byte {place.offset}")
    if flags & ENCRYPTED:
        raise ItemError("no_format", f"{where}: encrypted")
    if method not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ItemError("no_format", f"{where}: compression method {method} is neither stored nor deflated")
    header_bytes = LOCAL_HEADER.size + name_bytes + extra_bytes
    end = place.offset + header_bytes + place.packed
    rest = archive.stream(asked_end, end)  # empty if all was requested above
    packed = slice_chunks(chain([head], chunks, rest), header_bytes, place.packed)
    yield from packed if method == zipfile.ZIP_STORED else inflate(packed, where)


def slice_chunks(chunks: Iterable[bytes], skip: int, length: int) -> Iterator[bytes]:
    """The `length` bytes after the first `skip`. Every chunk is consumed, so that the connection can be reused."""
    for chunk in chunks:
        piece = chunk[skip : skip + length]
        skip, length = max(0, skip - len(chunk)), length - len(piece)
        yield piece


def inflate(chunks: Iterable[bytes], where: str) -> Iterator[bytes]:
    """The inflated bytes, at most BLOCK_BYTES at once, however large a chunk inflates. Raises ItemError corrupt."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        for chunk in chunks:
            yield inflater.decompress(chunk, BLOCK_BYTES)
            while inflater.unconsumed_tail:
                yield inflater.decompress(inflater.unconsumed_tail, BLOCK_BYTES)
        yield inflater.flush()
    except zlib.error as error:
        raise ItemError("corrupt", f"{where}: {error}") from error
