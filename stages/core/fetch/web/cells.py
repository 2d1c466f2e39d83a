"""Extracts videos that are stored in a column of Parquet files: parquet://mp4@12::hf://…/0.parquet

A column chunk (one column of one row group) is often a single page and can only be read from its start. So all rows
needed from a row group are read in one pass. Memory: about three times its largest page.
"""

import io
import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
from huggingface_hub.errors import HfHubHTTPError, HTTPError  # type: ignore[attr-defined]

from slurm.errors import ItemError
from stages.core.fetch.web.archive import translate_read_errors
from stages.core.storage.errors import (
    ErrorCodes,
    hide_passwords,
    retry_network,
    translate_disk_errors,
    translate_store_errors,
)
from stages.core.storage.input_files import HUB, file_system
from stages.core.storage.remote import open_source_system
from stages.core.storage.store import file_name

ADDRESS = re.compile(r"parquet://(.+?)@(\d{1,18})::(.+)", re.DOTALL)
CODES = ErrorCodes(missing="missing", forbidden="private")
HUB_CODES = {401: "private", 403: "private", 404: "missing", 410: "missing", 429: "rate_limited"}
BUFFER_BYTES = 1 << 20  # read ahead to see where a page ends
MOST_PACKED = 50  # of a video's bytes to those of its packed cell: videos hardly shrink
PIECE_BYTES = 1 << 25  # one request: what a broken connection costs

Turn = Callable[[str], None]  # blocks until a request for this file may be sent


class Cell(NamedTuple):
    """One value of a Parquet file; `row` counts from 0 over all row groups."""

    column: str
    row: int
    file: str


def parse(address: str) -> Cell:
    match = ADDRESS.fullmatch(address)
    if match is None:
        raise ItemError("bad_value", f"{address} is not an address like parquet://mp4@12::hf://…/0.parquet")
    return Cell(match[1], int(match[2]), match[3])


def file_of(address: str) -> str:
    """The Parquet file of a cell's address; any other address unchanged."""
    return address.partition("::")[2] or address


def no_wait(file: str) -> None:
    """A Turn that does not block."""


def extract_cells(
    addresses: Mapping[str, str], folder: Path, turn: Turn = no_wait, max_bytes: int = 2**62
) -> Iterator[tuple[str, Path | ItemError]]:
    """Yields each video id with its file in the folder, as soon as that is written, or with an ItemError.

    A row group is read once and no further than its last needed row; not at all if it has none, or if all its files
    exist from an earlier attempt. Error codes: removed (the cell is null), empty, missing (no such file, column or
    row), private, rate_limited, network, corrupt (not Parquet), unreadable, disk, bad_value (not a cell's address),
    too_large (more than `max_bytes`; where the file's own numbers say so, nothing of the row group is read).
    """
    needed: dict[tuple[str, str], dict[int, list[str]]] = {}
    for video_id, address in addresses.items():
        try:
            cell = parse(address)
        except ItemError as error:
            yield video_id, error
            continue
        file = folder / f"{file_name(video_id)}.mp4"
        if file.exists():
            yield video_id, file
        else:
            needed.setdefault((cell.file, cell.column), {}).setdefault(cell.row, []).append(video_id)
    for (parquet, column), rows in needed.items():
        left = {video_id: row for row, video_ids in rows.items() for video_id in video_ids}
        failure = None
        try:
            for row, content in read_cells(parquet, column, rows, turn, max_bytes):
                for video_id in rows[row]:
                    result = save(content, folder / f"{file_name(video_id)}.mp4", f"{parquet}: row {row}", max_bytes)
                    del left[video_id]
                    yield video_id, result
        except ItemError as error:
            failure = error
        for video_id, row in left.items():
            yield video_id, failure or ItemError("missing", f"{parquet} has no row {row}")


def read_cells(file: str, column: str, rows: Collection[int], turn: Turn, max_bytes: int) -> Iterator[tuple[int, Any]]:
    """Yields row numbers and Arrow buffers of a column, in the order of the file.

    Instead of a buffer: None where the cell is null, an ItemError where its row group is damaged, or unpacks to more
    than `max_bytes` and so much more than it has that it is no videos.
    """
    with open_source(file, turn) as source:
        with translate_parquet_errors(file):
            parquet = pq.ParquetFile(
                source, buffer_size=BUFFER_BYTES, pre_buffer=False, page_checksum_verification=True
            )
        check_column(parquet.schema_arrow, column, file)
        first = 0
        for group in range(parquet.num_row_groups):
            end = first + parquet.metadata.row_group(group).num_rows
            if inside := sorted(row - first for row in rows if first <= row < end):
                if error := find_bomb(parquet.metadata.row_group(group), column, file, max_bytes):
                    yield from ((first + row, error) for row in inside)
                    inside = []
                for row, content in read_group(parquet, group, column, inside, file):
                    yield first + row, content
            first = end


