"""FineVideo (https://huggingface.co/datasets/HuggingFaceFV/finevideo), or what has its form: Parquet files with a video
in the column `mp4` and what is known of it in `json`, a struct or a text.

Of the files only `json` is read; the videos are fetched from them later, by the addresses of the rows.
"""

import json
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import Any, Literal, NamedTuple

import polars as pl
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from slurm.errors import InputError
from stages.core.schema.catalogue import ABOUT
from stages.core.schema.types import TEXT, Row
from stages.core.sources.folder import video_id
from stages.core.sources.found import Found
from stages.core.sources.values import typed
from stages.core.storage import input_files

SUFFIXES = {".parquet"}
KNOWN = {  # catalogue's column → theirs
    "title": "youtube_title",
    "description": "youtube_description",
    "channel": "youtube_channel",
    "tags": "youtube_tags",
    "duration_s": "duration_seconds",
    "views": "youtube_view_count",
    "likes": "youtube_like_count",
    "comments": "youtube_comment_count",
    "followers": "youtube_channel_follower_count",
    "upload_date": "youtube_upload_date",
    "transcript": "text_to_speech",
    "words": "text_to_speech_word_count",
}
CATEGORIES = ("content_fine_category", "content_parent_category")
NAME = "original_video_filename"
FIELDS = (*KNOWN.values(), *CATEGORIES, NAME)
COLUMNS = ("video_id", "url", "error", "error_detail", *KNOWN.values())
AT_ONCE = 8  # files: little is read of each, most of the time goes into waiting
BATCH_ROWS = 256

log = logging.getLogger("reelmill")


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Options:
    """`categories`: fine or parent ones, of which a video must have one; None: any."""

    name: Literal["finevideo"]
    categories: list[str] | None


class Listing(NamedTuple):
    """A file's rows: the wanted ones as texts by COLUMNS, how many others there are, and which categories."""

    wanted: pl.DataFrame
    others: int
    categories: set[str]


def check(path: str, options: Options) -> None:
    input_files.check(path)


def read(path: str, options: Options) -> Found:
    """The videos of the wanted categories, in the order of the files; a row whose `json` cannot be read has an error.

    What the catalogue has of them is held in memory: of FineVideo's 43,751 videos 0.3 GB.
    """
    files = input_files.list_files(path, SUFFIXES)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        listings = list(pool.map(lambda file: listing(file, path, options.categories), files))
    seen = set().union(*(found.categories for found in listings))
    if unknown := sorted(set(options.categories or ()) - seen):
        log.warning("source.categories: no video is of %s; there are: %s", ", ".join(unknown), ", ".join(sorted(seen)))
    rows = pl.concat([found.wanted for found in listings])
    first = rows.filter(pl.col("video_id").is_first_distinct())
    left_out = {"category": sum(found.others for found in listings), "duplicate": len(rows) - len(first)}
    about = {column: typed(theirs, TEXT, ABOUT[column]) for column, theirs in KNOWN.items()}
    table = first.lazy().select("video_id", "url", "error", "error_detail", source=pl.lit("finevideo"), **about)
    return Found(table, left_out={reason: count for reason, count in left_out.items() if count})


def listing(file: str, path: str, categories: list[str] | None) -> Listing:
    records: list[Row] = []
    seen: set[str] = set()
    others = 0
    for row, value in enumerate(json_column(file)):
        address = f"parquet://mp4@{row}::{file}"
        named: Row = {"video_id": video_id(f"{below(file, path)}@{row}"), "url": address}
        try:
            known = fields(value)
        except ValueError as error:
            records.append({**named, "error": "bad_value", "error_detail": f"{address}: json: {error}"})
            continue
        own = {known[column] for column in CATEGORIES if known[column]}
        seen |= own
        if categories is not None and own.isdisjoint(categories):
            others += 1
        elif stem := PurePosixPath(known[NAME] or "").stem:
            records.append({**named, **known, "video_id": stem})
        else:
            records.append({**named, **known})
    return Listing(pl.DataFrame(records, dict.fromkeys(COLUMNS, TEXT)), others, seen)


def below(file: str, path: str) -> str:
    """The file's name within what the user named, so that the same data at another place has the same ids."""
    folder = path if input_files.is_remote(path) else str(Path(path).absolute())
    return file.removeprefix(folder).lstrip("/") or PurePosixPath(file).name


def fields(value: Any) -> dict[str, Any]:
    """The fields of a row's `json` that we know, as texts; ValueError if it is no object."""
    try:
        told = json.loads(value) if isinstance(value, str | bytes) else value or {}
    except RecursionError as error:
        raise ValueError("too deep") from error
    if not isinstance(told, dict):
        raise ValueError(f"{str(value)[:80]} is not an object")
    return {name: text(told.get(name)) for name in FIELDS}


def text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def json_column(file: str) -> Iterator[Any]:
    """What each row has in `json`: of a struct those fields that we know."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with input_files.open_file(file, ahead=False) as stream:
            parquet = pq.ParquetFile(stream, pre_buffer=True)
            schema = parquet.schema_arrow
            for column in ("mp4", "json"):
                if column not in schema.names:
                    raise InputError(f"{file} has no column {column!r}; it has: {', '.join(schema.names)}")
            kind = schema.field("json").type
            struct = pa.types.is_struct(kind)
            parts = [f"json.{field.name}" for field in kind if field.name in FIELDS] if struct else ["json"]
            for batch in parquet.iter_batches(BATCH_ROWS, columns=parts):
                yield from batch.column("json").to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{file} cannot be read as .parquet: {error}") from error
