"""Other datasets that no row may be like: their hashes, files and embeddings, as this stage and others write them."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl

from slurm.errors import InputError
from slurm.record.manifest import Step
from slurm.record.paths import ROWS
from stages.core.dedup.compared import Known
from stages.core.dedup.settings import Config, Method
from stages.core.dedup.vectors import embedder, mean_vectors
from stages.core.schema.dedup import FILES, MOMENTS, VECTORS
from stages.core.schema.types import TEXT, Schema
from stages.core.schema.video import HASH_VERSION

MARKS: dict[str, Method] = {"hash": "perceptual", "sha256": "exact", "embedding": "semantic"}  # column → its method
IDS = ("id", "clip_id", "video_id")  # columns that name a row


def read_against(config: Config) -> Known:
    """All that `against` names, as far as the methods need it. Raises InputError for what cannot be compared."""
    found: dict[str, list[pl.DataFrame]] = {mark: [] for mark in MARKS}
    for place in config.against:
        tables = [(mark, rows) for mark, rows in scan_place(place) if MARKS[mark] in config.methods]
        if not tables:
            needed = ", ".join(mark for mark, method in MARKS.items() if method in config.methods)
            raise InputError(f"against={place}: no table with {needed}, as methods={config.methods} need")
        for mark, rows in tables:
            found[mark].append(take(place, mark, rows, config))
    return Known(
        pl.concat([pl.DataFrame(schema=MOMENTS), *found["hash"]]),
        pl.concat([pl.DataFrame(schema=FILES), *found["sha256"]]),
        pl.concat([pl.DataFrame(schema=VECTORS), *found["embedding"]]),
    )


def scan_place(place: str) -> Iterator[tuple[str, pl.LazyFrame]]:
    """The tables at a place that are of use, each with the column that says for what. Raises InputError."""
    for rows in tables_at(Path(place).expanduser()):
        try:
            columns = rows.collect_schema().names()
        except (pl.exceptions.PolarsError, OSError) as error:
            raise InputError(f"against={place} cannot be read as Parquet: {error}") from error
        for mark in MARKS:
            if mark in columns and ("time_s" in columns or mark != "hash") and set(IDS) & {*columns}:
                yield mark, rows


def tables_at(path: Path) -> Iterator[pl.LazyFrame]:
    """A Parquet file, or every table of a step of a run, runs/RUN/STEP."""
    if path.is_file():
        yield pl.scan_parquet(path, glob=False, hive_partitioning=False)
        return
    step = Step(path.parent.absolute(), path.name)
    if not step.exists:
        raise InputError(f"against={path}: neither a Parquet file nor a step of a run (runs/RUN/STEP)")
    if not step.complete():
        raise InputError(f"against={path}: the step is not finished: python -m slurm status run={path.parent.name}")
    for name in (ROWS, *step.plan.tables):
        if (rows := step.scan(name)) is not None:
            yield step.keep(rows) if name == ROWS else rows


def take(place: str, mark: str, rows: pl.LazyFrame, config: Config) -> pl.DataFrame:
    """The rows as the table of their method has them. Raises InputError."""
    columns = rows.collect_schema().names()
    named = next(name for name in IDS if name in columns)
    if mark == "hash":
        check_version(place, rows, columns)
        if "contrast" in columns:  # analyze's own table
            rows = rows.filter(pl.col("contrast") >= config.perceptual.contrast)
        return pick(rows, named, columns, MOMENTS)
    if mark == "sha256":
        return pick(rows.filter(pl.col("sha256").is_not_null()), named, columns, FILES)
    if "models" in columns and "model" not in columns:
        rows, columns = rows.with_columns(model=embedder(pl.col("models"))), [*columns, "model"]
    return mean_vectors(pick(rows.filter(pl.col("embedding").is_not_null()), named, columns, VECTORS))


def pick(rows: pl.LazyFrame, named: str, columns: Sequence[str], schema: Schema) -> pl.DataFrame:
    """These columns, the row's name as `id`; null where they are missing."""
    chosen = [
        (pl.col(name) if name in columns else pl.lit(None)).cast(kind).alias(name)
        for name, kind in schema.items()
        if name != "id"
    ]
    return rows.select(pl.col(named).cast(TEXT).alias("id"), *chosen).collect()


def check_version(place: str, rows: pl.LazyFrame, columns: Sequence[str]) -> None:
    """Raises InputError for hashes of another version than ours, which would be like nothing."""
    versions = rows.select("version").unique().collect()["version"].to_list() if "version" in columns else [None]
    if other := [version for version in versions if version != HASH_VERSION]:
        raise InputError(
            f"against={place}: hashes of version {other[0] or '(not said)'}, ours are of version {HASH_VERSION}: "
            f"make them again by analyze and dedup of this version"
        )
