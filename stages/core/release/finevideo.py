"""The format `finevideo`: Parquet with the video in `mp4` as plain binary, and all that is known of it in `json`.

The fields of `json` are those of FineVideo, name for name and with their types, and `original_video_filename`, which
those who read it go by. Source: the dataset card of HuggingFaceFV/finevideo and its files. What is not known is null.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from slurm.errors import ItemError
from stages.core.release.media import Item
from stages.core.release.media_table import Entry, Layout, index_of, write_media_table
from stages.core.release.nested import arrow_type, fit
from stages.core.release.settings import FineVideo, Folder
from stages.core.release.shards import Rewritten, Shard, damaged, read_beside, write_anew, write_shard
from stages.core.schema.types import Row
from stages.core.text.annotation.metadata import ContentMetadata
from stages.core.text.annotation.times import write_time

SUFFIX = ".parquet"
LINES = tuple(f"subtitles.{name}" for name in ("language", "kind", "start_s", "end_s", "text"))
COLUMNS = {  # of FineVideo → ours
    "content_parent_category": "category_parent",
    "content_fine_category": "category",
    "youtube_title": "title",
    "youtube_description": "description",
    "youtube_channel": "channel",
    "youtube_categories": "site_categories",
    "youtube_tags": "tags",
    "youtube_view_count": "views",
    "youtube_comment_count": "comments",
    "youtube_like_count": "likes",
    "youtube_channel_follower_count": "followers",
    "youtube_age_limit": "age_limit",
    "text_to_speech": "transcript",
    "text_to_speech_word_count": "words",
}
# newer than what was read, if there at all
MADE_HERE = ("content_parent_category", "content_fine_category", "content_metadata")
TAKES = (
    *COLUMNS.values(),
    *("original", "content_metadata", "duration_s", "width_px", "height_px", "fps", "upload_date"),
)
METADATA = pa.struct([*arrow_type(ContentMetadata), ("fps", pa.float64())])
JSON = pa.struct(
    [
        ("resolution", pa.string()),
        ("duration_seconds", pa.int64()),
        ("content_parent_category", pa.string()),
        ("content_fine_category", pa.string()),
        ("youtube_title", pa.string()),
        ("youtube_description", pa.string()),
        ("youtube_channel", pa.string()),
        ("youtube_categories", pa.list_(pa.string())),
        ("youtube_tags", pa.list_(pa.string())),
        ("youtube_view_count", pa.int64()),
        ("youtube_comment_count", pa.int64()),
        ("youtube_like_count", pa.int64()),
        ("youtube_channel_follower_count", pa.int64()),
        ("youtube_age_limit", pa.int64()),
        ("youtube_upload_date", pa.string()),
        ("text_to_speech", pa.string()),
        ("text_to_speech_word_count", pa.int64()),
        ("timecoded_text_to_speech", pa.list_(pa.struct([(name, pa.string()) for name in ("start", "end", "text")]))),
        ("content_metadata", METADATA),
        ("original_video_filename", pa.string()),
    ]
)
SCHEMA = pa.schema([pa.field("mp4", pa.binary(), nullable=False), pa.field("json", JSON)])


def takes(options: FineVideo | Folder) -> tuple[str, ...]:
    """The columns that it has a field for; subtitles only of whole videos."""
    return (*TAKES, *(LINES if options.media == "path" else ()))


def needs(options: FineVideo) -> dict[str, str]:
    """The columns without which it is none, with the keys that ask for them."""
    return {}


def pack(
    shard: Shard, items: Sequence[Item], table: pl.DataFrame, options: FineVideo
) -> list[dict[str, object] | ItemError]:
    """Writes a shard with these rows; gives of each its place in INDEX, or why it is not there."""
    results: dict[str, dict[str, object] | ItemError] = {}
    entries = []
    for item, row in zip(items, table.iter_rows(named=True), strict=True):
        try:
            entries.append(make_entry(item, row))
        except ItemError as error:
            results[item.key] = error

    def write(path: Path) -> Any:
        placed = write_media_table(path, shard.name, Layout(SCHEMA, "mp4", options.row_group_mb * 1e6), entries)
        results.update({one.entry.item.key: one.place for one in placed})
        return {"index": index_of(placed)}

    write_shard(shard, write)
    return [results[item.key] for item in items]


def leave_out(shard: Shard, gone: Collection[str], options: FineVideo) -> Rewritten:
    """The shard without the rows with these ids, out of its own bytes. Raises InputError if it is damaged."""
    index = read_beside(shard, "index")
    records = pq.read_table(shard.path, columns=["json"]).column("json")
    if len(records) != len(index):
        raise damaged(shard, f"{len(records)} rows, {len(index)} in its index")
    entries = [
        Entry(Item(id_, str(shard.path), size, sha256, offset), {"json": record}, len(json.dumps(record)))
        for (id_, size, sha256, offset), record in zip(
            index.select("id", "bytes", "sha256", "offset").iter_rows(), records.to_pylist(), strict=True
        )
        if id_ not in gone
    ]

    def write(path: Path) -> Mapping[str, pl.DataFrame]:
        placed = write_media_table(path, shard.name, Layout(SCHEMA, "mp4", options.row_group_mb * 1e6), entries)
        if wrong := next((one.place for one in placed if isinstance(one.place, ItemError)), None):
            raise damaged(shard, wrong.detail)
        return {"index": index_of(placed)}

    return write_anew(shard, write)


def make_entry(item: Item, row: Row) -> Entry:
    """The row of a video. Raises ItemError where a value fits no field."""
    try:
        record = fit(json_of(item, row), JSON)
    except (ValueError, RecursionError) as error:
        raise ItemError("misfit", str(error)) from error
    return Entry(item, {"json": record}, len(json.dumps(record)))


def json_of(item: Item, row: Mapping[str, Any]) -> dict[str, Any]:
    """All that is known of a video, by FineVideo's names; what its dataset said of it counts, but for what was made
    anew since. Raises ValueError.
    """
    original = json.loads(row.get("original") or "{}")
    found: dict[str, Any] = {name: row.get(column) for name, column in COLUMNS.items()}
    width, height, length_s = row.get("width_px"), row.get("height_px"), row.get("duration_s")
    found["resolution"] = f"{width}x{height}" if width and height else None
    found["duration_seconds"] = None if length_s is None else round(length_s)
    found["youtube_upload_date"] = row["upload_date"].strftime("%Y%m%d") if row.get("upload_date") else None
    found["timecoded_text_to_speech"] = lines_of(row)
    found["content_metadata"] = metadata_of(row)
    suffix = PurePosixPath(str(item.address)).suffix
    found["original_video_filename"] = f"{item.key}{suffix}"
    newer = {name for name in MADE_HERE if found[name] is not None}
    return {**found, **{name: value for name, value in original.items() if value is not None and name not in newer}}


def lines_of(row: Mapping[str, Any]) -> list[dict[str, str]] | None:
    """The lines of the transcript with their times: of subtitles in several languages or kinds, the first."""
    if not row.get("subtitles.text"):
        return None
    lines = list(zip(*(row[name] for name in LINES), strict=True))
    return [
        {"start": write_time(start_s), "end": write_time(end_s), "text": text}
        for *which, start_s, end_s, text in lines
        if which == list(lines[0][:2])
    ]


def metadata_of(row: Mapping[str, Any]) -> dict[str, Any] | None:
    """The annotation, with the frame rate that its times were aligned with, else the video's."""
    if row.get("content_metadata") is None:
        return None
    metadata = json.loads(row["content_metadata"])
    if not isinstance(metadata, dict):
        raise ValueError("content_metadata is no object")
    return {"fps": row.get("fps"), **metadata}
