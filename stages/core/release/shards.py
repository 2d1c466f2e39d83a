"""Which rows of a chunk are in which of its shards, and where a shard and what tells of it lie.

    data/<bucket>/train-<chunk>-<shard>.parquet       the shard; a reader of the folder takes `train` for the split
    index/<bucket>/<chunk>-<shard>.parquet            where each row lies in it
    index/<bucket>/<chunk>-<shard>.sha256             its checksum: `sha256sum -c` in the release's folder reads it
    metadata/<bucket>/<chunk>-<shard>.parquet         what is known of its rows, where the shard is no table itself

    index/<bucket>/<chunk>.rows.json                  how many of the chunk's rows each of its shards is made of, once
                                                      some were taken out: so the others stay where they are

A chunk names its shards by its own number, so whatever is added to a run later renames none. What is in them follows
from the chunk's rows and the sizes of their files alone, so whoever makes a shard again makes the same bytes.
"""

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, pairwise
from pathlib import Path
from typing import NamedTuple

import polars as pl

from slurm.errors import InputError
from slurm.record.files import read_json, replacing
from slurm.record.paths import bucket, chunk_name
from slurm.removals import staged_of

PLACES = ("data", "index", "metadata")


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

    def beside(self, place: str, suffix: str) -> Path:
        """A file that tells of it."""
        return self.folder / place / bucket(self.chunk) / f"{chunk_name(self.chunk)}-{self.number:04d}{suffix}"


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


def rows_file(folder: Path, chunk: int) -> Path:
    """The file that tells how many rows each shard of a chunk is made of, if some were taken out."""
    return folder / "index" / bucket(chunk) / f"{chunk_name(chunk)}.rows.json"


def spans_of(folder: Path, chunk: int, sizes: Sequence[int], most: float) -> list[range]:
    """The rows of a chunk, by the sizes of their files, that each of its shards is made of; perhaps none."""
    try:
        counts: list[int] = read_json(rows_file(folder, chunk))
    except FileNotFoundError:
        return split_by_size(sizes, most)
    if sum(counts) != len(sizes):  # it reads other rows by now
        return split_by_size(sizes, most)
    ends = list(accumulate(counts, initial=0))
    return [range(first, end) for first, end in pairwise(ends)]


class EmptyError(Exception):
    """None of a shard's rows can be released."""


def write_shard(shard: Shard, write: Callable[[Path], Mapping[str, pl.DataFrame]]) -> None:
    """Writes a shard, the tables that `write` gives beside it (`index`, …), and its checksum, each whole or not at all.

    None of them is there, and none is left of an earlier try, where the index has no rows.
    """
    try:
        with replacing(shard.path) as temporary:
            tables = write(temporary)
            if tables["index"].is_empty():
                raise EmptyError
            checksum = hash_file(temporary)
    except EmptyError:
        for path in files_of(shard.folder, shard.chunk, shard.number):
            path.unlink(missing_ok=True)
        return
    for name, table in tables.items():
        with replacing(shard.beside(name, ".parquet")) as temporary:
            table.write_parquet(temporary, compression="zstd")
    with replacing(shard.beside("index", ".sha256")) as temporary:
        temporary.write_text(f"{checksum}  {shard.name}\n")


class Rewritten(NamedTuple):
    """Files that are ready to be renamed to their own names, and files that have to go then."""

    ready: list[tuple[Path, Path]]  # where a file lies now (`staged_of`), and its name
    unneeded: list[Path]


def write_anew(shard: Shard, write: Callable[[Path], Mapping[str, pl.DataFrame]]) -> Rewritten:
    """As `write_shard`, of a shard that there is and that stays as it is until the files are renamed."""
    with replacing(staged_of(shard.path)) as temporary:
        tables = write(temporary)
        checksum = hash_file(temporary)
    if tables["index"].is_empty():
        return Rewritten([], list(files_of(shard.folder, shard.chunk, shard.number)))
    for name, table in tables.items():
        with replacing(staged_of(shard.beside(name, ".parquet"))) as temporary:
            table.write_parquet(temporary, compression="zstd")
    with replacing(staged_of(shard.beside("index", ".sha256"))) as temporary:
        temporary.write_text(f"{checksum}  {shard.name}\n")
    finals = [shard.path, *(shard.beside(name, ".parquet") for name in tables), shard.beside("index", ".sha256")]
    return Rewritten([(staged_of(path), path) for path in finals], [])


def read_beside(shard: Shard, place: str) -> pl.DataFrame:
    return pl.read_parquet(shard.beside(place, ".parquet"), glob=False, hive_partitioning=False)


def damaged(shard: Shard, what: str) -> InputError:
    return InputError(
        f"{shard.path} is not as it was written ({what}), so nothing can be taken out of it: make it again with the "
        f"command of its step (overwrite=STEP), or remove the step (python -m slurm drop)"
    )


def hash_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def files_of(folder: Path, chunk: int, number: int | None = None) -> Iterator[Path]:
    """The files of a shard, or of all shards of a chunk; also those that tasks which were killed have left."""
    begin = f"{chunk_name(chunk)}-{'' if number is None else f'{number:04d}.'}"
    for place in PLACES:
        for path in sorted((folder / place / bucket(chunk)).glob(f"*{begin}*")):
            if path.name.lstrip(".").removeprefix("train-").startswith(begin):
                yield path


def remove_others(folder: Path, chunk: int, shards: Iterable[Shard]) -> None:
    """Removes what there is of a chunk besides these shards: it was laid out anew, or tasks were killed."""
    kept = {shard.number for shard in shards}
    for path in files_of(folder, chunk):
        number = path.name.lstrip(".").removeprefix("train-").partition(".")[0].rpartition("-")[2]
        if path.name.startswith(".") or not number.isdecimal() or int(number) not in kept:
            path.unlink(missing_ok=True)


def own_folder(place: str, chunk: int) -> str:
    """The folder of a chunk in a place of the release that has many files: `clips/000/000042`."""
    return f"{place}/{bucket(chunk)}/{chunk_name(chunk)}"


def index_of(folder: Path, chunk: int, place: str = "index") -> pl.DataFrame:
    """The rows of all shards of a chunk, in their order, as they stand beside them."""
    files = sorted((folder / place / bucket(chunk)).glob(f"{chunk_name(chunk)}-*.parquet"))
    return pl.concat([pl.read_parquet(file) for file in files]) if files else pl.DataFrame()


def remove_unnamed(folder: Path, named: Collection[str], patterns: Iterable[str]) -> None:
    """Removes the files that these patterns match, unless their paths in the release are in `named`.

    They are of rows that were there once, or of tasks that were killed.
    """
    for pattern in patterns:
        for path in sorted(folder.glob(pattern)):
            if path.relative_to(folder).as_posix() not in named:
                path.unlink(missing_ok=True)
