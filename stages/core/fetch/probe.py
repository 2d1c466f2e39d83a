"""Properties of a fetched file, read from the file itself; what the site says about it is not used."""

from dataclasses import replace
from hashlib import file_digest
from pathlib import Path
from typing import NamedTuple

import av
from av.container import InputContainer

from slurm.errors import ItemError
from stages.core.fetch.settings import Limits
from stages.core.schema.types import Row
from stages.core.video.read.facts import Facts, codec_name, read_facts
from stages.core.video.read.opening import SAFE_INPUT
from stages.core.video.read.packets import PICTURES, Video, open_video

NO_DECODER = {
    **SAFE_INPUT,
    "codec_whitelist": "none",
}  # opening a decoder and decoding one 720p frame takes ten times as long


class Header(NamedTuple):
    facts: Facts
    audio_codec: str | None


def probe(file: Path, limits: Limits, sha256: str | None = None) -> Row:
    """A row with the columns of FETCHED and `duration_s`. `sha256` (hex) is computed unless it is passed in.

    Raises ItemError: empty, corrupt, no_video, unreadable, too_large (by pixels, seconds or bytes).
    """
    size = file.stat().st_size
    if size > limits.max_bytes:
        raise ItemError("too_large", f"{size / 2**30:.1f} GB is more than limits.max_gb={limits.max_gb:g}")
    header, notes = read_header(file, limits), list[str]()
    if header is None:
        with open_video(str(file), limits.max_pixels, limits.max_s) as video:
            if video.notes:
                notes, video.facts = video.notes, replace(video.facts, declared_s=measure_end(video))
            header = Header(video.facts, sound_codec(video.container, video.facts))
    facts, names, suffix = header.facts, header.facts.container.split(","), file.suffix.lstrip(".").lower()
    if sha256 is None:
        with file.open("rb") as content:
            sha256 = file_digest(content, "sha256").hexdigest()
    return {
        "bytes": size,
        "sha256": sha256,
        "container": suffix if suffix in names else names[0],
        "codec": facts.codec,
        "audio_codec": header.audio_codec,
        "width_px": facts.width_px,
        "height_px": facts.height_px,
        "fps": float(facts.fps),
        "duration_s": facts.declared_s,
        "notes": notes or None,
    }


def measure_end(video: Video) -> float | None:
    """When a video is over whose header claims too much; its first frame is read. Raises ItemError."""
    next(video.frames())
    return video.packets_end_s()


def read_header(file: Path, limits: Limits) -> Header | None:
    """The properties as the header gives them; None if it is incomplete, beyond `limits`, or the file is damaged."""
    try:
        with av.open(f"file:{file}", mode="r", options=NO_DECODER, metadata_errors="replace") as container:
            pictures = container.streams.video
            if len(pictures) != 1 or pictures[0].disposition & PICTURES or pictures[0].codec_context is None:
                return None
            facts = read_facts(container, pictures[0])
            header = Header(facts, sound_codec(container, facts))
            all_sound = facts.audio_index is not None or not container.streams.audio
    except (av.FFmpegError, OSError, ValueError):
        return None
    fits = 0 < facts.width_px * facts.height_px <= limits.max_pixels and 0 < (facts.declared_s or 0) <= limits.max_s
    return header if fits and all_sound else None


def sound_codec(container: InputContainer, facts: Facts) -> str | None:
    """The codec of the audio stream that is played with the video; None without one."""
    codec = None if facts.audio_index is None else container.streams[facts.audio_index].codec_context
    return None if codec is None else codec_name(codec)
