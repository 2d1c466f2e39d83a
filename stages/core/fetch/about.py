"""What yt-dlp calls the columns of ABOUT: in what it gives to `download`, and in its files NAME.info.json.

Without yt-dlp itself, which takes half a second to load.
"""

from math import isfinite
from typing import Any

Info = dict[str, Any]

NAMES = {  # column → yt-dlp's names for it; the first that has a value counts
    "title": ("fulltitle", "title"),
    "description": ("description",),
    "channel": ("channel", "uploader"),
    "channel_id": ("channel_id", "uploader_id"),
    "tags": ("tags",),
    "site_categories": ("categories",),
    "language": ("language",),
    "duration_s": ("duration",),
    "views": ("view_count",),
    "likes": ("like_count",),
    "comments": ("comment_count",),
    "followers": ("channel_follower_count",),
    "age_limit": ("age_limit",),
    "upload_date": ("upload_date",),
    "licence": ("license",),
}


def plain(value: Any) -> Any:
    """The value as every JSON and every table can hold it: half of a surrogate pair becomes a `?`, a NaN or infinite
    number null.
    """
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    if isinstance(value, float):
        return value if isfinite(value) else None
    if isinstance(value, dict):
        return {plain(name): plain(part) for name, part in value.items()}
    return [plain(part) for part in value] if isinstance(value, list | tuple) else value


def about_values(info: Info) -> Info:
    """yt-dlp's value for each column of NAMES, as it is; None where there is none."""
    return {
        column: next((value for name in names if (value := info.get(name)) not in (None, "")), None)
        for column, names in NAMES.items()
    }
