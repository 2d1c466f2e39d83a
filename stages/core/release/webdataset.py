"""The format `webdataset`: tar shards with KEY.mp4, KEY.json (what is known of it) and KEY.txt (its caption) a sample.

A reader takes for the key what stands before the first dot of a name, and for a sample what has the same key side by
side; so keys have no dots. What is known stands in a Parquet file beside each shard, too: a column more is written
there, and no shard again.
"""

import json
import math
import re
import tarfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import IO, Any

import polars as pl

from slurm.errors import ItemError
from stages.core.release.media import PIECE_BYTES, Item, open_media
from stages.core.release.settings import WebDataset
from stages.core.release.shards import Rewritten, Shard, damaged, read_beside, write_anew, write_shard
from stages.core.schema.types import INT, TEXT, Schema

SUFFIX = ".tar"
END_BYTES = 2 * tarfile.BLOCKSIZE  # of zeros, at the end of a tar file
CAPTIONS = ("rewritten_caption", "refined_caption", "raw_caption")  # the last that was made counts
COLUMNS = (  # that are taken where there are some
    *("start_s", "end_s", "duration_s", "fps", "width_px", "height_px", "frames", "has_audio"),
    *("title", "channel", "url", "licence", "language", "upload_date", "category", "category_parent", "camera_move"),
    *("flow", "aesthetic", "watermark", "nsfw"),
    *CAPTIONS,
)
INDEX: Schema = {  # where each sample lies
    "id": TEXT,
    "key": TEXT,
    "file": TEXT,  # its path in the release
    "sample_offset": INT,  # of its first header
    "offset": INT,  # of the media file's first byte
    "bytes": INT,  # of the media file
    "sha256": TEXT,  # of the media file
}


def needs(options: WebDataset) -> dict[str, str]:
    """The columns that the config names, with the keys that ask for them."""
    caption = {options.caption_column: "format.caption_column"} if options.caption_column else {}
    return {**dict.fromkeys(options.columns or (), "format.columns"), **caption}


def takes(options: WebDataset) -> tuple[str, ...]:
    return CAPTIONS if options.columns is not None else COLUMNS


def pack(
    shard: Shard, items: Sequence[Item], table: pl.DataFrame, options: WebDataset
) -> list[dict[str, object] | ItemError]:
    """Writes a shard with these rows; gives of each its place in INDEX, or why it is not there."""
    known = table.select(columns_of(table, options))
    captions = captions_of(table, options)
    results: list[dict[str, object] | ItemError] = []

    def write(path: Path) -> dict[str, pl.DataFrame]:
        with path.open("wb") as out:
            for item, row, caption in zip(items, known.iter_rows(named=True), captions, strict=True):
                begin = out.tell()
                try:
                    results.append({"file": shard.name, **add_sample(out, item, row, caption)})
                except ItemError as error:
                    out.seek(begin)
                    out.truncate()
                    results.append(error)
            out.write(bytes(END_BYTES))
        good = [result for result in results if not isinstance(result, ItemError)]
        index = pl.DataFrame(good, INDEX)
        there = known.filter(pl.Series([not isinstance(result, ItemError) for result in results], dtype=pl.Boolean))
        return {"index": index, "metadata": index.select("key", "file").hstack(there)}

    write_shard(shard, write)
    return results


