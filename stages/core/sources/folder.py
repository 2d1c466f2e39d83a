"""Videos in a folder: a row per file, with an id made of its path relative to the folder.

So ids stay the same if the folder moves, and a.mp4 and a.mkv are two videos. What is known of a video is in its
sidecar a.info.json (see sidecars.py), if there is one; else its name is its title.
"""

import hashlib
import os
import re
from pathlib import Path
from stat import S_ISREG
from typing import Literal

import polars as pl
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from slurm.errors import InputError
from stages.core.schema.catalogue import CATALOGUE
from stages.core.schema.types import Row
from stages.core.sources import sidecars
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
    folder = Path(path)
    files = sorted(folder.rglob("*"))
    videos = {file: below for file in files if is_video(file, below := file.relative_to(folder))}
    if not videos:
        raise InputError(f"input.path={path}: no video in it ({', '.join(sorted(SUFFIXES))}, any case)")
    rows = [row(file, video_id(below.as_posix()), folder.name) for file, below in videos.items()]
    present = {file for file in files if file.name.endswith(sidecars.SUFFIX)}
    beside = [file.with_suffix(sidecars.SUFFIX) for file in videos]
    known, lost = sidecars.read([sidecar if sidecar in present else None for sidecar in beside])
    table = pl.DataFrame(rows, CATALOGUE).with_columns(*known.drop("title"), title=pl.coalesce(known["title"], "title"))
    return Catalogue(table.lazy(), left_out=lost)


def is_video(file: Path, below: Path) -> bool:
    """Whether it has a video's suffix, and neither it nor a folder on its way `below` is hidden."""
    hidden = any(part.startswith(".") for part in below.parts)
    return file.suffix.lower() in SUFFIXES and not hidden and not os.path.isdir(file)  # noqa: PTH112 (which raises where it is not to be seen)


def row(file: Path, name: str, source: str) -> Row:
    """A file's row; `bytes` is null for a broken link, which fails when it is opened."""
    return {
        "video_id": name,
        "source": source,
        "path": str(file.absolute()),
        "title": file.stem,
        "bytes": file_bytes(str(file)),
    }


def file_bytes(path: str) -> int | None:
    """The file's size in bytes; None for one that is not there or cannot be seen, which fails when it is opened."""
    try:
        facts = Path(path).stat()
    except (OSError, ValueError):
        return None
    return facts.st_size if S_ISREG(facts.st_mode) else None


def video_id(name: str) -> str:
    """An id usable as a file name: the readable start of the name, and 10 hex digits of its hash for uniqueness."""
    readable = re.sub(r"[^A-Za-z0-9]+", "-", Path(name).stem).strip("-")[:40]
    return f"{readable or 'video'}-{hashlib.sha256(name.encode()).hexdigest()[:10]}"
