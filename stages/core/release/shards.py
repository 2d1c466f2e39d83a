"""Which rows of a chunk are in which of its shards, and where a shard and what tells of it lie.

    data/<bucket>/train-<chunk>-<shard>.parquet       the shard; a reader of the folder takes `train` for the split
    index/<bucket>/<chunk>-<shard>.parquet            where each row lies in it
    index/<bucket>/<chunk>-<shard>.sha256             its checksum: `sha256sum -c` in the release's folder reads it

A chunk names its shards by its own number, so whatever is added to a run later renames none. What is in them follows
from the chunk's rows and the sizes of their files alone, so whoever makes a shard again makes the same bytes.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import polars as pl

from slurm.record.files import replacing
from slurm.record.paths import bucket, chunk_name


class Shard(NamedTuple):
    """A shard of a release in `folder`."""

    folder: Path
    chunk: int
    number: int  # among those of its chunk
    suffix: str  # with the dot

    @property
    def name(self) -> str:
        """Its path in the release."""
        return f"data/{bucket(self.chunk)}/train-{chunk_name(self.chunk)}-{self.number:04d}{self.suffix}"

    @property
    def path(self) -> Path:
        return self.folder / self.name

    def beside(self, suffix: str) -> Path:
        """A file that tells of it."""
        return self.folder / "index" / bucket(self.chunk) / f"{chunk_name(self.chunk)}-{self.number:04d}{suffix}"


def split_by_size(sizes: Sequence[int], most: float) -> list[range]:
    """Side by side, as many of these as are `most` together; one that is larger stands alone."""
    found: list[range] = []
    first, total = 0, 0
    for number, size in enumerate(sizes):
        if number > first and total + size > most:
            found.append(range(first, number))
            first, total = number, 0
        total += size
    return [*found, range(first, len(sizes))] if len(sizes) > first else found


class EmptyError(Exception):
    """None of a shard's rows can be released."""


def write_shard(shard: Shard, write: Callable[[Path], pl.DataFrame]) -> None:
    """Writes a shard, its index (what `write` gives) and its checksum, each of them whole or not at all.

    None of them is there, and none is left of an earlier try, where `write` gives no rows.
    """
    try:
        with replacing(shard.path) as temporary:
            index = write(temporary)
            if index.is_empty():
                raise EmptyError
            checksum = hash_file(temporary)
    except EmptyError:
        for path in (shard.beside(".sha256"), shard.beside(".parquet"), shard.path):
            path.unlink(missing_ok=True)
        return
    with replacing(shard.beside(".parquet")) as temporary:
        index.write_parquet(temporary, compression="zstd")
    with replacing(shard.beside(".sha256")) as temporary:
        temporary.write_text(f"{checksum}  {shard.name}\n")


def hash_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def remove_others(folder: Path, chunk: int, numbers: Iterable[int]) -> None:
    """Removes what there is of shards of this chunk that have none of these numbers, for it was laid out anew, and what
    tasks that were killed have left of others.
    """
    kept = {f"{chunk_name(chunk)}-{number:04d}" for number in numbers}
    for place in (folder / "data" / bucket(chunk), folder / "index" / bucket(chunk)):
        for path in place.glob(f"*{chunk_name(chunk)}-*"):
            own = path.name.lstrip(".").removeprefix("train-").partition(".")[0]
            if own.startswith(f"{chunk_name(chunk)}-") and (own not in kept or path.name.startswith(".")):
                path.unlink(missing_ok=True)
