"""Videos that lie in a column of Parquet files, each as a file of its own: parquet://mp4@12::hf://…/0.parquet

What a column has in a row group lies in one piece, often in a single page, and can only be read from its beginning. So
the rows that are wanted of a row group are fetched together. Memory: some three times its largest page.
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
from stages.core.fetch.web.archive import disk_errors
from stages.core.storage.places import HUB, file_system
from stages.core.storage.remote import Codes, again, connected, on_disk, shown, told
from stages.core.storage.store import file_name

ADDRESS = re.compile(r"parquet://(.+?)@(\d{1,18})::(.+)", re.DOTALL)
CODES = Codes(absent="missing", barred="private")
OF_HUB = {401: "private", 403: "private", 404: "missing", 410: "missing", 429: "rate_limited"}
BUFFER_BYTES = 1 << 20  # read ahead to see where a page ends
PIECE_BYTES = 1 << 25  # asked for at once: what a broken connection costs

Turn = Callable[[str], None]  # returns when a server may be asked for a piece of this file


class Cell(NamedTuple):
    """A row is counted from 0, over all row groups."""

    column: str
    row: int
    file: str


def parse(address: str) -> Cell:
    found = ADDRESS.fullmatch(address)
    if found is None:
        raise ItemError("bad_value", f"{address} is not an address like parquet://mp4@12::hf://…/0.parquet")
    return Cell(found[1], int(found[2]), found[3])


def file_of(address: str) -> str:
    """The file that an address leads into; of one that is no cell's, itself."""
    return address.partition("::")[2] or address


def no_wait(file: str) -> None:
    """A Turn that comes at once."""


def stage_cells(
    addresses: Mapping[str, str], folder: Path, turn: Turn = no_wait
) -> Iterator[tuple[str, Path | ItemError]]:
    """A file in the folder for each video id, as soon as it is written; in its place what went wrong.

    A row group is read once and no further than its last wanted row; one without a wanted row, or whose files are all
    there from an earlier attempt, not at all. Errors: removed (the cell is null), empty, missing (no such file, column
    or row), private, rate_limited, network, corrupt (no Parquet), unreadable, disk, bad_value (no address of a cell).
    """
    wanted: dict[tuple[str, str], dict[int, list[str]]] = {}
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
            wanted.setdefault((cell.file, cell.column), {}).setdefault(cell.row, []).append(video_id)
    for (parquet, column), rows in wanted.items():
        left = {video_id: row for row, video_ids in rows.items() for video_id in video_ids}
        wrong = None
        try:
            for row, content in cells(parquet, column, rows, turn):
                for video_id in rows[row]:
                    found = saved(content, folder / f"{file_name(video_id)}.mp4", f"{parquet}: row {row}")
                    del left[video_id]
                    yield video_id, found
        except ItemError as error:
            wrong = error
        for video_id, row in left.items():
            yield video_id, wrong or ItemError("missing", f"{parquet} has no row {row}")


def cells(file: str, column: str, rows: Collection[int], turn: Turn) -> Iterator[tuple[int, Any]]:
    """The Arrow buffers of these rows of a column, in the file's order.

    In place of one: None where the cell is null, an ItemError where its row group is damaged.
    """
    with opened(file, turn) as source:
        with read_as_parquet(file):
            parquet = pq.ParquetFile(
                source, buffer_size=BUFFER_BYTES, pre_buffer=False, page_checksum_verification=True
            )
        check_column(parquet.schema_arrow, column, file)
        first = 0
        for group in range(parquet.num_row_groups):
            end = first + parquet.metadata.row_group(group).num_rows
            if inside := sorted(row - first for row in rows if first <= row < end):
                for row, content in group_cells(parquet, group, column, inside, file):
                    yield first + row, content
            first = end


def group_cells(parquet: Any, group: int, column: str, rows: list[int], file: str) -> Iterator[tuple[int, Any]]:
    """The same of one row group, in which the rows are counted."""
    left = rows.copy()
    try:
        with read_as_parquet(file):
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
        raise ItemError("corrupt", f"{file}: column {column!r} has {kind}, not bytes")


@contextmanager
def read_as_parquet(file: str) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError) as error:  # Arrow's own: what is in the way of the file is an ItemError
        raise ItemError("corrupt", f"{file}: {error}") from error


def saved(content: Any, file: Path, where: str) -> Path | ItemError:
    """The file, there only when it is whole and on the disk."""
    if isinstance(content, ItemError):
        return content
    if not content:
        return ItemError("removed", f"{where} is null") if content is None else ItemError("empty", where)
    part = file.with_name(f"{file.name}.part")
    with on_disk(part), part.open("wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
        return part.replace(file)


class Source(io.RawIOBase):
    """A file's bytes for Arrow, which lets errors of ours through as they are."""

    def __init__(self, file: str, raw: Any, turn: Turn) -> None:
        self.file, self.raw, self.turn = file, raw, turn

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return int(self.raw.tell())

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        with reachable(self.file):
            return int(self.raw.seek(offset, whence))

    def read(self, size: int = -1) -> bytearray:
        found = bytearray()
        while len(found) < size and (piece := self._piece(min(size - len(found), PIECE_BYTES))):
            found += piece
        return found

    @again
    def _piece(self, size: int) -> bytes:
        if "://" in self.file:
            self.turn(self.file)
        with reachable(self.file):
            return bytes(self.raw.read(size))


@contextmanager
def opened(file: str, turn: Turn) -> Iterator[Source]:
    with reachable(file):
        if "://" in file:
            turn(file)
            system, path = file_system(file) if file.startswith(HUB) else connected(file)
            raw = system.open(path, "rb", cache_type="none")
        else:
            raw = io.FileIO(file)
    with raw:
        yield Source(file, raw, turn)


@contextmanager
def reachable(file: str) -> Iterator[None]:
    """What is in the way of a file, as an ItemError."""
    if "://" not in file:
        with disk_errors(file):
            yield
        return
    with told(file, CODES):
        try:
            yield
        except HTTPError as error:  # of the Hub
            status = error.response.status_code if isinstance(error, HfHubHTTPError) else None
            raise ItemError(OF_HUB.get(status or 0, "network"), shown(f"{file}: {error}")) from error
        except ValueError as error:  # of a server that knows no ranges
            raise ItemError("other", shown(f"{file}: {error}")) from error
