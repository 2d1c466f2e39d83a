"""Selects formats of a site: the best video within the configured preferences, with the best audio."""

import re
from collections.abc import Callable, Iterator
from typing import Any

from yt_dlp.utils import determine_protocol

from slurm.errors import ItemError
from stages.core.fetch.settings import Formats

Format = dict[str, Any]

CODECS = {
    "h264": r"avc|[hx]264",
    "hevc": r"hev|hvc|[hx]265",
    "vp9": r"vp0?9",
    "av1": r"av0?1",
    "vp8": r"vp0?8",
}
# Protocols that yt-dlp downloads itself. For others it runs ffmpeg, which ignores our rate limit and shows cookies on
# its command line.
NATIVE = {"http", "https", "m3u8", "m3u8_native", "http_dash_segments", "ism"}


def make_format_selector(preferences: Formats) -> Callable[[dict[str, Any]], Iterator[Format]]:
    """A function for yt-dlp's `format` option: it gets all formats, worst first, and yields the one to download."""

    def choose(context: dict[str, Any]) -> Iterator[Format]:
        formats: list[Format] = context["formats"]
        selected = select_formats(formats, preferences)
        if len(selected) == 1:
            yield selected[0]
        else:
            yield {
                "requested_formats": selected,
                "format_id": "+".join(one["format_id"] for one in selected),
                "ext": selected[0]["ext"],
                "protocol": "+".join(map(determine_protocol, selected)),
            }

    return choose


def select_formats(formats: list[Format], preferences: Formats) -> list[Format]:
    """One format with video and one with audio, or one with both, or only video if no format has audio.

    `formats` are in yt-dlp's order, worst first, which breaks ties. Raises ItemError("no_format").
    """
    usable = [one for one in formats if determine_protocol(one) in NATIVE]
    ranked = [one for one in usable if one.get("vcodec") != "none" and rank(one, preferences) is not None]
    sounds = [one for one in usable if one.get("vcodec") == "none" and one.get("acodec") != "none"]
    if not ranked:
        offered = sorted({str(one.get("vcodec")) for one in formats} - {"none"}) or ["no video"]
        raise ItemError("no_format", f"formats.codecs={preferences.codecs}, and the site has: {', '.join(offered)}")
    if not sounds:
        ranked = [one for one in ranked if one.get("acodec") != "none"] or ranked
    # reversed: max returns the first of equals, and yt-dlp puts the best last
    picture = max(
        reversed(ranked), key=lambda one: (rank(one, preferences), one.get("acodec") == "none", language_rank(one))
    )
    if picture.get("acodec") != "none" or not sounds:
        return [picture]
    native = "mp4a" if preferences.container == "mp4" else "opus"  # the codec that players expect in that container
    sound = max(reversed(sounds), key=lambda one: (language_rank(one), str(one.get("acodec")).startswith(native)))
    return [picture, sound]


def rank(one: Format, preferences: Formats) -> tuple[object, ...] | None:
    """A sort key of a video format, larger is better; None if its codec is not in `codecs`."""
    codec = one.get("vcodec")  # None: the site does not tell
    fits = [place for place, name in enumerate(preferences.codecs) if codec and re.match(CODECS[name], codec)]
    if codec and not fits:
        return None
    # 1080p means the shorter side: the width of a portrait video
    side_px = min(filter(None, (one.get("width"), one.get("height"))), default=0)
    within = 1 if side_px == 0 else 2 if side_px <= preferences.height_px else 0
    return (
        not one.get("__needs_testing"),  # yt-dlp does not know whether it is available
        -1 if one.get("preference") is None else one["preference"],
        within,
        side_px if within else -side_px,
        one.get("dynamic_range") in (None, "SDR"),  # HDR looks grey in players that do not apply its transfer function
        one.get("source_preference") or -1,
        -min(fits, default=len(preferences.codecs)),
    )


def language_rank(one: Format) -> int:
    """yt-dlp's language preference, larger for the original language than for a dub; -1 where the site gives none."""
    return int(one.get("language_preference") or -1)
