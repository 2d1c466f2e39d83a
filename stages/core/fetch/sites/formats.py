"""Which of a site's formats are fetched: the best picture within the wishes, with the best sound."""

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
# What yt-dlp itself downloads. The others it leaves to ffmpeg, which would not wait for its turn, and would show
# cookies on its command line.
NATIVE = {"http", "https", "m3u8", "m3u8_native", "http_dash_segments", "ism"}


def chooser(wanted: Formats) -> Callable[[dict[str, Any]], Iterator[Format]]:
    """yt-dlp's `format` option: a function that is given all formats, worst first, and yields the one to download."""

    def choose(context: dict[str, Any]) -> Iterator[Format]:
        formats: list[Format] = context["formats"]
        picked = pick(formats, wanted)
        if len(picked) == 1:
            yield picked[0]
        else:
            yield {
                "requested_formats": picked,
                "format_id": "+".join(one["format_id"] for one in picked),
                "ext": picked[0]["ext"],
                "protocol": "+".join(map(determine_protocol, picked)),
            }

    return choose


def pick(formats: list[Format], wanted: Formats) -> list[Format]:
    """A picture and a sound, or one format that has both, or a picture where nothing has sound.

    `formats` are in yt-dlp's order, worst first, which decides between equals. Raises ItemError("no_format").
    """
    usable = [one for one in formats if determine_protocol(one) in NATIVE]
    ranked = [one for one in usable if one.get("vcodec") != "none" and rank(one, wanted) is not None]
    sounds = [one for one in usable if one.get("vcodec") == "none" and one.get("acodec") != "none"]
    if not ranked:
        there = sorted({str(one.get("vcodec")) for one in formats} - {"none"}) or ["no picture"]
        raise ItemError("no_format", f"formats.codecs={wanted.codecs}, and the site has: {', '.join(there)}")
    if not sounds:
        ranked = [one for one in ranked if one.get("acodec") != "none"] or ranked
    # reversed: max takes the first of equals, and the best of yt-dlp's order is its last
    picture = max(reversed(ranked), key=lambda one: (rank(one, wanted), one.get("acodec") == "none", own_language(one)))
    if picture.get("acodec") != "none" or not sounds:
        return [picture]
    native = "mp4a" if wanted.container == "mp4" else "opus"  # what players of that container expect
    sound = max(reversed(sounds), key=lambda one: (own_language(one), str(one.get("acodec")).startswith(native)))
    return [picture, sound]


def rank(one: Format, wanted: Formats) -> tuple[object, ...] | None:
    """How well a picture fits, more is better; None where its codec is not wanted."""
    codec = one.get("vcodec")  # None: the site does not say
    fits = [place for place, name in enumerate(wanted.codecs) if codec and re.match(CODECS[name], codec)]
    if codec and not fits:
        return None
    # what the site calls 1080p is the shorter side: a film held upright has that width
    side_px = min(filter(None, (one.get("width"), one.get("height"))), default=0)
    within = 1 if side_px == 0 else 2 if side_px <= wanted.height_px else 0
    return (
        not one.get("__needs_testing"),  # yt-dlp is not sure that it can be had
        -1 if one.get("preference") is None else one["preference"],
        within,
        side_px if within else -side_px,
        one.get("dynamic_range") in (None, "SDR"),  # others look grey wherever their curve is not applied
        one.get("source_preference") or -1,
        -min(fits, default=len(wanted.codecs)),
    )


def own_language(one: Format) -> int:
    """More for the language that a film was made in than for a dubbed one; -1 where the site does not say."""
    return int(one.get("language_preference") or -1)
