"""What is in a file, as bytes in which names can be looked for: as it lies, unpacked, and column by column.

Files are read in pieces; of what is packed (gzip, zstd, bz2, xz, zip) the content is read, of Parquet every column that
is packed, of a tar file its packed members, and all of that within each other.
"""

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

BLOCK_BYTES = 1 << 23
ROWS = 1 << 10  # of a Parquet file that are held at once
DEEPEST = 4  # files within files
ZSTD = b"\x28\xb5\x2f\xfd"
TORN = (
    OSError,
    EOFError,
    ValueError,
    zlib.error,
    lzma.LZMAError,
    tarfile.TarError,
    zipfile.BadZipFile,
    pa.ArrowException,
)
TAR_MARK = 257  # where `ustar` stands in a tar file


class TornError(Exception):
    """A packed file that cannot be read to its end."""


Piece = tuple[str, bytes]  # where in the file it is ("" for the bytes as they lie), and the bytes


def pieces_of(file: IO[bytes], overlap: int, depth: int = 0) -> Iterator[Piece]:
    """All that is in a file; pieces of one place that follow each other have `overlap` bytes in common.

    Raises TornError where what is packed cannot be read.
    """
    head = file.read(TAR_MARK + 5)
    file.seek(0)
    yield from (("", block) for block in blocks(file, overlap))
    if depth < DEEPEST:
        file.seek(0)
        try:
            yield from inside(file, head, overlap, depth)
        except TORN as error:
            raise TornError(f"{type(error).__name__}: {error}") from error


def blocks(file: IO[bytes], overlap: int) -> Iterator[bytes]:
    kept = b""
    while block := file.read(BLOCK_BYTES):
        yield kept + block
        kept = (kept + block)[-overlap:] if overlap else b""


def inside(file: IO[bytes], head: bytes, overlap: int, depth: int) -> Iterator[Piece]:
    """What is in a packed file."""
    if head.startswith(b"PAR1"):
        yield from in_table(file, overlap, depth)
    elif head.startswith(b"PK\x03\x04"):
        with zipfile.ZipFile(file) as packed:
            for name in packed.namelist():
                with packed.open(name) as member:
                    yield from within(name, io.BytesIO(member.read()), overlap, depth)
    elif head[TAR_MARK:] == b"ustar":
        with tarfile.open(fileobj=file, mode="r:") as tar:
            for entry in tar:
                inner = tar.extractfile(entry) if entry.isfile() else None
                if inner is not None and is_packed(inner.read(TAR_MARK + 5)):
                    inner.seek(0)
                    yield from within(entry.name, inner, overlap, depth)
    elif (plain := unpacking(file, head)) is not None:
        if is_packed(plain_head := plain.read(TAR_MARK + 5)):  # of a packed table or archive
            content = io.BytesIO(plain_head + plain.read())
            yield from within("unpacked", content, overlap, depth)
        else:
            kept = plain_head
            while block := plain.read(BLOCK_BYTES):
                yield "unpacked", kept + block
                kept = (kept + block)[-overlap:]
            yield "unpacked", kept


def within(name: str, file: IO[bytes], overlap: int, depth: int) -> Iterator[Piece]:
    for place, piece in pieces_of(file, overlap, depth + 1):
        yield f"{name}, {place}" if place else name, piece


def is_packed(head: bytes) -> bool:
    marks = (b"PAR1", b"PK\x03\x04", b"\x1f\x8b", ZSTD, b"BZh", b"\xfd7zXZ")
    return head.startswith(marks) or head[TAR_MARK:] == b"ustar"


def unpacking(file: IO[bytes], head: bytes) -> Any:
    """A file that reads the plain content of a packed one; None if it is not packed."""
    if head.startswith(b"\x1f\x8b"):
        return gzip.GzipFile(fileobj=file)
    if head.startswith(ZSTD):
        return pa.CompressedInputStream(pa.PythonFile(file, mode="r"), "zstd")
    if head.startswith(b"BZh"):
        return bz2.BZ2File(file)
    return lzma.LZMAFile(file) if head.startswith(b"\xfd7zXZ") else None


# Parquet


def in_table(file: IO[bytes], overlap: int, depth: int) -> Iterator[Piece]:
    """The texts and bytes of each column that is packed: the others lie in the file as they are."""
    table = pq.ParquetFile(file)
    columns = packed_columns(table)
    for batch in table.iter_batches(batch_size=ROWS, columns=columns, use_threads=False) if columns else ():
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            for leaf in leaves(column):
                yield from in_leaf(name, leaf.drop_null(), overlap, depth)


def packed_columns(table: pq.ParquetFile) -> list[str]:
    """The columns with texts or bytes that do not lie in the file as they are."""
    metadata = table.metadata
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    found: list[str] = []
    for number in range(metadata.num_columns):
        path = metadata.schema.column(number).path
        kinds = {group.column(number).physical_type for group in groups}
        plain = all(group.column(number).compression == "UNCOMPRESSED" for group in groups)
        if "BYTE_ARRAY" in kinds and not plain:
            found.append(path)
    return found


def leaves(column: pa.Array) -> Iterator[pa.Array]:
    """The arrays of texts or bytes that a column is made of."""
    kind = column.type
    if pa.types.is_struct(kind):
        for number in range(kind.num_fields):
            yield from leaves(column.field(number))
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind):
        yield from leaves(column.flatten())
    elif pa.types.is_dictionary(kind):
        yield from leaves(column.dictionary)
    elif pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        yield column.cast(pa.large_string())
    elif pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind):
        yield column.cast(pa.large_binary())


def in_leaf(name: str, leaf: pa.Array, overlap: int, depth: int) -> Iterator[Piece]:
    """The values of a column of texts, a line each; of bytes each by itself."""
    if pa.types.is_large_string(leaf.type):
        yield f"column {name}", b"\n".join(leaf.cast(pa.large_binary()).to_pylist())
        return
    for value in leaf:
        content = value.as_py()
        if is_packed(content[: TAR_MARK + 5]):
            yield from within(f"column {name}", io.BytesIO(content), overlap, depth)
        else:
            yield f"column {name}", content
