"""Rows that may be more than memory holds, on their way from a worker to its task: by files in the task's scratch."""

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
from stages.core.storage.remote import on_disk
from stages.core.storage.scratch import VARIABLE, folder

PIECE_BYTES = 1 << 23  # of pictures, say, that stay in memory


class Spilled(NamedTuple):
    """Rows that lie in a folder of Parquet files, in the order of their names; who took them over removes them."""

    folder: Path
    schema: Schema

    def scan(self) -> pl.LazyFrame:
        """All rows, a file at a time."""
        files = sorted(self.folder.iterdir())
        return streamed(lambda: (pl.read_parquet(file, glob=False) for file in files), self.schema)

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


def clear_after(pid: int) -> None:
    """Removes what a worker that is no more left in the scratch of its task: nobody will ask for it."""
    if place := os.environ.get(VARIABLE):
        for left in Path(place).glob(f"{_mark(pid)}*"):
            shutil.rmtree(left, ignore_errors=True)


def _mark(pid: int) -> str:
    return f"of{pid}-"


Tables = Mapping[str, Sequence[Row] | Spilled]  # of an item


class Spill:
    """Add rows; `rows` gives them back: as they are while they are few, else as Spilled.

    A context manager: what lies in the scratch is removed if the work on the item failed.
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
        """Raises ItemError disk when the scratch is full."""
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
            with on_disk(place := folder()):
                self._spilled = Spilled(Path(tempfile.mkdtemp(prefix=_mark(os.getpid()), dir=place)), self._schema)
        piece, content = self._spilled.folder / f"{self._pieces:06d}.parquet", BytesIO()
        pl.DataFrame(self._rows, schema=self._schema).write_parquet(content, compression="uncompressed")  # as JPEG is
        with on_disk(piece):  # polars itself makes errors of its own of what the disk says
            piece.write_bytes(content.getbuffer())
        self._pieces += 1
        self._rows, self._bytes = [], 0
