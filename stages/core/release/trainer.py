"""The format `trainer`: a folder of clips and captions that a trainer reads, and a plan of its buckets.

    train/                                      the folder for the trainer; see layouts.py for what is in it
    train/videos/<bucket>/<chunk>/<key>.mp4     the clips; by bucket W×H@F: train/<W>x<H>x<F>/<chunk>-<key>.mp4 and .txt
    validation/                                 the same, of the share of the videos that is held back
    plan.txt buckets.csv clips.csv              which clip falls where, what is cropped and lost; see join.py
    metadata/ lists/                            what these are made of: a file a shard, a file a chunk

A clip is left out, with its reason, where it has no caption (no_caption), is shorter than each bucket (too_short), or
would be seen turned or squeezed, since trainers look at pixels as they are stored (turned, not_square).
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import polars as pl

from slurm.errors import InputError, ItemError
from slurm.record.files import replacing, write_table
from slurm.record.paths import chunk_name
from slurm.removals import staged_of
from stages.core.release.media import Item, Media, open_media, write_media
from stages.core.release.shards import Rewritten, Shard, index_of, own_folder, read_beside, remove_unnamed
from stages.core.release.training.buckets import Bucket, Place, place, read_buckets
from stages.core.release.training.join import PLAN, WHOLE, join, list_of
from stages.core.release.training.layouts import LAYOUTS
from stages.core.release.training.settings import Trainer
from stages.core.release.training.stored import read_stored
from stages.core.release.webdataset import CAPTIONS, key_of
from stages.core.schema.types import INT, TEXT, Row, Schema

SUFFIX = ""
PARTS = ("train", "validation")
OF_FRAMES = ("detailed_caption", "caption")  # that are taken where no caption of the clip itself was made
# of a clip that is left out its id alone; text: the file of its caption, where that is one of its own
INDEX: Schema = {"id": TEXT, "file": TEXT, "text": TEXT, "bytes": INT, "sha256": TEXT}


def needs(options: Trainer) -> dict[str, str]:
    """The column that the config names, with the key that asks for it."""
    return {options.caption_column: "format.caption_column"} if options.caption_column else {}


def takes(options: Trainer) -> tuple[str, ...]:
    return ("frames", *(() if options.caption_column else CAPTIONS))


def takes_lists(options: Trainer) -> tuple[str, ...]:
    return () if options.caption_column else OF_FRAMES


def check(options: Trainer) -> None:
    """Raises InputError for buckets that are none."""
    read_buckets(options)


class For(NamedTuple):
    """What the clips of a shard are written by."""

    shard: Shard
    options: Trainer
    buckets: Sequence[Bucket]


def pack(
    shard: Shard, items: Sequence[Item], table: pl.DataFrame, options: Trainer
) -> list[dict[str, object] | ItemError | str]:
    """Writes the clips of these rows; gives of each its place in INDEX, why it is left out, or its error."""
    asked = For(shard, options, read_buckets(options))
    results: list[dict[str, object] | ItemError | str] = []
    plan: list[Row] = []
    for item, row, caption in zip(items, table.iter_rows(named=True), captions_of(table, options), strict=True):
        try:
            planned, written = write_clip(asked, item, row, caption)
        except ItemError as error:
            results.append(error)
            continue
        plan.append(planned)
        results.append(written if written is not None else str(planned["left_out"]))
    write_table(shard.beside("metadata", ".parquet"), pl.DataFrame(plan, PLAN))
    places = [
        result if isinstance(result, dict) else {"id": item.key}
        for item, result in zip(items, results, strict=True)
        if not isinstance(result, ItemError)
    ]
    write_index(shard, pl.DataFrame(places, INDEX))
    return results


def write_index(shard: Shard, index: pl.DataFrame, place: Callable[[Path], Path] = lambda path: path) -> list[Path]:
    """Writes where each row lies, and the checksums; gives the names of these files, which lie at their `place`."""
    listed, checksums = shard.beside("index", ".parquet"), shard.beside("index", ".sha256")
    write_table(place(listed), index)
    with replacing(place(checksums)) as temporary:
        files = index.drop_nulls("file").select("file", "sha256").rows()
        temporary.write_text("".join(f"{digest}  {file}\n" for file, digest in files))
    return [listed, checksums]


def leave_out(shard: Shard, gone: Collection[str], options: Trainer) -> Rewritten:
    """The lists without the rows with these ids, those of the whole folder, too; and what is to be removed of them."""
    index, unwanted = read_beside(shard, "index"), pl.col("id").is_in(list(gone))
    goes = index.filter(unwanted)
    ready = write_index(shard, index.filter(~unwanted), staged_of)
    for path in (shard.beside("metadata", ".parquet"), list_of(shard.folder, shard.chunk)):
        if path.exists():
            table = pl.read_parquet(path, glob=False, hive_partitioning=False)
            write_table(staged_of(path), table.filter(~unwanted))
            ready.append(path)
    if (shard.folder / WHOLE).exists():
        ready += join(shard.folder, 0, options, gone=gone, place=staged_of)
    unneeded = [shard.folder / name for name in (*goes["file"], *goes["text"]) if name is not None]
    return Rewritten([(staged_of(path), path) for path in ready], unneeded)


def close(folder: Path, chunk: int, chunks: int, options: Trainer) -> None:
    """Removes what no row of the chunk names, writes the chunk's list, and the folder's files once all chunks have one.

    The last chunk that is done makes these, so one command makes a whole folder.
    """
    index = index_of(folder, chunk)
    named = {name for column in ("file", "text") if len(index) for name in index[column].drop_nulls()}
    own = [
        f"{part}/{name}" for part in PARTS for name in (f"{own_folder('videos', chunk)}/*", f"*/{chunk_name(chunk)}-*")
    ]
    remove_unnamed(folder, named, own)
    listed = index_of(folder, chunk, "metadata")
    write_table(list_of(folder, chunk), listed if len(listed) else pl.DataFrame(schema=PLAN))
    join(folder, chunks, options)


def write_clip(asked: For, item: Item, row: Mapping[str, Any], caption: str | None) -> tuple[Row, Row | None]:
    """What the plan says of a clip, by PLAN, and its place by INDEX, unless it is left out. Raises ItemError."""
    planned: Row = {"id": item.key, "caption": caption}
    if caption is None:
        return planned | {"left_out": "no_caption"}, None
    with open_media(item) as media:
        stored = read_stored(media.path, row)
        planned |= {**stored.clip._asdict(), "has_audio": stored.has_audio}
        fallen = place(stored.clip, asked.options, asked.buckets)
        for reason, holds in (
            ("turned", stored.turned),
            ("not_square", not stored.square),
            ("too_short", fallen is None),
        ):
            if holds:
                return planned | {"left_out": reason}, None
        assert fallen is not None
        share = asked.options.validation_share
        part = "validation" if is_held_back(str(row.get("video_id", item.key)), share) else "train"
        written = write_files(asked, item, media, f"{part}/{file_of(asked, item, fallen)}", caption)
    facts = {name: value for name, value in fallen._asdict().items() if name in PLAN}
    places = {"part": part, "file": written["file"], "bucket": str(fallen.trained), "folder": str(fallen.bucket)}
    return planned | facts | places, written


def file_of(asked: For, item: Item, fallen: Place) -> str:
    """Where a clip lies in its part of the folder."""
    suffix = PurePosixPath(str(item.address)).suffix.lower() or ".mp4"
    name, chunk = f"{key_of(item.key)}{suffix}", asked.shard.chunk
    if LAYOUTS[asked.options.layout].by_bucket:
        return f"{fallen.bucket}/{chunk_name(chunk)}-{name}"
    return f"{own_folder('videos', chunk)}/{name}"


def write_files(asked: For, item: Item, media: Media, file: str, caption: str) -> Row:
    """The clip, and its caption beside it where the layout has one there, each whole or not at all; their place."""
    folder = asked.shard.folder
    write_media(media, folder / file)
    text = None
    if LAYOUTS[asked.options.layout].by_bucket:
        text = str(PurePosixPath(file).with_suffix(".txt"))
        with replacing(folder / text) as temporary:
            temporary.write_text(caption + "\n", encoding="utf-8", errors="replace")
    return {"id": item.key, "file": file, "text": text, "bytes": media.bytes, "sha256": media.sha256}


def captions_of(table: pl.DataFrame, options: Trainer) -> list[str | None]:
    """The caption of each row on one line, with the prefix; None where it has none.

    Raises InputError where no step gives one.
    """
    wanted = [options.caption_column] if options.caption_column else [*CAPTIONS, *OF_FRAMES]
    names = [name for name in wanted if name in table.columns]
    if not names:
        raise InputError(
            f"no step before it gives a caption ({', '.join(wanted)}): let caption or describe_frames run before it, "
            f"or say format.caption_column=NAME"
        )
    prefix = (options.caption_prefix or "").strip()
    found: list[str | None] = []
    for values in table.select(names).iter_rows():
        words = next((text for value in values if (text := words_of(value))), None)
        found.append(None if words is None else f"{prefix} {words}".strip())
    return found


def words_of(value: Any) -> str:
    """A caption on one line; of captions of several frames that of the middle one that has any; "" if there is none."""
    texts = [value] if isinstance(value, str) else value or []
    lines = [line for text in texts if text and (line := " ".join(text.replace("\0", " ").split()))]
    return lines[len(lines) // 2] if lines else ""


def is_held_back(video_id: str, share: float) -> bool:
    """Whether a video's clips are for validation: by the hash of its id, so whatever is added later changes nothing."""
    return int(sha256(video_id.encode(errors="replace")).hexdigest()[:13], 16) < share * 16**13
