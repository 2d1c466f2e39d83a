"""Videos in a folder: a row for each file, named by its path below the folder.

So the folder may move, and a.mp4 and a.mkv stay two videos.
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
from stages.core.sources.found import Found

SUFFIXES = {".mp4", ".mkv", ".webm", ".mov", ".avi", ".m4v"}


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Options:
    name: Literal["folder"]


def check(path: str, options: Options) -> None:
    if not Path(path).is_dir():
        raise InputError(f"input.path={path}: no such folder (seen from {Path.cwd()})")


def read(path: str, options: Options) -> Found:
    """A row for every video file below the folder, sorted by path; hidden files and folders are left out."""
    check(path, options)
    folder, rows = Path(path), []
    for file in sorted(folder.rglob("*")):
        below = file.relative_to(folder)
        hidden = any(part.startswith(".") for part in below.parts)
        if file.suffix.lower() in SUFFIXES and not hidden and not file.is_dir():
            rows.append(row(file, video_id(below.as_posix()), folder.name))
    if not rows:
        raise InputError(f"input.path={path}: no video in it ({', '.join(sorted(SUFFIXES))}, any case)")
    return Found(pl.LazyFrame(rows, schema=CATALOGUE))


def row(file: Path, name: str, source: str) -> Row:
    """A file's row; a link to nothing has null bytes, and is told when it is opened."""
    size = file.stat().st_size if file.is_file() else None
    return {"video_id": name, "source": source, "path": str(file.absolute()), "title": file.stem, "bytes": size}


def video_id(name: str) -> str:
    """A file name for a video: readable start, and 10 hex digits of its full name's hash so that no two are alike."""
    readable = re.sub(r"[^A-Za-z0-9]+", "-", Path(name).stem).strip("-")[:40]
    return f"{readable or 'video'}-{hashlib.sha256(name.encode()).hexdigest()[:10]}"
