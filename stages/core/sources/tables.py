"""A file of a catalogue as a lazy table, whatever its kind: only those columns are read that are asked for."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import PurePosixPath

import polars as pl
from polars.io.plugins import register_io_source

from slurm.errors import InputError
from stages.core.storage.input_files import is_remote, open_file

SUFFIXES = {".csv", ".tsv", ".parquet", ".jsonl", ".ndjson", ".txt"}
BATCH_ROWS = 10_000  # of a remote Parquet file: some 30 MB where a row has a transcript
LINE = "(line)"  # the column of a text file


def scan(file: str, number: str | None = None) -> pl.LazyFrame:
    """The file's rows with the columns that it has; those of a CSV are text, and text has one column, LINE.

    `number` is a column for the number of each row, from 1; none that is added later lets filters reach the file.
    Raises InputError if it cannot be read. What is wrong further down in it is raised when the rows are collected.
    """
    suffix = PurePosixPath(file).suffix.lower()
    try:
        if suffix == ".parquet":
            table = remote_parquet(file) if is_remote(file) else pl.scan_parquet(file, glob=False)
        elif suffix in (".csv", ".tsv"):
            separator = "\t" if suffix == ".tsv" else ","
            table = pl.scan_csv(whole(file), separator=separator, infer_schema=False, encoding="utf8-lossy", glob=False)
        elif suffix in (".jsonl", ".ndjson"):
            table = pl.scan_ndjson(whole(file), infer_schema_length=None)
        else:
            table = text(file)
        table = table.with_row_index(number, offset=1) if number else table
        table.collect_schema()
    except (pl.exceptions.PolarsError, OSError, ValueError) as error:
        raise InputError(f"{file} cannot be read as {suffix}: {error}") from error
    return table


def whole(file: str) -> str | bytes:
    """A local file's path; all of a remote one, since lists of lines are read from their beginning to their end."""
    if not is_remote(file):
        return file
    with open_file(file) as remote:
        return remote.read()


def text(file: str) -> pl.LazyFrame:
    with open_file(file) as lines:
        found = lines.read().decode("utf-8-sig", errors="replace").splitlines()
    return pl.LazyFrame({LINE: found}, schema={LINE: pl.String})


def remote_parquet(file: str) -> pl.LazyFrame:
    """Rows of a remote Parquet file: of each row group the wanted columns are fetched, when it is its turn."""
    import pyarrow.parquet as pq

    with open_file(file, ahead=False) as remote:
        schema = pl.Schema(pq.ParquetFile(remote).schema_arrow)

    def batches(
        columns: list[str] | None, predicate: pl.Expr | None, n_rows: int | None, batch_rows: int | None
    ) -> Iterator[pl.DataFrame]:
        left = n_rows
        with open_file(file, ahead=False) as remote:
            parquet = pq.ParquetFile(remote, pre_buffer=True)
            for group in range(parquet.num_row_groups):
                for batch in parquet.iter_batches(BATCH_ROWS, row_groups=[group], columns=columns):
                    rows = pl.DataFrame(batch)
                    rows = rows if left is None else rows.head(left)
                    left = None if left is None else left - len(rows)
                    yield rows if predicate is None else rows.filter(predicate)
                    if left == 0:
                        return

    return register_io_source(batches, schema=schema, is_pure=True)


def in_order(parts: Sequence[pl.LazyFrame], at_once: int) -> pl.LazyFrame:
    """The parts' rows, one part behind the other; while one is used, the next ones are computed and held in memory.

    They have the same schema. (pl.concat computes one at a time, and one file keeps one core busy.)
    """

    def batches(
        columns: list[str] | None, predicate: pl.Expr | None, n_rows: int | None, batch_rows: int | None
    ) -> Iterator[pl.DataFrame]:
        def rows(part: pl.LazyFrame) -> pl.DataFrame:
            wanted = part if columns is None else part.select(columns)
            if n_rows is not None:
                return wanted.head(n_rows).collect(engine="streaming")  # filtered when it is known which are the first
            return (wanted if predicate is None else wanted.filter(predicate)).collect(engine="streaming")

        left = n_rows
        for found in computed_ahead(rows, parts, at_once):
            if left is None:
                yield found
                continue
            first = found.head(left)
            left -= len(first)
            yield first if predicate is None else first.filter(predicate)
            if left == 0:
                return

    return register_io_source(batches, schema=parts[0].collect_schema(), is_pure=True)


def computed_ahead(
    function: Callable[[pl.LazyFrame], pl.DataFrame], parts: Sequence[pl.LazyFrame], at_once: int
) -> Iterator[pl.DataFrame]:
    """`function` of each part in order; of `at_once` parts at the same time, in threads."""
    with ThreadPoolExecutor(at_once) as pool:
        ahead: deque[Future[pl.DataFrame]] = deque()
        for part in parts:
            ahead.append(pool.submit(function, part))
            if len(ahead) > at_once:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
