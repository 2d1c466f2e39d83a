"""The format `folder`: each video a file in `videos/`, and all that is known of it in `metadata/`, a JSON by its name.

The JSON is that of the format `finevideo`; `where` is a condition over its fields.

    videos/<two hex digits of its id's hash>/<id>.mp4      metadata/<two hex digits>/<id>.json
"""

import json
from collections.abc import Callable, Collection, Sequence
from pathlib import Path, PurePosixPath

import polars as pl

from slurm.errors import ItemError
from slurm.record.files import replacing
from slurm.removals import staged_of
from stages.core.release.finevideo import JSON, takes
from stages.core.release.finevideo import make_entry as make_row
from stages.core.release.media import Item, copy_media
from stages.core.release.settings import Folder
from stages.core.release.shards import Rewritten, Shard, read_beside
from stages.core.release.where import holds, read_condition
from stages.core.schema.types import INT, TEXT, Schema
from stages.core.storage.store import file_name, media_path

SUFFIX = ""
INDEX: Schema = {"id": TEXT, "file": TEXT, "bytes": INT, "sha256": TEXT}
__all__ = ["SUFFIX", "check", "leave_out", "needs", "pack", "takes"]


def check(options: Folder) -> None:
    """Raises InputError for a condition that is none."""
    if options.where is not None:
        read_condition(options.where, "format.where", [field.name for field in JSON])


def needs(options: Folder) -> dict[str, str]:
    """The columns without which it is none, with the keys that ask for them."""
    return {}


def pack(
    shard: Shard, items: Sequence[Item], table: pl.DataFrame, options: Folder
) -> list[dict[str, object] | ItemError | str]:
    """Writes the files of these rows; gives of each its place in INDEX, or why it is not there."""
    fields = [field.name for field in JSON]
    condition = read_condition(options.where, "format.where", fields) if options.where is not None else None
    results: list[dict[str, object] | ItemError | str] = []
    for item, row in zip(items, table.iter_rows(named=True), strict=True):
        try:
            record = make_row(item, row).values["json"]
            unwanted = condition is not None and not holds(condition, record)
            results.append("where" if unwanted else write_files(shard.folder, item, record))
        except ItemError as error:
            results.append(error)
    index = pl.DataFrame([result for result in results if isinstance(result, dict)], INDEX)
    write_index(shard, index)
    return results


def leave_out(shard: Shard, gone: Collection[str], options: Folder) -> Rewritten:
    """What is to be removed of the rows with these ids, and the index without them."""
    index = read_beside(shard, "index")
    unwanted = pl.col("id").is_in(list(gone))
    unneeded: list[Path] = []
    for file in index.filter(unwanted)["file"]:
        place = PurePosixPath(file)
        unneeded += [shard.folder / place, shard.folder / "metadata" / place.parent.name / f"{place.stem}.json"]
    ready = write_index(shard, index.filter(~unwanted), staged_of)
    return Rewritten([(staged_of(path), path) for path in ready], unneeded)


def write_index(shard: Shard, index: pl.DataFrame, place: Callable[[Path], Path] = lambda path: path) -> list[Path]:
    """Writes where each row lies, and the checksums; gives the names of these files, which lie at their `place`."""
    listed, checksums = shard.beside("index", ".parquet"), shard.beside("index", ".sha256")
    with replacing(place(listed)) as temporary:
        index.write_parquet(temporary, compression="zstd")
    with replacing(place(checksums)) as temporary:
        temporary.write_text("".join(f"{digest}  {file}\n" for file, digest in index.select("file", "sha256").rows()))
    return [listed, checksums]


def write_files(folder: Path, item: Item, record: dict[str, object]) -> dict[str, object]:
    """The video and its JSON, each whole or not at all; gives their place. Raises ItemError."""
    name = file_name(item.key)
    suffix = PurePosixPath(str(item.address)).suffix.lower()
    file = f"videos/{media_path(item.key, f'{name}{suffix}')}"
    media = copy_media(item, folder / file)
    with replacing(folder / "metadata" / media_path(item.key, f"{name}.json")) as temporary:
        temporary.write_text(json.dumps(record, ensure_ascii=False) + "\n")
    return {"id": item.key, "file": file, "bytes": media.bytes, "sha256": media.sha256}
