"""A Parquet file with a column of media from which a reader takes one file without the others.

The media column is neither packed nor made a dictionary, and each value begins a page of its own (small ones share
one): its bytes stand in the file as they are, from an offset on that the index names. So a video is opened by a file
object over that span, and the Hub finds again what a new version has in common with the one before.

Row groups hold `group_bytes` of media or a little more. The Hub's viewer shows nothing of a dataset that has larger
ones than MOST_BYTES, and many readers hold a whole one in memory.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from slurm.errors import ItemError
from stages.core.release.media import Item, open_media, size_of
from stages.core.schema.types import INT, TEXT, Schema

MOST_BYTES = 300_000_000  # of a row group, as its metadata counts them
PAGE_BYTES = 1 << 16  # a page is closed once it is so large: with what else is on it, a reader takes no more in vain
HEADER_BYTES = 1 << 12  # more than the header of a page takes
MARK_BYTES = 32  # of a value, by which it is found in the file

INDEX: Schema = {  # where each row lies
    "id": TEXT,
    "file": TEXT,  # its path in the release
    "row_group": INT,
    "row": INT,  # in its row group
    "offset": INT,  # of the media file's first byte in the file
    "bytes": INT,  # of the media file
    "sha256": TEXT,  # of the media file
}


class Entry(NamedTuple):
    """A row: its media file, its values of the other columns, and about how many bytes they take."""

    item: Item
    values: Mapping[str, Any]
    bytes: int


class Placed(NamedTuple):
    """What became of an entry: its place in INDEX, or why it is not there."""

    entry: Entry
    place: dict[str, object] | ItemError


class Layout(NamedTuple):
    """The columns of a file, which of them holds the media, and the media's bytes in a row group."""

    schema: pa.Schema
    media: str
    group_bytes: float


def write_media_table(path: Path, name: str, layout: Layout, entries: Sequence[Entry]) -> list[Placed]:
    """Writes the rows whose media file can be read; `name` is what the index calls the file.

    In memory are the media of one row group, and the largest of them once more.
    """
    found: list[Placed] = []
    marks: list[bytes] = []
    writer, number = open_writer(path, layout), 0
    for of_group in groups(entries, layout.group_bytes):
        placed, begins = write_group(writer, layout, of_group, number)
        found += placed
        marks += begins
        number += bool(begins)
    writer.close()
    there = [one.place for one in found if not isinstance(one.place, ItemError)]
    for place, offset in zip(there, find_values(path, layout.media, there, marks), strict=True):
        place.update(file=name, offset=offset)
    return found


def write_group(
    writer: pq.ParquetWriter, layout: Layout, entries: Sequence[tuple[Entry, int]], number: int
) -> tuple[list[Placed], list[bytes]]:
    """Writes row group `number`; gives what became of its rows, and the first bytes of each media file that is there.

    A function of its own, so that its memory is free before that of the next row group is taken.
    """
    placed, media = read_group(entries)
    rows = [(one.entry.values, one.place) for one in placed if not isinstance(one.place, ItemError)]
    if not rows:
        return placed, []
    for row, (_, place) in enumerate(rows):
        place.update(row_group=number, row=row)
    columns = [
        media if field.name == layout.media else pa.array([values[field.name] for values, _ in rows], field.type)
        for field in layout.schema
    ]
    writer.write_table(pa.Table.from_arrays(columns, schema=layout.schema), row_group_size=len(rows))
    return placed, [value.as_buffer()[:MARK_BYTES].to_pybytes() for value in media]


def open_writer(path: Path, layout: Layout) -> pq.ParquetWriter:
    others = [leaf for leaf in leaves(layout.schema) if leaf != layout.media]
    return pq.ParquetWriter(
        path,
        layout.schema,
        compression={layout.media: "NONE", **dict.fromkeys(others, "ZSTD")},
        use_dictionary=others,
        write_statistics=others,
        write_batch_size=1,  # pages are closed between two batches
        data_page_size=PAGE_BYTES,
        write_page_index=True,
    )


