"""YouTube's ids, and the many addresses of one video."""

import polars as pl

WATCH = "https://www.youtube.com/watch?v="
ID = "[A-Za-z0-9_-]{11}"
SITE = r"^(?i:(?:https?://)?(?:(?:www|m|music)\.)?youtube(?:-nocookie)?\.com/)"
PAGE = SITE + rf"(?:watch/?\?(?:[^#]*&)?v=|shorts/|embed/|live/|v/)({ID})(?:[?&#/].*)?$"
SHORT = rf"^(?i:(?:https?://)?youtu\.be/)({ID})(?:[?&#/].*)?$"
CHANNEL = SITE + r"channel/(UC[A-Za-z0-9_-]{22})(?:[?#/].*)?$"
NAME = SITE + r"(?:@|c/|user/)"  # of a channel, as people call it


def is_id(text: pl.Expr) -> pl.Expr:
    return text.str.contains(f"^{ID}$")


def video_id(address: pl.Expr) -> pl.Expr:
    """The id that a page's address names, with or without https:// and further parameters; null if it names none."""
    return pl.coalesce(address.str.extract(PAGE), address.str.extract(SHORT))


def channel_id(address: pl.Expr) -> pl.Expr:
    """The id that a channel's address names; null if it names none."""
    return address.str.extract(CHANNEL)