def find_bomb(group: Any, column: str, file: str, max_bytes: int) -> ItemError | None:
    """The error of a row group that is not to be unpacked, by the sizes in the file's metadata."""
    chunks = (group.column(number) for number in range(group.num_columns))
    chunk = next(chunk for chunk in chunks if chunk.path_in_schema == column)
    packed, unpacked = chunk.total_compressed_size, chunk.total_uncompressed_size
    if unpacked <= max_bytes or unpacked <= MOST_PACKED * packed:
        return None
    what = f"{unpacked} bytes in {packed} packed ones are no videos, and more than limits.max_gb allows"
    return ItemError("too_large", f"{file}: column {column!r}: {what}")


def read_group(parquet: Any, group: int, column: str, rows: list[int], file: str) -> Iterator[tuple[int, Any]]:
    """Like `read_cells` for one row group; `rows` and the yielded numbers count from its first row."""
    left = rows.copy()
    if not left:
        return
    try:
        with translate_parquet_errors(file):
            batches = parquet.iter_batches(1, row_groups=[group], columns=[column], use_threads=False)
            for row, batch in enumerate(islice(batches, rows[-1] + 1)):
                if row == left[0]:
                    yield left.pop(0), batch.column(0)[0].as_buffer()
    except ItemError as error:
        if error.code != "corrupt":
            raise
        yield from ((row, error) for row in left)


def check_column(schema: pa.Schema, column: str, file: str) -> None:
    if column not in schema.names:
        raise ItemError("missing", f"{file} has no column {column!r}; it has: {', '.join(schema.names)}")
    kind = schema.field(column).type
    if not (pa.types.is_binary(kind) or pa.types.is_large_binary(kind)):
        raise ItemError("corrupt", f"{file}: column {column!r} is of type {kind}, not binary")


@contextmanager
def translate_parquet_errors(file: str) -> Iterator[None]:
    try:
        yield
    except (
        pa.ArrowException,
        OSError,
    ) as error:  # Arrow's own errors; those of reading the file are ItemErrors already
        raise ItemError("corrupt", f"{file}: {error}") from error


def save(content: Any, file: Path, where: str, max_bytes: int) -> Path | ItemError:
    """The file with this content, complete and synced to disk; or an ItemError: the one passed in, removed, empty,
    too_large.

    Raises ItemError disk.
    """
    if isinstance(content, ItemError):
        return content
    if not content:
        return ItemError("removed", f"{where} is null") if content is None else ItemError("empty", where)
    if content.size > max_bytes:
        return ItemError("too_large", f"{where}: {content.size} bytes, {max_bytes} at most")
    part = file.with_name(f"{file.name}.part")
    with translate_disk_errors(part), part.open("wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
        return part.replace(file)


class ParquetSource(io.RawIOBase):
    """A file object for Arrow, which passes the ItemErrors raised here on unchanged."""

    def __init__(self, file: str, raw: Any, turn: Turn) -> None:
        self.file, self.raw, self.turn = file, raw, turn

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return int(self.raw.tell())

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        with translate_file_errors(self.file):
            return int(self.raw.seek(offset, whence))

    def read(self, size: int = -1) -> bytearray:
        content = bytearray()
        while len(content) < size and (piece := self._piece(min(size - len(content), PIECE_BYTES))):
            content += piece
        return content

    @retry_network
    def _piece(self, size: int) -> bytes:
        if "://" in self.file:
            self.turn(self.file)
        with translate_file_errors(self.file):
            return bytes(self.raw.read(size))


@contextmanager
def open_source(file: str, turn: Turn) -> Iterator[ParquetSource]:
    with translate_file_errors(file):
        if "://" in file:
            turn(file)
            system, path = file_system(file) if file.startswith(HUB) else open_source_system(file)
            raw = system.open(path, "rb", cache_type="none")
        else:
            raw = io.FileIO(file)
    with raw:
        yield ParquetSource(file, raw, turn)


@contextmanager
def translate_file_errors(file: str) -> Iterator[None]:
    """Turns errors of reading a local or remote file into ItemErrors."""
    if "://" not in file:
        with translate_read_errors(file):
            yield
        return
    with translate_store_errors(file, CODES):
        try:
            yield
        except HTTPError as error:  # of the Hub
            status = error.response.status_code if isinstance(error, HfHubHTTPError) else None
            raise ItemError(HUB_CODES.get(status or 0, "network"), hide_passwords(f"{file}: {error}")) from error
        except ValueError as error:  # of a server without range requests
            raise ItemError("other", hide_passwords(f"{file}: {error}")) from error
