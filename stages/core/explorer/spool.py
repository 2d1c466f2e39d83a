"""Tables of a run, read once in batches and laid down by block of items, so that a million rows need little memory."""

from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path

import polars as pl

from slurm.record.files import scan_parts
from slurm.record.manifest import Step

BATCH_ROWS = 1 << 14
FILES = 256  # that one scan reads: each slice looks at the metadata of all of them
LENGTH_BYTES = 8


class Spool:
    """A file a table and block; a file is a series of Arrow streams, each behind its length."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._schemas: dict[str, pl.Schema] = {}

    def add(self, table: str, rows: pl.DataFrame) -> None:
        """Lays down rows by their column `block`."""
        self._schemas.setdefault(table, rows.drop("block").schema)
        for (block,), part in rows.partition_by("block", as_dict=True, include_key=False).items():
            buffer = BytesIO()
            part.write_ipc_stream(buffer, compression="zstd")
            path = self._folder / table / str(block)
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("ab") as file:
                file.write(len(buffer.getbuffer()).to_bytes(LENGTH_BYTES, "little"))
                file.write(buffer.getbuffer())

    def read(self, table: str, block: int) -> pl.DataFrame:
        """The rows of a block, in the order in which they were added."""
        path, parts = self._folder / table / str(block), [pl.DataFrame(schema=self._schemas[table])]
        if path.exists():
            with path.open("rb") as file:
                while length := file.read(LENGTH_BYTES):
                    parts.append(pl.read_ipc_stream(BytesIO(file.read(int.from_bytes(length, "little")))))
        return pl.concat(parts)


def read_batches(step: Step, table: str, columns: Sequence[pl.Expr]) -> Iterator[pl.DataFrame]:
    """The columns of a step's table, some rows at a time; at least one batch, which may be empty."""
    paths = step.files(table)
    schema = dict(scan_parts(paths).collect_schema()) if paths else {}
    for first in range(0, len(paths), FILES):
        lazy = scan_parts(paths[first : first + FILES], schema=schema).select(columns)
        start = 0
        while True:
            batch = lazy.slice(start, BATCH_ROWS).collect()
            if len(batch) or not first + start:
                yield batch
            if len(batch) < BATCH_ROWS:
                break
            start += BATCH_ROWS
