"""Files that other machines read while we write: whole or not there at all."""

import hashlib
import json
import os
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
from polars.io.plugins import register_io_source

GROUP_ROWS = 1 << 14  # of a Parquet row group: some 50 MB where a row has a transcript
PICTURE_ROWS = 1 << 5  # where a row has a picture: of 25 kB to 1 MB, and the writer holds nine groups
LEVEL = 1  # of zstd; 3 takes twice the time to make transcripts a tenth smaller
HASH_BYTES = 6
SMALL_BYTES = 1 << 16  # a read's buffer is made anew each time; one of 1 MiB costs five times as much


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.uname().nodename}.{os.getpid()}.{uuid.uuid4().hex[:8]}.tmp")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`; on success fsynced and renamed over it, on failure removed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary(path)
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, value: Any, mode: int = 0o644) -> None:
    """Writes a file that nobody else can write, whatever the umask: it is replaced as a whole, never changed."""
    with replacing(path) as temporary:
        _write(temporary, value, mode)


def _write(path: Path, value: Any, mode: int) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:  # noqa: PTH123
        file.write(json.dumps(value) + "\n")


def hash_files(paths: Iterable[Path]) -> str:
    """Some hex digits by which the contents of files differ. Raises OSError."""
    total = hashlib.blake2b(digest_size=HASH_BYTES)
    for path in paths:
        with path.open("rb") as file:
            total.update(hashlib.file_digest(file, "sha256").digest())
    return total.hexdigest()


def read_json(path: Path) -> Any:
    return json.loads(path.read_bytes())


def write_once(path: Path, value: Any) -> Any:
    """The content of `path`: `value` if nobody wrote it before, else what the first writer wrote."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary(path)
    try:
        _write(temporary, value, 0o644)
        os.link(temporary, path)  # link fails where rename would overwrite
    except FileExistsError:
        return read_json(path)
    finally:
        temporary.unlink(missing_ok=True)
    return value


def write_table(path: Path, table: pl.DataFrame | pl.LazyFrame) -> None:
    """Writes a table; a lazy one as it is computed, so that it may be larger than memory."""
    lazy = table.lazy()
    rows = PICTURE_ROWS if pl.Binary() in lazy.collect_schema().dtypes() else GROUP_ROWS
    with replacing(path) as temporary:
        lazy.sink_parquet(temporary, compression="zstd", compression_level=LEVEL, row_group_size=rows)


def streamed(frames: Callable[[], Iterator[pl.DataFrame]], schema: dict[str, pl.DataType]) -> pl.LazyFrame:
    """A table of frames that are made one after another, each when it is wanted."""

    def made(
        columns: list[str] | None, predicate: pl.Expr | None, n_rows: int | None, _: int | None
    ) -> Iterator[pl.DataFrame]:
        for frame in frames():
            found = frame if predicate is None else frame.filter(predicate)
            found = found.select(columns or found.columns).head(len(found) if n_rows is None else n_rows)
            yield found
            if n_rows is not None and (n_rows := n_rows - len(found)) == 0:
                return

    return register_io_source(made, schema=schema)


def scan_parts(
    paths: Iterable[Path], file_column: str | None = None, schema: dict[str, pl.DataType] | None = None
) -> pl.LazyFrame:
    """The rows of these Parquet files, in their order; `file_column` says of each from which one it is.

    Other versions may have written other columns: of a `schema`, else of the first file, all columns are there, null
    where a file lacks one; others are left out.
    """
    return pl.scan_parquet(
        list(paths),
        schema=schema,
        glob=False,
        hive_partitioning=False,
        include_file_paths=file_column,
        missing_columns="insert",
        extra_columns="ignore",
    )


def names(folder: Path | str) -> list[str]:
    """The sorted names in a folder, temporary files left out; none if it is not there, or is a file."""
    try:
        return sorted(name for name in os.listdir(folder) if not name.startswith("."))
    except (FileNotFoundError, NotADirectoryError):
        return []


def sizes_of(folder: Path | str) -> dict[str, int]:
    """The size of each file in a folder, in bytes, temporary files left out; none if it is not there."""
    try:
        with os.scandir(folder) as found:
            return {file.name: file.stat().st_size for file in found if not file.name.startswith(".")}
    except (FileNotFoundError, NotADirectoryError):
        return {}


def contents(folder: Path) -> Iterator[tuple[str, bytes]]:
    """The name and content of each file of a folder, in the order of the names, each at most SMALL_BYTES long."""
    here = os.open(folder, os.O_RDONLY)
    try:
        for name in names(folder):
            try:
                file = os.open(name, os.O_RDONLY, dir_fd=here)
            except FileNotFoundError:  # somebody removes them
                continue
            try:
                yield name, os.read(file, SMALL_BYTES)
            finally:
                os.close(file)
    finally:
        os.close(here)
