"""A sample of a release: rows that are drawn by a seed, their media files, and a CSV of what is known of them."""

import hashlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import IO

import polars as pl

from slurm.errors import InputError
from slurm.record.files import replacing
from stages.core.card.configs import Release
from stages.core.card.rows import read_captions

PIECE_BYTES = 1 << 22
FOLDER = "sample"


def draw(ids: Sequence[str], rows: int, seed: int) -> list[str]:
    """So many of the ids. Each has a lot of its own, so that a row more or less changes at most one of the others."""
    lots = sorted((hashlib.sha256(f"{seed}\0{one}".encode(errors="replace")).digest(), one) for one in ids)
    return [one for _, one in lots[:rows]]


def write_sample(release: Release, folder: Path, rows: int, seed: int, *, alone: bool) -> Iterator[str]:
    """Writes `sample/sample.csv` and the media files of these rows into the dataset's folder; gives their paths in it.

    Of several configs each has a folder of its own in `sample`.
    """
    place = FOLDER if alone else f"{FOLDER}/{release.name}"
    drawn = pl.DataFrame({"id": draw(release.rows["id"].to_list(), rows, seed)}, {"id": pl.String()})
    table = drawn.join(release.rows, on="id", how="left", maintain_order="left")
    index = read_index(release, drawn["id"])
    files: list[str | None] = []
    for number, row in enumerate(table.iter_rows(named=True)):
        where = index.get(row["id"])
        if where is None or not where.get("bytes"):
            files.append(None)
            continue
        suffix = PurePosixPath(row["clip_path"] or row["path"] or str(where["file"])).suffix.lower()
        name = f"{number:03d}-{re.sub(r'[^A-Za-z0-9_-]+', '-', row['id'])[:80]}{suffix or '.mp4'}"
        copy_media(release.files[release.place(str(where["file"]))], where, folder / place / name, row["media_sha256"])
        files.append(name)
        yield f"{place}/{name}"
    columns = ["title", "channel", "category", "duration_s", "url", "licence"]
    told = table.select(
        "id",
        pl.Series("file", files, pl.String()),
        *columns,
        read_captions(table, release.step, release.beside),
        "shard",
    )
    with replacing(folder / place / "sample.csv") as temporary:
        told.write_csv(temporary)
    yield f"{place}/sample.csv"


def read_index(release: Release, ids: pl.Series) -> dict[str, dict[str, object]]:
    """Where the media of these rows lie, by the release's own index."""
    paths = [file for name, file in release.files.items() if re.search(r"(^|/)index/[^/]+/[^/]+\.parquet$", name)]
    if not paths:
        return {}
    rows = pl.concat([pl.scan_parquet(path, glob=False) for path in paths], how="vertical_relaxed")
    return {row["id"]: row for row in rows.filter(pl.col("id").is_in(ids.implode())).collect().iter_rows(named=True)}


def copy_media(shard: Path, where: dict[str, object], out: Path, sha256: str | None) -> None:
    """Copies a media file out of its shard. Raises InputError unless it is the one that was packed."""
    digest = hashlib.sha256()
    with replacing(out) as temporary, shard.open("rb") as source, temporary.open("wb") as copy:
        source.seek(int(str(where.get("offset") or 0)))
        for piece in pieces(source, int(str(where["bytes"]))):
            digest.update(piece)
            copy.write(piece)
        if sha256 not in (None, digest.hexdigest()):
            raise InputError(
                f"{shard} holds another file for {where['id']} than the one that was packed (its SHA-256 is "
                f"{digest.hexdigest()}, and was {sha256}): it was changed since; pack it again with overwrite=STEP"
            )


def pieces(file: IO[bytes], size: int) -> Iterator[bytes]:
    while size:
        piece = file.read(min(size, PIECE_BYTES))
        if not piece:
            return
        size -= len(piece)
        yield piece
