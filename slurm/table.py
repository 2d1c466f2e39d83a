"""The tables of a run, read so that nothing stale, doubled or half-written is among them.

from slurm.table import read_table
clips = read_table("tour", "split", kept=True, catalogue=True).collect()
"""

from pathlib import Path

import polars as pl

from slurm.errors import InputError
from slurm.owner import reading
from slurm.record.files import replacing
from slurm.record.manifest import Step, steps
from slurm.record.paths import ROWS

WRITERS = {".parquet": "sink_parquet", ".csv": "sink_csv", ".jsonl": "sink_ndjson"}


def read_table(
    run: str | Path, step: str, table: str = ROWS, *, kept: bool = False, catalogue: bool = False
) -> pl.LazyFrame:
    """A table of a step over its finished chunks, lazily, in the order of its input.

    `run` is the name of a run in ./runs, or the path of one. `table` is the main table or a side table. With `kept`
    only rows that go on to the next step: without an error, and not dropped. With `catalogue` the columns that the
    run's source knows of each row's video are joined. Raises InputError where there is no such run, step or table, or
    nothing of it is finished. Where a run goes on, collect soon: another attempt may replace the files.
    """
    with reading():  # another user's run, too
        return _scan(Step(find_run(run), step), table, kept, catalogue)


def _scan(found: Step, table: str, kept: bool, catalogue: bool) -> pl.LazyFrame:
    plan = found.plan
    if table != ROWS and table not in plan.tables:
        raise InputError(f"step {found} has no table {table!r}; it has: {', '.join([ROWS, *plan.tables])}")
    if kept and table != ROWS:
        raise InputError(f"only the table {ROWS!r} tells which rows are kept, not {table!r}")
    rows = found.scan(table)
    if rows is None:
        raise InputError(f"step {found} has no finished chunk with {table!r} yet")
    rows = found.keep(rows) if kept else rows
    return with_catalogue(found, rows) if catalogue else rows


def find_run(run: str | Path) -> Path:
    """The directory of a run. Raises InputError."""
    places = [Path(run), Path("runs") / run]
    there = [place for place in places if steps(place)]
    if not there:
        raise InputError(f"no run {str(run)!r}: neither {places[0].absolute()}/ nor {places[1].absolute()}/ has steps")
    return there[0].absolute()


def with_catalogue(step: Step, rows: pl.LazyFrame) -> pl.LazyFrame:
    """The rows with those columns of the run's source that they do not have."""
    queue = [step]
    for here in queue:
        queue += [Step(step.run, name) for name in here.plan.inputs if name not in {other.name for other in queue}]
    columns = rows.collect_schema().names()
    source = next((s for s in queue if not s.plan.inputs and s.plan.key in columns and s is not step), None)
    known = source.scan() if source is not None else None
    if source is None or known is None:
        raise InputError(f"no step before {step} is a source whose key its rows have: {', '.join(columns)}")
    key = source.plan.key
    wanted = [c for c in known.collect_schema().names() if c not in columns and c not in ("error", "error_detail")]
    return rows.join(known.select(key, *wanted), on=key, how="left", maintain_order="left")


def write_table(rows: pl.LazyFrame, out: Path) -> None:
    """Writes a table as Parquet, CSV or JSON lines, as the suffix of `out` says; it need not fit into memory."""
    writer = WRITERS.get(out.suffix)
    if writer is None:
        raise InputError(f"out={out}: its suffix is none of {', '.join(WRITERS)}")
    nested = [n for n, kind in rows.collect_schema().items() if kind.is_nested() or kind == pl.Binary()]
    if out.suffix == ".csv" and nested:
        raise InputError(f"out={out}: CSV has no lists and no bytes, as in {', '.join(nested)}; take .parquet")
    if not out.parent.is_dir():
        raise InputError(f"out={out}: there is no folder {out.parent.absolute()}")
    try:
        with replacing(out) as temporary:
            getattr(rows, writer)(temporary)
    except pl.exceptions.PolarsError as error:
        raise InputError(f"out={out} cannot be written: {error}") from error
