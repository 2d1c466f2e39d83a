"""A site's metadata of a video as rows: columns of ABOUT, and yt-dlp's info.json without what expires or is secret."""

import json
from collections.abc import Callable
from datetime import date, datetime

from yt_dlp import YoutubeDL

from stages.core.fetch.about import Info, about_values, plain
from stages.core.schema.types import Row
from stages.core.storage.errors import LIBRARY_FAULTS

# What describes a format. Its URL, headers and the like expire within hours, and may identify the requester.
FORMAT_FACTS = (
    "format_id", "format_note", "ext", "container", "protocol", "width", "height", "fps", "vcodec", "acodec", "tbr",
    "vbr", "abr", "asr", "audio_channels", "filesize", "filesize_approx", "dynamic_range", "language", "quality",
)  # fmt: skip
MOST_S = 1e9  # of a video: thirty years
ACCESS_FIELDS = {
    "url", "manifest_url", "http_headers", "cookies", "fragments", "fragment_base_url", "hls_media_playlist_data",
    "hls_aes", "request_data", "downloader_options", "extra_param_to_segment_url", "extra_param_to_key_url",
    "page_url", "player_url", "tc_url", "play_path", "thumbnails",
}  # fmt: skip


def about_row(info: Info) -> tuple[Row, list[str]]:
    """The columns of ABOUT except transcript and words, and notes; null where the site gives nothing.

    A value that fits no column is null as well, with a note.
    """
    known = about_values(info)
    known["title"] = info.get("fulltitle")  # yt-dlp invents a `title` where there is none
    chosen = [info, *(one for one in info.get("requested_formats") or [] if isinstance(one, dict))]
    known["language"] = next((one["language"] for one in chosen if one.get("language")), None)
    row: Row = {column: READERS.get(column, text)(value) for column, value in known.items()}
    lost = [column for column, value in known.items() if row[column] is None and is_odd(column, value)]
    return row, [f"{column}={repr(known[column])[:80]} fits no column" for column in lost]


def is_odd(column: str, value: object) -> bool:
    """Whether it says something: some sites give -1, or no text, for what they do not know."""
    return value not in (None, "", [], {}) and not (column in COUNTS and value == -1)


def text(value: object) -> str | None:
    return str(value) if value and isinstance(value, str | int | float) else None


def texts(value: object) -> list[str] | None:
    if isinstance(value, str):
        return [value]
    return [str(tag) for tag in value if text(tag)] if isinstance(value, list | tuple) else None


def count(value: object) -> int | None:
    """A count such as views, None if it is no number from 0 to what a column holds: some sites give a text or -1."""
    return int(value) if isinstance(value, int | float) and 0 <= value < 2**63 else None


def seconds(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and 0 <= value < MOST_S else None


def day(value: object) -> date | None:
    try:
        return datetime.strptime(str(value)[:9], "%Y%m%d").date()
    except ValueError:
        return None


COUNTS = ("views", "likes", "comments", "followers", "age_limit")
READERS: dict[str, Callable[[object], object]] = {
    "tags": texts,
    "site_categories": texts,
    "duration_s": seconds,
    "upload_date": day,
    **dict.fromkeys(COUNTS, count),
}


def info_row(info: Info, **more: object) -> Row:
    """A row of INFO without `video_id`; `more` is added to the info. `info` is zstd-compressed JSON (UTF-8).

    pyarrow.CompressedInputStream reads it.
    """
    import pyarrow

    kept = {key: value for key, value in info.items() if key not in ACCESS_FIELDS}
    kept["formats"] = [{key: one[key] for key in FORMAT_FACTS if key in one} for one in info.get("formats") or []]
    for kind in ("subtitles", "automatic_captions"):
        kept[kind] = sorted(info.get(kind) or {})
    try:
        public = plain(YoutubeDL.sanitize_info({**kept, **more}, remove_private_keys=True))
        content = json.dumps(public, ensure_ascii=False, sort_keys=True).encode()
    except LIBRARY_FAULTS as error:  # nested too deep, a number too long
        content = json.dumps({"error": f"{type(error).__name__}: {error}"}).encode()
    return {
        "extractor": text(info.get("extractor")),
        "format": text(info.get("format_id")),
        "info": pyarrow.compress(content, codec="zstd", asbytes=True),
    }
