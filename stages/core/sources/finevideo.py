"""FineVideo (https://huggingface.co/datasets/HuggingFaceFV/finevideo), or a dataset of the same layout: Parquet files
with videos in the column `mp4` and their metadata in `json`, a struct or a text.

Only `json` is read here; the download stage extracts the videos, by the addresses of the rows.
"""

import json
import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import Any, Literal, NamedTuple

import polars as pl
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from slurm.errors import InputError
from stages.core.schema.catalogue import ABOUT
from stages.core.schema.types import TEXT, Row
from stages.core.sources.catalogue import Catalogue
from stages.core.sources.folder import video_id
from stages.core.sources.unpacked import check_unpacked
from stages.core.sources.values import as_text, cast_column
from stages.core.storage import input_files

SUFFIXES = {".parquet"}
COPIED = {  # catalogue's column → theirs
    "title": "youtube_title",
    "description": "youtube_description",
    "channel": "youtube_channel",
    "tags": "youtube_tags",
    "site_categories": "youtube_categories",
    "duration_s": "duration_seconds",
    "views": "youtube_view_count",
    "likes": "youtube_like_count",
    "comments": "youtube_comment_count",
    "followers": "youtube_channel_follower_count",
    "age_limit": "youtube_age_limit",
    "upload_date": "youtube_upload_date",
    "transcript": "text_to_speech",
    "words": "text_to_speech_word_count",
}
CATEGORIES = ("content_fine_category", "content_parent_category")
NAME, ANNOTATION = "original_video_filename", "content_metadata"
FIELDS = (*COPIED.values(), *CATEGORIES, NAME)
MORE = ("resolution", "timecoded_text_to_speech", *FIELDS)  # what no column of the catalogue holds to the letter
COLUMNS = ("video_id", "url", "error", "error_detail", *COPIED.values(), ANNOTATION, "original")
AT_ONCE = 8  # files read in parallel: little is read of each, most of the time is latency
BATCH_ROWS = 256

log = logging.getLogger("reelmill")


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Options:
    """`categories`: fine or parent categories, one of which a video must have; None: all videos.

    `annotations`: whether all that is told of each video (scenes, activities, lines with their times, …) is read, so
    that it can be aligned again, and packaged as it was.
    """

    name: Literal["finevideo"]
    categories: list[str] | None
    annotations: bool


class FileRows(NamedTuple):
    """The rows of a file: `kept` as texts by COLUMNS, the number of `others`, and all categories that occur."""

    kept: pl.DataFrame
    others: int
    categories: set[str]


def check(path: str, options: Options) -> None:
    input_files.check(path)


def read(path: str, options: Options) -> Catalogue:
    """The videos of the configured categories, in the order of the files; rows with an unreadable `json` have an error.

    All rows are held in memory: 0.3 GB for the 43,751 videos of FineVideo; annotations are several times as large.
    """
    files = input_files.list_files(path, SUFFIXES)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        by_file = list(pool.map(lambda file: read_file(file, path, options), files))
    seen = set().union(*(rows.categories for rows in by_file))
    if unknown := sorted(set(options.categories or ()) - seen):
        log.warning(
            "source.categories: no video has %s; the source has: %s", ", ".join(unknown), ", ".join(sorted(seen))
        )
    rows = pl.concat([file_rows.kept for file_rows in by_file])
    first = rows.filter(pl.col("video_id").is_first_distinct())
    left_out = {"category": sum(file_rows.others for file_rows in by_file), "duplicate": len(rows) - len(first)}
    about = {column: cast_column(theirs, TEXT, ABOUT[column]) for column, theirs in COPIED.items()}
    own = ("video_id", "url", "error", "error_detail", ANNOTATION, "original")
    table = first.lazy().select(*own, source=pl.lit("finevideo"), **about)
    return Catalogue(table, left_out={reason: count for reason, count in left_out.items() if count})


def read_file(file: str, path: str, options: Options) -> FileRows:
    categories, whole = options.categories, options.annotations
    fields = (*MORE, ANNOTATION) if whole else FIELDS
    records: list[Row] = []
    seen: set[str] = set()
    others = 0
    for row, value in enumerate(json_column(file, fields)):
        address = f"parquet://mp4@{row}::{file}"
        named: Row = {"video_id": video_id(f"{below(file, path)}@{row}"), "url": address}
        try:
            record = parse_object(value)
        except ValueError as error:
            records.append({**named, "error": "bad_value", "error_detail": f"{address}: json: {error}"})
            continue
        known = {name: as_text(record.get(name)) for name in fields if name in COLUMNS or name in FIELDS}
        if whole:
            known["original"] = as_text({name: record.get(name) for name in MORE})
        video_categories = {category for column in CATEGORIES if (category := known[column])}
        seen |= video_categories
        if categories is not None and video_categories.isdisjoint(categories):
            others += 1
        elif stem := PurePosixPath(known[NAME] or "").stem:
            records.append({**named, **known, "video_id": stem})
        else:
            records.append({**named, **known})
    return FileRows(pl.DataFrame(records, dict.fromkeys(COLUMNS, TEXT)), others, seen)


def below(file: str, path: str) -> str:
    """The file's path relative to `path`, so that the same data in another folder has the same ids."""
    folder = path if input_files.is_remote(path) else str(Path(path).absolute())
    return file.removeprefix(folder).lstrip("/") or PurePosixPath(file).name


def parse_object(value: Any) -> dict[str, Any]:
    """A row's `json`. Raises ValueError if it is not an object."""
    try:
        record = json.loads(value) if isinstance(value, str | bytes) else value or {}
    except RecursionError as error:
        raise ValueError("too deep") from error
    if not isinstance(record, dict):
        raise ValueError(f"{str(value)[:80]} is not an object")
    return record


def json_column(file: str, fields: Sequence[str]) -> Iterator[Any]:
    """The `json` value of each row; of a struct only these fields are read. Raises InputError."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    check_unpacked(file, {"json"})
    try:
        with input_files.open_file(file, ahead=False) as stream:
            parquet = pq.ParquetFile(stream, pre_buffer=True)
            schema = parquet.schema_arrow
            for column in ("mp4", "json"):
                if column not in schema.names:
                    raise InputError(f"{file} has no column {column!r}; it has: {', '.join(schema.names)}")
            kind = schema.field("json").type
            struct = pa.types.is_struct(kind)
            parts = [f"json.{field.name}" for field in kind if field.name in fields] if struct else ["json"]
            for batch in parquet.iter_batches(BATCH_ROWS, columns=parts):
                yield from batch.column("json").to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{file} cannot be read as .parquet: {error}") from error
