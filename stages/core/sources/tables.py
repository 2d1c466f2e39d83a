"""Files of a catalogue as lazy tables, whatever their format; only selected columns are read."""

from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from glob import escape
from pathlib import PurePosixPath

import polars as pl
from polars.io.plugins import register_io_source

from slurm.errors import InputError
from stages.core.storage.input_files import is_remote, open_file

SUFFIXES = {".csv", ".tsv", ".parquet", ".jsonl", ".ndjson", ".txt"}
BATCH_ROWS = 10_000  # of a remote Parquet file: about 30 MB if rows contain transcripts
LINE = "(line)"  # the column of a text file


def scan(file: str, number: str | None = None) -> pl.LazyFrame:
    """The rows of a file. Columns of a CSV are of type text; a text file has the one column LINE.

    `number` names a column for row numbers from 1: added later, they would keep filters from the file.
    Raises InputError if the file cannot be opened; errors further down in it are raised when the rows are collected.
    """
    suffix = PurePosixPath(file).suffix.lower()
    try:
        if suffix == ".parquet":
            table = scan_remote_parquet(file) if is_remote(file) else pl.scan_parquet(file, glob=False)
        elif suffix in (".csv", ".tsv"):
            separator = "\t" if suffix == ".tsv" else ","
            table = pl.scan_csv(
                path_or_content(file), separator=separator, infer_schema=False, encoding="utf8-lossy", glob=False
            )
        elif suffix in (".jsonl", ".ndjson"):
            lines = path_or_content(file)  # alone of its kind, scan_ndjson has no glob=False
            table = pl.scan_ndjson(escape(lines) if isinstance(lines, str) else lines, infer_schema_length=None)
        else:
            table = scan_text(file)
        table = table.with_row_index(number, offset=1) if number else table
        table.collect_schema()
    except (pl.exceptions.PolarsError, OSError, ValueError) as error:
        raise InputError(f"{file} cannot be read as {suffix}: {error}") from error
    return table


def path_or_content(file: str) -> str | bytes:
    """A local file's path, or the content of a remote file: formats of lines are read from start to end anyway."""
    if not is_remote(file):
        return file
    with open_file(file) as remote:
        return remote.read()


def scan_text(file: str) -> pl.LazyFrame:
    with open_file(file) as lines:
        texts = lines.read().decode("utf-8-sig", errors="replace").splitlines()
    return pl.LazyFrame({LINE: texts}, schema={LINE: pl.String})


def scan_remote_parquet(file: str) -> pl.LazyFrame:
    """The rows of a remote Parquet file, downloaded by row group, selected columns only."""
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


def concat_in_order(parts: Sequence[pl.LazyFrame], at_once: int) -> pl.LazyFrame:
    """The concatenated rows of the parts, which share a schema; `at_once` parts are computed ahead, in memory.

    (pl.concat computes one part at a time, and one file keeps only one core busy.)
    """

    def batches(
        columns: list[str] | None, predicate: pl.Expr | None, n_rows: int | None, batch_rows: int | None
    ) -> Iterator[pl.DataFrame]:
        def rows(part: pl.LazyFrame) -> pl.DataFrame:
            selected = part if columns is None else part.select(columns)
            if n_rows is not None:
                return selected.head(n_rows).collect(
                    engine="streaming"
                )  # the limit comes before the filter, which is applied below
            return (selected if predicate is None else selected.filter(predicate)).collect(engine="streaming")

        left = n_rows
        for table in compute_ahead(rows, parts, at_once):
            if left is None:
                yield table
                continue
            first = table.head(left)
            left -= len(first)
            yield first if predicate is None else first.filter(predicate)
            if left == 0:
                return

    return register_io_source(batches, schema=parts[0].collect_schema(), is_pure=True)


def compute_ahead(
    function: Callable[[pl.LazyFrame], pl.DataFrame], parts: Sequence[pl.LazyFrame], at_once: int
) -> Generator[pl.DataFrame, None, None]:
    """Yields `function(part)` in order; `at_once` parts are computed in parallel, in threads."""
    pool = ThreadPoolExecutor(at_once)
    try:
        ahead: deque[Future[pl.DataFrame]] = deque()
        for part in parts:
            ahead.append(pool.submit(function, part))
            if len(ahead) > at_once:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
    finally:  # not waited for: a reader that stops early may be collected as garbage in one of these very threads
        pool.shutdown(wait=False, cancel_futures=True)