def leaves(schema: pa.Schema) -> list[str]:
    """The columns that Parquet makes of these: `json.youtube_tags.list.element`."""
    out = pa.BufferOutputStream()
    pq.ParquetWriter(out, schema).close()
    made = pq.ParquetFile(pa.BufferReader(out.getvalue())).schema
    return [made.column(number).path for number in range(len(made))]


def groups(entries: Sequence[Entry], group_bytes: float) -> Iterator[list[tuple[Entry, int]]]:
    """The entries with the sizes of their files, a list a row group: as many as are `group_bytes` together."""
    group: list[tuple[Entry, int]] = []
    total = 0
    for entry in entries:
        size = size_of(entry.item)
        if group and total + size + entry.bytes > group_bytes:
            yield group
            group, total = [], 0
        group.append((entry, size))
        total += size + entry.bytes
    if group:
        yield group


def read_group(entries: Sequence[tuple[Entry, int]]) -> tuple[list[Placed], pa.Array]:
    """What became of the entries of a row group, and the files of those that could be read, in one piece of memory."""
    fitting = [size for entry, size in entries if size + entry.bytes <= MOST_BYTES]
    memory = np.empty(sum(fitting), np.uint8)
    offsets, placed = [0], []
    for entry, size in entries:
        try:
            facts = read_into(memory[offsets[-1] :], entry, size)
        except ItemError as error:
            placed.append(Placed(entry, error))
        else:
            placed.append(Placed(entry, facts))
            offsets.append(offsets[-1] + size)
    starts = pa.py_buffer(np.asarray(offsets, np.int32))
    media = pa.Array.from_buffers(pa.binary(), len(offsets) - 1, [None, starts, pa.py_buffer(memory)])
    return placed, media


def read_into(memory: np.ndarray[Any, Any], entry: Entry, size: int) -> dict[str, object]:
    """Reads a file of this size to the begin of the memory; gives what INDEX says of it. Raises ItemError."""
    if size + entry.bytes > MOST_BYTES:
        raise ItemError(
            "too_large",
            f"{entry.item.address}: {size} bytes; readers of Parquet take no row group of more than {MOST_BYTES}: "
            f"cut it into clips, or say format=webdataset",
        )
    at = 0
    with open_media(entry.item) as media:
        if media.bytes != size:
            raise ItemError("changed", f"{entry.item.address}: it has {media.bytes} bytes, and had {size}")
        for piece in media.pieces():
            memory[at : at + len(piece)] = piece
            at += len(piece)
    return {"id": entry.item.key, "bytes": size, "sha256": media.sha256}


def find_values(path: Path, column: str, places: Sequence[Mapping[str, Any]], marks: Sequence[bytes]) -> Iterator[int]:
    """Where each value of the media column begins in the file; `marks` are the first bytes of each.

    A value stands behind its length, the first one of a page behind the page's header.
    """
    metadata = pq.read_metadata(path)
    number = next(i for i in range(metadata.num_columns) if metadata.schema.column(i).path == column)
    group = at = -1
    with path.open("rb") as file:
        for place, mark in zip(places, marks, strict=True):
            if place["row_group"] != group:
                group = place["row_group"]
                at = metadata.row_group(group).column(number).data_page_offset
            file.seek(at)
            found = file.read(HEADER_BYTES).find(place["bytes"].to_bytes(4, "little") + mark)
            if found < 0:
                raise ValueError(f"{path}: row {place['row']} of row group {group} is not where it should be")
            at += found + 4
            yield at
            at += place["bytes"]


def index_of(placed: Sequence[Placed]) -> pl.DataFrame:
    """The rows that are in the file, by INDEX."""
    return pl.DataFrame([one.place for one in placed if not isinstance(one.place, ItemError)], INDEX)
