"""What a site tells of a video, as rows: columns of ABOUT, and its info.json without what expires or is secret."""

import json
from datetime import date, datetime
from typing import Any

from yt_dlp import YoutubeDL

from stages.core.schema.types import Row

Info = dict[str, Any]

# Of a format only what it is: how it was to be had holds for some hours, and may name who asked.
FORMAT_FACTS = (
    "format_id", "format_note", "ext", "container", "protocol", "width", "height", "fps", "vcodec", "acodec", "tbr",
    "vbr", "abr", "asr", "audio_channels", "filesize", "filesize_approx", "dynamic_range", "language", "quality",
)  # fmt: skip
HOW_IT_WAS_HAD = {
    "url", "manifest_url", "http_headers", "cookies", "fragments", "fragment_base_url", "hls_media_playlist_data",
    "hls_aes", "request_data", "downloader_options", "extra_param_to_segment_url", "extra_param_to_key_url",
    "page_url", "player_url", "tc_url", "play_path", "thumbnails",
}  # fmt: skip


def about(info: Info) -> Row:
    """Columns of ABOUT, but for the transcript; null where the site says nothing."""
    chosen = [info, *(info.get("requested_formats") or [])]
    return {
        "title": text(info.get("fulltitle")),  # yt-dlp makes up a `title` where there is none
        "description": text(info.get("description")),
        "channel": text(info.get("channel") or info.get("uploader")),
        "channel_id": text(info.get("channel_id") or info.get("uploader_id")),
        "tags": None if info.get("tags") is None else [str(tag) for tag in info["tags"] if tag],
        "language": next((str(one["language"]) for one in chosen if one.get("language")), None),
        "duration_s": None if info.get("duration") is None else float(info["duration"]),
        "views": count(info.get("view_count")),
        "likes": count(info.get("like_count")),
        "comments": count(info.get("comment_count")),
        "followers": count(info.get("channel_follower_count")),
        "upload_date": day(info.get("upload_date")),
        "licence": text(info.get("license")),
    }


def text(value: object) -> str | None:
    return str(value) if value else None


def count(value: object) -> int | None:
    """A number of views and the like; sites that do not tell are known to say so as text, or as -1."""
    return int(value) if isinstance(value, int | float) and value >= 0 else None


def day(value: object) -> date | None:
    try:
        return datetime.strptime(str(value), "%Y%m%d").date()
    except ValueError:
        return None


def info_row(info: Info, **more: object) -> Row:
    """A row of INFO without `video_id`. Its `info` is JSON in zstd: pyarrow.CompressedInputStream reads it."""
    import pyarrow

    kept = {key: value for key, value in info.items() if key not in HOW_IT_WAS_HAD}
    kept["formats"] = [{key: one[key] for key in FORMAT_FACTS if key in one} for one in info.get("formats") or []]
    for kind in ("subtitles", "automatic_captions"):
        kept[kind] = sorted(info.get(kind) or {})
    told = YoutubeDL.sanitize_info({**kept, **more}, remove_private_keys=True)
    content = json.dumps(told, ensure_ascii=False, sort_keys=True).encode()
    return {
        "extractor": text(info.get("extractor")),
        "format": text(info.get("format_id")),
        "info": pyarrow.compress(content, codec="zstd", asbytes=True),
    }
