"""Videos in a folder, or by a pattern: a row per file, with an id made of its path relative to the folder.

So ids stay the same if the folder moves, and a.mp4 and a.mkv are two videos. What is known of a video is in its
sidecar a.info.json (see sidecars.py), if there is one; else its name is its title.
"""

import glob
import hashlib
import re
from pathlib import Path
from stat import S_ISREG
from typing import Literal

import polars as pl
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from slurm.errors import InputError
from stages.core.schema.catalogue import CATALOGUE
from stages.core.schema.types import TEXT, Row
from stages.core.sources import sidecars
from stages.core.sources.catalogue import Catalogue
from stages.core.sources.values import as_text
from stages.core.storage.addresses import VIDEO_SUFFIXES
from stages.core.storage.input_files import count_suffixes, local_glob
from stages.core.storage.walk import find_files


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Options:
    name: Literal["folder"]


def check(path: str, options: Options) -> None:
    if not Path(path).exists() and not local_glob(path):
        raise InputError(f"input.path={path}: no such folder or video (seen from {Path.cwd()})")


def read(path: str, options: Options) -> Catalogue:
    """A row for every video file in the folder and its subfolders, sorted by path; hidden ones are skipped.

    The path may also be that of a video, or a pattern of videos and folders. A file whose name is not UTF-8 has an
    error; one that is no video is counted by its suffix.
    """
    check(path, options)
    root = Path(path) if Path(path).is_dir() else fixed_part(path)
    files, folders, left_out = find_files(*([Path(path)] if Path(path).exists() else map(Path, local_glob(path))))
    videos = [file for file in files if file.suffix.lower() in VIDEO_SUFFIXES]
    beside = [file.with_suffix(sidecars.SUFFIX) for file in videos]
    used = {*videos, *beside}
    left_out += count_suffixes(file.name for file in files if file not in used)
    if not videos:
        there = ", ".join(f"{count:,} {reason}" for reason, count in left_out.most_common(9)) or "nothing"
        kinds = ", ".join(sorted(VIDEO_SUFFIXES))
        raise InputError(f"input.path={path}: no video in it ({kinds}, any case), but {there}")
    rows = [row(file, video_id(file.relative_to(root).as_posix()), root.absolute().name) for file in videos]
    present = {*files, *folders}
    known, lost = sidecars.read([sidecar if sidecar in present else None for sidecar in beside])
    table = pl.DataFrame(rows, {**CATALOGUE, "error": TEXT, "error_detail": TEXT})
    table = table.with_columns(*known.drop("title"), title=pl.coalesce(known["title"], "title"))
    return Catalogue(table.lazy(), left_out=left_out + lost)


def fixed_part(pattern: str) -> Path:
    """The folder of a file, or the last one before a pattern's first wildcard: ids are made of paths below it."""
    folders = Path(pattern).parts[:-1]
    wild = next((n for n, part in enumerate(folders) if glob.has_magic(part)), len(folders))
    return Path(*folders[: wild if glob.has_magic(pattern) else len(folders)])


def row(file: Path, name: str, source: str) -> Row:
    """A file's row; `bytes` is null for a broken link, which fails when it is opened."""
    path = str(file.absolute())
    values: Row = {"video_id": name, "source": as_text(source), "title": as_text(file.stem), "bytes": file_bytes(path)}
    if path == as_text(path):
        return {**values, "path": path}
    return {**values, "error": "bad_value", "error_detail": f"{as_text(path)}: a name that is not UTF-8: rename it"}


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
    return f"{readable or 'video'}-{hashlib.sha256(name.encode(errors='surrogateescape')).hexdigest()[:10]}"
