"""A former release, as the ids of what was chosen: a file, or a step of a run."""

from collections.abc import Callable, Sequence
from pathlib import Path

import polars as pl

from slurm.errors import InputError
from slurm.record.manifest import Step
from slurm.table import read_table

READERS: dict[str, Callable[[Path], pl.LazyFrame]] = {
    ".parquet": pl.scan_parquet,
    ".csv": pl.scan_csv,
    ".jsonl": pl.scan_ndjson,
}


def read_former_choice(keep: str) -> pl.LazyFrame:
    """The rows of a file (Parquet, CSV, JSON lines), or the kept rows of a step: `runs/RUN/STEP`. Raises InputError."""
    path = Path(keep)
    if not path.is_file() and Step(path.parent, path.name).exists:
        return read_table(path.parent, path.name, kept=True)
    reader = READERS.get(path.suffix)
    if reader is None or not path.is_file():
        raise InputError(f"keep={keep}: neither a file ({', '.join(READERS)}) nor a step of a run (runs/RUN/STEP)")
    return reader(path)


def find_kept(items: pl.DataFrame, keys: Sequence[str], keep: str) -> pl.Series:
    """Whether each item is in a former release, by the first of its keys that this has. Raises InputError.

    Of a release of videos that are clips by now, all clips are.
    """
    try:
        rows = read_former_choice(keep)
        there = rows.collect_schema().names()
        key = next((name for name in keys if name in there), None)
        if key is None:
            raise InputError(f"keep={keep} has no column {' or '.join(keys)}; it has: {', '.join(there)}")
        ids = rows.select(pl.col(key).cast(pl.String)).drop_nulls().unique().collect().to_series()
    except pl.exceptions.PolarsError as error:
        raise InputError(f"keep={keep} cannot be read: {error}") from error
    found = items[key].is_in(ids.implode())
    if len(ids) and len(items) and not found.any():
        raise InputError(
            f"keep={keep}: none of its {len(ids):,} ids ({key}, e.g. {ids.min()!r}) is among the {len(items):,} rows "
            f"(e.g. {items[key].min()!r})"
        )
    return found