def leave_out(shard: Shard, gone: Collection[str], options: WebDataset) -> Rewritten:
    """The shard without the samples with these ids, out of its own bytes. Raises InputError if it is damaged."""
    index = read_beside(shard, "index")
    metadata = read_beside(shard, "metadata")
    ends = [*index["sample_offset"][1:], shard.path.stat().st_size - END_BYTES]
    kept = index.select(stays=~pl.col("id").is_in(list(gone)))["stays"]

    def write(path: Path) -> dict[str, pl.DataFrame]:
        begins: list[int] = []
        digest = sha256()
        with shard.path.open("rb") as source, path.open("wb") as out:
            for begin, end, stays in zip(index["sample_offset"], ends, kept, strict=True):
                if begin != source.tell():
                    raise damaged(shard, f"a sample at {source.tell()}, not at {begin}")
                begins.append(out.tell())
                for piece in pieces(source, end - begin):
                    digest.update(piece)
                    if stays:
                        out.write(piece)
            digest.update(source.read())
            out.write(bytes(END_BYTES))
        if digest.hexdigest() != shard.beside("index", ".sha256").read_text().partition(" ")[0]:
            raise damaged(shard, "its checksum is another one")
        moved = pl.col("sample_offset") - pl.Series(begins, dtype=pl.Int64)
        shifted = index.with_columns(offset=pl.col("offset") - moved, sample_offset=pl.col("sample_offset") - moved)
        return {"index": shifted.filter(kept), "metadata": metadata.filter(kept)}

    return write_anew(shard, write)


def pieces(source: IO[bytes], size: int) -> Iterator[bytes]:
    while size > 0 and (piece := source.read(min(size, PIECE_BYTES))):
        size -= len(piece)
        yield piece


def columns_of(table: pl.DataFrame, options: WebDataset) -> list[str]:
    """The keys of the rows, and the columns that are told of them."""
    keys = [name for name in ("frame_id", "clip_id", "video_id") if name in table.columns]
    return list(dict.fromkeys([*keys, *(name for name in options.columns or COLUMNS if name in table.columns)]))


def captions_of(table: pl.DataFrame, options: WebDataset) -> list[str | None]:
    names = [options.caption_column] if options.caption_column else [name for name in CAPTIONS if name in table.columns]
    return table.select(pl.coalesce(names)).to_series().to_list() if names else [None] * len(table)


def add_sample(out: IO[bytes], item: Item, row: Mapping[str, Any], caption: str | None) -> dict[str, object]:
    """Writes the members of a sample; gives its place. Raises ItemError, perhaps in the middle of a member."""
    key, begin = key_of(item.key), out.tell()
    with open_media(item) as media:
        suffix = PurePosixPath(str(item.address)).suffix.lower() or ".mp4"
        out.write(header(f"{key}{suffix}", media.bytes))
        offset = out.tell()
        for piece in media.pieces():
            out.write(piece)
        pad(out)
    texts = {".json": json.dumps(plain(row), ensure_ascii=False), ".txt": caption}
    for suffix, text in texts.items():
        if text is not None:
            content = text.encode(errors="replace")
            out.write(header(f"{key}{suffix}", len(content)))
            out.write(content)
            pad(out)
    place = {"id": item.key, "key": key, "sample_offset": begin, "offset": offset}
    return {**place, "bytes": media.bytes, "sha256": media.sha256}


def key_of(name: str) -> str:
    """The id itself if it has nothing that a reader takes apart, else its readable start and 20 digits of its hash."""
    if re.fullmatch(r"[A-Za-z0-9_-]{1,80}", name):
        return name
    readable = re.sub(r"[^A-Za-z0-9]+", "-", name)[:40].strip("-")
    return f"{readable or 'sample'}-{sha256(name.encode(errors='replace')).hexdigest()[:20]}"


def header(name: str, size: int) -> bytes:
    """A tar header that says nothing of when and by whom."""
    info = tarfile.TarInfo(name)
    info.size = size
    return info.tobuf(tarfile.PAX_FORMAT)


def pad(out: IO[bytes]) -> None:
    out.write(bytes(-out.tell() % tarfile.BLOCKSIZE))


def plain(value: Any) -> Any:
    """The value as JSON: dates as 2024-01-31, a number that is none null."""
    if isinstance(value, Mapping):
        return {name: plain(part) for name, part in value.items()}
    if isinstance(value, list):
        return [plain(part) for part in value]
    if isinstance(value, date):
        return value.isoformat()
    return None if isinstance(value, float) and not math.isfinite(value) else value
