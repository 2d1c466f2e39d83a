"""The catalogue: one row a video, from a folder, or from a CSV or Parquet file of paths or URLs.

Reads `input.path`; writes CATALOGUE. A video of a folder is named by its path below that folder, so that the folder may
move, and a.mp4 and a.mkv stay two videos.

    python -m stages.ingest run=NAME input.path=DIR
"""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

import polars as pl
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from slurm.errors import InputError
from slurm.manifest import Step
from stages.core.schema import CATALOGUE, Row
from stages.core.stage import Stage, main

STRICT = ConfigDict(extra="forbid")
VIDEO_SUFFIXES = {".mp4", ".mkv", ".webm", ".mov", ".avi", ".m4v"}
TABLE_SUFFIXES = {".csv", ".parquet"}


@dataclass(frozen=True, config=STRICT)
class Input:
    path: str
    column: str | None
    id: str | None


@dataclass(frozen=True, config=STRICT)
class Config:
    input: Input


def video_id(name: str) -> str:
    """A file name for a video: readable start, and 10 hex digits of its full name's hash so that no two are alike."""
    readable = re.sub(r"[^A-Za-z0-9]+", "-", Path(name).stem).strip("-")[:40]
    return f"{readable or 'video'}-{hashlib.sha256(name.encode()).hexdigest()[:10]}"


def folder_rows(folder: Path) -> list[Row]:
    """A row for every video file below the folder, sorted by path; hidden files and folders are left out."""
    found = []
    for path in sorted(folder.rglob("*")):
        below = path.relative_to(folder)
        hidden = any(part.startswith(".") for part in below.parts)
        if path.suffix.lower() in VIDEO_SUFFIXES and not hidden and not path.is_dir():
            found.append(file_row(path, video_id(below.as_posix()), folder.name))
    return found


def file_row(path: Path, name: str, source: str) -> Row:
    """A local file's row; a file that is not there has null bytes, and is told when it is opened."""
    size = path.stat().st_size if path.is_file() else None
    return {"video_id": name, "source": source, "path": str(path.absolute()), "title": path.stem, "bytes": size}


def table_rows(file: Path, config: Input) -> list[Row]:
    """A row for every line of a CSV or Parquet file; relative paths are below the file's own folder."""
    try:
        table = pl.read_csv(file, infer_schema=False) if file.suffix.lower() == ".csv" else pl.read_parquet(file)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise InputError(f"input.path={file} cannot be read as {file.suffix}: {error}") from error
    places = [config.column] if config.column else [c for c in ("path", "url") if c in table.columns][:1]
    names = [config.id] if config.id else [c for c in ("video_id",) if c in table.columns]
    missing = [c for c in (*places, *names) if c not in table.columns] or ([] if places else ["path"])
    if missing:
        raise InputError(
            f"{file} has no column {missing[0]!r}; it has: {', '.join(table.columns)}. "
            f"Say input.column=… (paths or URLs) and input.id=… (ids)"
        )
    found = []
    for number, row in enumerate(table.iter_rows(named=True), start=1):
        for column in (*places, *names):
            if row[column] in (None, ""):
                raise InputError(f"{file}: row {number} has no {column}")
        place = str(row[places[0]])
        name = str(row[names[0]]) if names else video_id(place)
        if "://" in place:
            made: Row = {"video_id": name, "source": file.name, "url": place}
        else:
            made = file_row(file.parent / place, name, file.name)
        given = {"title": row["title"]} if row.get("title") is not None else {}
        found.append({**made, **given, "duration_s": seconds(row.get("duration_s"), f"{file}: row {number}")})
    return found


def seconds(value: object, where: str) -> float | None:
    try:
        return None if value in (None, "") else float(str(value))
    except ValueError:
        raise InputError(f"{where}: duration_s={value!r} is not a number of seconds") from None


def catalogue(config: Input) -> pl.DataFrame:
    """The table of all videos of the input, by CATALOGUE. Raises InputError if there is none."""
    place = Path(config.path)
    if not place.exists():
        raise InputError(f"input.path={config.path}: no such file or folder (seen from {Path.cwd()})")
    if place.is_dir():
        rows = folder_rows(place)
    elif place.suffix.lower() in TABLE_SUFFIXES:
        rows = table_rows(place, config)
    else:
        raise InputError(f"input.path={config.path}: neither a folder nor one of {', '.join(sorted(TABLE_SUFFIXES))}")
    if not rows:
        raise InputError(f"input.path={config.path}: no video in it ({', '.join(sorted(VIDEO_SUFFIXES))}, any case)")
    table = pl.DataFrame(rows, schema=CATALOGUE, strict=False)
    twice = table.filter(pl.col("video_id").is_duplicated())
    if len(twice):
        raise InputError(
            f"{config.path}: {len(twice)} rows share a video id, e.g. {twice['video_id'][0]!r}; say input.id=…"
        )
    return table


def run(steps: Mapping[str, Step], config: Config, folder: Path) -> dict[str, pl.DataFrame]:
    return {"rows": catalogue(config.input)}


def check(config: Config) -> None:
    """What can be told before anything is submitted."""
    if not Path(config.input.path).exists():
        raise InputError(f"input.path={config.input.path}: no such file or folder (seen from {Path.cwd()})")


STAGE = Stage(name="ingest", kind="reduce", config=Config, run=run, gives=CATALOGUE, key="video_id", check=check)

if __name__ == "__main__":
    main(STAGE)
