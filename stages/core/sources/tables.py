"""Files of a catalogue as lazy tables, whatever their format; only selected columns are read."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from io import BytesIO, TextIOWrapper
from itertools import count, islice
from pathlib import Path, PurePosixPath
from typing import IO

import polars as pl
from polars.io.plugins import register_io_source

from slurm.errors import InputError
from stages.core.sources.lines import CsvRows, Parsed, json_objects
from stages.core.sources.values import as_text
from stages.core.storage.input_files import is_remote, open_file

SUFFIXES = {".csv", ".tsv", ".parquet", ".jsonl", ".ndjson", ".txt"}
BATCH_ROWS = 10_000  # of a remote Parquet file: about 30 MB if rows contain transcripts
LINE = "(line)"  # the column of a text file
ERROR, WHY = "(error)", "(why)"  # columns of CSV and JSONL: code and detail where a line cannot be read, else null
MARKS = {ERROR, WHY}
Record = Mapping[str, str | None]


def scan(file: str, number: str | None = None) -> pl.LazyFrame:
    """The rows of a file. Columns of a CSV or JSONL file are of type text, and ERROR and WHY are two more; a text file
    has the one column LINE.

    `number` names a column for row numbers from 1: added later, they would keep filters from the file.
    Raises InputError if the file cannot be opened; errors further down in it are raised when the rows are collected.
    """
    suffix = PurePosixPath(file).suffix.lower()
    try:
        if suffix == ".parquet":
            table = scan_remote_parquet(file) if is_remote(file) else pl.scan_parquet(file, glob=False)
        elif suffix in (".csv", ".tsv"):
            table = scan_csv(file, "\t" if suffix == ".tsv" else ",")
        elif suffix in (".jsonl", ".ndjson"):
            table = scan_jsonl(file)
        else:
            table = scan_text(file)
        table = table.with_row_index(number, offset=1) if number else table
        table.collect_schema()
    except (pl.exceptions.PolarsError, OSError, ValueError) as error:
        raise InputError(f"{file} cannot be read as {suffix}: {error}") from error
    return table


def error_column(schema: Iterable[str]) -> pl.Expr:
    """The error code of a row's line; null where it was read."""
    return pl.col(ERROR) if ERROR in schema else pl.lit(None, pl.String)


def why_column(schema: Iterable[str]) -> pl.Expr:
    """Which line of the file cannot be read, and why."""
    return pl.col(WHY) if WHY in schema else pl.lit(None, pl.String)


def scan_csv(file: str, separator: str) -> pl.LazyFrame:
    """The rows behind the first, which names the columns; of two of one name the later has a number behind it."""
    opened = open_text(file)
    with opened() as stream:
        header = next(iter(CsvRows(stream, separator)), None)
    if header is None or header.error:
        raise ValueError(header.error.detail if header and header.error else "it is empty")
    names: list[str] = []
    for name in header.value:
        names.append(next(n for i in count() if (n := f"{name}_{i}" if i else name) not in names))

    def records(columns: Sequence[str]) -> Iterator[Record]:
        places = [(column, names.index(column)) for column in columns if column not in MARKS]
        with opened() as stream:
            for row in islice(CsvRows(stream, separator), 1, None):
                fields = row.value or ()
                texts = {column: fields[place] for column, place in places if place < len(fields)}
                yield with_error(texts, row)

    return scan_records(records, names)


def scan_jsonl(file: str) -> pl.LazyFrame:
    """The objects of a file; their columns are all keys that occur, in the order in which they do.

    Raises ValueError if no line is an object.
    """
    opened = open_text(file)
    names: dict[str, None] = {}
    with opened() as stream:
        for row in json_objects(stream):
            names.update(dict.fromkeys(row.value or ()))
    if not names:
        raise ValueError("no line of it is an object")
    keys = {as_text(name) or "": name for name in names}

    def records(columns: Sequence[str]) -> Iterator[Record]:
        wanted = [column for column in columns if column not in MARKS]
        with opened() as stream:
            for row in json_objects(stream):
                value = row.value or {}
                yield with_error({column: as_text(value.get(keys[column])) for column in wanted}, row)

    return scan_records(records, list(keys))


def with_error(texts: Record, row: Parsed) -> Record:
    return {**texts, ERROR: row.error.code, WHY: row.error.detail} if row.error else texts


def scan_records(records: Callable[[Sequence[str]], Iterator[Record]], names: Sequence[str]) -> pl.LazyFrame:
    """The table of `records(columns)`, which gives a value or nothing for each of these columns of text."""
    schema = pl.Schema(dict.fromkeys((*names, ERROR, WHY), pl.String()))

    def batches(
        columns: list[str] | None, predicate: pl.Expr | None, n_rows: int | None, batch_rows: int | None
    ) -> Iterator[pl.DataFrame]:
        wanted = columns or ([WHY] if columns == [] else list(schema))  # a frame without columns would have no rows
        rows = islice(records(wanted), n_rows)
        while batch := list(islice(rows, BATCH_ROWS)):
            table = pl.DataFrame(
                {name: [row.get(name) for row in batch] for name in wanted}, schema=dict.fromkeys(wanted, pl.String())
            )
            yield table if predicate is None else table.filter(predicate)

    return register_io_source(batches, schema=schema, is_pure=True)


def open_text(file: str) -> Callable[[], IO[str]]:
    """Opens the text of a file, each time from its beginning; a remote one is downloaded once. Bytes that are no UTF-8
    are replaced.
    """
    content: bytes | None = None
    if is_remote(file):
        with open_file(file) as remote:
            content = remote.read()

    def opened() -> IO[str]:
        raw = Path(file).open("rb") if content is None else BytesIO(content)  # noqa: SIM115
        return TextIOWrapper(raw, "utf-8-sig", errors="replace", newline="")

    return opened


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
