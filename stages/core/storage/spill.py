"""Passes rows from a worker to its task, by Parquet files in the task's scratch if they are too large for memory."""

import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import polars as pl

from slurm.record.files import streamed
from stages.core.schema.types import Row, Schema
from stages.core.storage.errors import translate_disk_errors
from stages.core.storage.scratch import VARIABLE, scratch_folder

PIECE_BYTES = 1 << 23  # bytes of binary values (pictures, say) that are held in memory before a file is written


class Spilled(NamedTuple):
    """Rows in a folder of Parquet files, ordered by file name; the receiver calls `remove`."""

    folder: Path
    schema: Schema

    def scan(self) -> pl.LazyFrame:
        """All rows; one file at a time is in memory."""
        files = sorted(self.folder.iterdir())
        return streamed(lambda: (pl.read_parquet(file, glob=False) for file in files), self.schema)

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


def remove_leftovers(pid: int) -> None:
    """Removes the spilled rows of a dead worker from its task's scratch."""
    if place := os.environ.get(VARIABLE):
        for left in Path(place).glob(f"{_mark(pid)}*"):
            shutil.rmtree(left, ignore_errors=True)


def _mark(pid: int) -> str:
    return f"of{pid}-"


Tables = Mapping[str, Sequence[Row] | Spilled]  # table name → rows, of one item


class Spill:
    """Collects rows: `rows` returns them as a list while they are small, else as Spilled.

    As a context manager it removes its files if the work on the item fails.
    """

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._rows: list[Row] = []
        self._bytes = self._pieces = 0
        self._spilled: Spilled | None = None

    def __enter__(self) -> "Spill":
        return self

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        if error is not None and self._spilled is not None:
            self._spilled.remove()

    def add(self, row: Row) -> None:
        """Adds a row of the schema. Raises ItemError disk if the scratch is full."""
        self._rows.append(row)
        self._bytes += sum(len(value) for value in row.values() if isinstance(value, bytes))
        if self._bytes >= PIECE_BYTES:
            self._write()

    def rows(self) -> Sequence[Row] | Spilled:
        if self._spilled is None:
            return self._rows
        self._write()
        return self._spilled

    def _write(self) -> None:
        if self._spilled is None:
            with translate_disk_errors(place := scratch_folder()):
                self._spilled = Spilled(Path(tempfile.mkdtemp(prefix=_mark(os.getpid()), dir=place)), self._schema)
        piece, content = self._spilled.folder / f"{self._pieces:06d}.parquet", BytesIO()
        pl.DataFrame(self._rows, schema=self._schema).write_parquet(
            content, compression="uncompressed"
        )  # JPEG is compressed already
        with translate_disk_errors(piece):  # not written by polars, which hides the OSError in an error of its own
            piece.write_bytes(content.getbuffer())
        self._pieces += 1
        self._rows, self._bytes = [], 0
