"""The folder of a dataset as it is published: links to the files of its packages, and what is written for it.

    README.md attribution.parquet revisions.json plots/ sample/      written here
    data/ index/ metadata/ …                                         links, below the folder of its config

A link follows what package makes again, so that nothing of a row that was taken out stays behind here.
"""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import polars as pl

from slurm.record.files import replacing
from stages.core.storage.walk import find_files


def link_files(folder: Path, files: Mapping[str, Path]) -> None:
    """Links to these files, by their paths in the folder."""
    for name, file in files.items():
        place = folder / name
        target = os.path.relpath(file, place.parent)
        if not place.is_symlink() or str(place.readlink()) != target:
            place.parent.mkdir(parents=True, exist_ok=True)
            temporary = place.with_name(f".{place.name}.link")
            temporary.unlink(missing_ok=True)
            temporary.symlink_to(target)
            temporary.replace(place)


def write_text(folder: Path, name: str, text: str) -> str:
    with replacing(folder / name) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return name


def write_table(folder: Path, name: str, table: pl.DataFrame) -> str:
    with replacing(folder / name) as temporary:
        table.write_parquet(temporary, compression="zstd")
    return name


def remove_others(folder: Path, names: Iterable[str]) -> None:
    """Removes what an earlier version, or a task that was killed, has left in the folder."""
    kept = set(names)
    for file in [*find_files(folder).files, *folder.rglob(".*.link"), *folder.rglob(".*.tmp")]:
        if file.relative_to(folder).as_posix() not in kept:
            file.unlink(missing_ok=True)
    for place in sorted(find_files(folder).folders - {folder}, reverse=True):
        if not any(place.iterdir()):
            place.rmdir()
