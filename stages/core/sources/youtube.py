"""Ids of YouTube videos and channels, extracted from the many forms of their URLs."""

import polars as pl

WATCH = "https://www.youtube.com/watch?v="
ID = "[A-Za-z0-9_-]{11}"
SITE = r"^(?i:(?:https?://)?(?:(?:www|m|music)\.)?youtube(?:-nocookie)?\.com/)"
PAGE = SITE + rf"(?:watch/?\?(?:[^#]*&)?v=|shorts/|embed/|live/|v/)({ID})(?:[?&#/].*)?$"
SHORT = rf"^(?i:(?:https?://)?youtu\.be/)({ID})(?:[?&#/].*)?$"
CHANNEL = SITE + r"channel/(UC[A-Za-z0-9_-]{22})(?:[?#/].*)?$"
NAME = SITE + r"(?:@|c/|user/)"  # of a channel's handle, which does not contain its id


def is_id(text: pl.Expr) -> pl.Expr:
    return text.str.contains(f"^{ID}$")


def video_id(address: pl.Expr) -> pl.Expr:
    """The video id in a URL, with or without https:// and further parameters; null if there is none."""
    return pl.coalesce(address.str.extract(PAGE), address.str.extract(SHORT))


def channel_id(address: pl.Expr) -> pl.Expr:
    """The channel id in a URL; null if there is none."""
    return address.str.extract(CHANNEL)
