"""A site's metadata of a video as rows: columns of ABOUT, and yt-dlp's info.json without what expires or is secret."""

import json
from datetime import date, datetime

from yt_dlp import YoutubeDL

from stages.core.fetch.about import Info, about_values
from stages.core.schema.types import Row

# What describes a format. Its URL, headers and the like expire within hours, and may identify the requester.
FORMAT_FACTS = (
    "format_id", "format_note", "ext", "container", "protocol", "width", "height", "fps", "vcodec", "acodec", "tbr",
    "vbr", "abr", "asr", "audio_channels", "filesize", "filesize_approx", "dynamic_range", "language", "quality",
)  # fmt: skip
ACCESS_FIELDS = {
    "url", "manifest_url", "http_headers", "cookies", "fragments", "fragment_base_url", "hls_media_playlist_data",
    "hls_aes", "request_data", "downloader_options", "extra_param_to_segment_url", "extra_param_to_key_url",
    "page_url", "player_url", "tc_url", "play_path", "thumbnails",
}  # fmt: skip


def about_row(info: Info) -> Row:
    """The columns of ABOUT except transcript and words; null where the site gives nothing."""
    known = about_values(info)
    chosen = [info, *(info.get("requested_formats") or [])]
    return {
        "title": text(info.get("fulltitle")),  # yt-dlp invents a `title` where there is none
        "tags": None if known["tags"] is None else [str(tag) for tag in known["tags"] if tag],
        "language": next((str(one["language"]) for one in chosen if one.get("language")), None),
        "duration_s": None if known["duration_s"] is None else float(known["duration_s"]),
        "upload_date": day(known["upload_date"]),
        **{column: text(known[column]) for column in ("description", "channel", "channel_id", "licence")},
        **{column: count(known[column]) for column in ("views", "likes", "comments", "followers", "age_limit")},
    }


def text(value: object) -> str | None:
    return str(value) if value else None


def count(value: object) -> int | None:
    """A count such as views, None if it is not a number ≥ 0: some sites give a text or -1 where they know none."""
    return int(value) if isinstance(value, int | float) and value >= 0 else None


def day(value: object) -> date | None:
    try:
        return datetime.strptime(str(value), "%Y%m%d").date()
    except ValueError:
        return None


def info_row(info: Info, **more: object) -> Row:
    """A row of INFO without `video_id`; `more` is added to the info. `info` is zstd-compressed JSON (UTF-8).

    pyarrow.CompressedInputStream reads it.
    """
    import pyarrow

    kept = {key: value for key, value in info.items() if key not in ACCESS_FIELDS}
    kept["formats"] = [{key: one[key] for key in FORMAT_FACTS if key in one} for one in info.get("formats") or []]
    for kind in ("subtitles", "automatic_captions"):
        kept[kind] = sorted(info.get(kind) or {})
    public = YoutubeDL.sanitize_info({**kept, **more}, remove_private_keys=True)
    content = json.dumps(public, ensure_ascii=False, sort_keys=True).encode()
    return {
        "extractor": text(info.get("extractor")),
        "format": text(info.get("format_id")),
        "info": pyarrow.compress(content, codec="zstd", asbytes=True),
    }
