"""Videos in a folder: a row per file, with an id made of its path relative to the folder.

So ids stay the same if the folder moves, and a.mp4 and a.mkv are two videos.
"""

import hashlib
import re
from pathlib import Path
from typing import Literal

import polars as pl
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from slurm.errors import InputError
from stages.core.schema.catalogue import CATALOGUE
from stages.core.schema.types import Row
from stages.core.sources.catalogue import Catalogue

SUFFIXES = {".mp4", ".mkv", ".webm", ".mov", ".avi", ".m4v"}


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Options:
    name: Literal["folder"]


def check(path: str, options: Options) -> None:
    if not Path(path).is_dir():
        raise InputError(f"input.path={path}: no such folder (seen from {Path.cwd()})")


def read(path: str, options: Options) -> Catalogue:
    """A row for every video file in the folder and its subfolders, sorted by path; hidden ones are skipped."""
    check(path, options)
    folder, rows = Path(path), []
    for file in sorted(folder.rglob("*")):
        below = file.relative_to(folder)
        hidden = any(part.startswith(".") for part in below.parts)
        if file.suffix.lower() in SUFFIXES and not hidden and not file.is_dir():
            rows.append(row(file, video_id(below.as_posix()), folder.name))
    if not rows:
        raise InputError(f"input.path={path}: no video in it ({', '.join(sorted(SUFFIXES))}, any case)")
    return Catalogue(pl.LazyFrame(rows, schema=CATALOGUE))


def row(file: Path, name: str, source: str) -> Row:
    """A file's row; `bytes` is null for a broken link, which fails when it is opened."""
    size = file.stat().st_size if file.is_file() else None
    return {"video_id": name, "source": source, "path": str(file.absolute()), "title": file.stem, "bytes": size}


def video_id(name: str) -> str:
    """An id usable as a file name: the readable start of the name, and 10 hex digits of its hash for uniqueness."""
    readable = re.sub(r"[^A-Za-z0-9]+", "-", Path(name).stem).strip("-")[:40]
    return f"{readable or 'video'}-{hashlib.sha256(name.encode()).hexdigest()[:10]}"
