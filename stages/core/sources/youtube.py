"""Ids of YouTube videos and channels, extracted from the many forms of their URLs."""

import polars as pl

WATCH = "https://www.youtube.com/watch?v="
ID = "[A-Za-z0-9_-]{11}"
HTTP = r"(?:(?:https?:)?//)?"  # pages embed `//www.youtube.com/…`
SITE = rf"^(?i:{HTTP}(?:(?:www|m|music|gaming)\.)?youtube(?:-nocookie|education|kids)?\.com/)"
PAGE = SITE + rf"(?:watch(?:_popup)?/?\?(?:[^#]*&)?v=|(?:shorts|embed|live|v|e|watch)/)({ID})(?:[?&#/].*)?$"
SHORT = rf"^(?i:{HTTP}(?:www\.)?youtu\.be/)({ID})(?:[?&#/].*)?$"
# attribution_link?a=…&u=%2Fwatch%3Fv%3DID%26feature%3Dshare: the page that it names is percent-encoded
WITHIN = SITE + rf"attribution_link/?\?(?:[^#]*&)?u=[^#]*?(?i:[?&]|%3F|%26)v(?i:=|%3D)({ID})(?:(?i:[&?#/]|%26|%23).*)?$"
NO_IDS = ("videoseries", "live_stream")  # of embed/: a playlist, and what a channel shows now
CHANNEL = SITE + r"channel/(UC[A-Za-z0-9_-]{22})(?:[?#/].*)?$"
NAME = SITE + r"(?:@|c/|user/)"  # of a channel's handle, which does not contain its id


def is_id(text: pl.Expr) -> pl.Expr:
    return text.str.contains(f"^{ID}$")


def video_id(address: pl.Expr) -> pl.Expr:
    """The video id in a URL, with or without https:// and further parameters; null if there is none."""
    found = pl.coalesce(address.str.extract(pattern) for pattern in (PAGE, SHORT, WITHIN))
    return pl.when(~found.is_in(NO_IDS)).then(found)


def channel_id(address: pl.Expr) -> pl.Expr:
    """The channel id in a URL; null if there is none."""
    return address.str.extract(CHANNEL)
