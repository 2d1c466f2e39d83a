"""What a fetched file is, by its own account: the site's is not asked."""

from hashlib import file_digest
from pathlib import Path
from typing import NamedTuple

import av
from av.container import InputContainer

from slurm.errors import ItemError
from stages.core.fetch.settings import Limits
from stages.core.schema.types import Row
from stages.core.video.read.facts import Facts, read_facts
from stages.core.video.read.opening import SAFE_INPUT
from stages.core.video.read.packets import PICTURES, open_video

NO_DECODER = {**SAFE_INPUT, "codec_whitelist": "none"}  # to open one and decode a frame of 720p takes ten times as long


class Told(NamedTuple):
    facts: Facts
    audio_codec: str | None


def probe(file: Path, limits: Limits, sha256: str | None = None) -> Row:
    """Columns of FETCHED and `duration_s`, from the container. `sha256` is computed where it is not known yet.

    Raises ItemError: empty, corrupt, no_video, unreadable, too_large (pixels, seconds or bytes).
    """
    size = file.stat().st_size
    if size > limits.max_bytes:
        raise ItemError("too_large", f"{size / 2**30:.1f} GB are more than limits.max_gb={limits.max_gb:g}")
    told = by_header(file, limits)
    if told is None:
        with open_video(str(file), limits.max_pixels, limits.max_s) as video:
            told = Told(video.facts, sound(video.container, video.facts))
    facts, names, suffix = told.facts, told.facts.container.split(","), file.suffix.lstrip(".").lower()
    if sha256 is None:
        with file.open("rb") as content:
            sha256 = file_digest(content, "sha256").hexdigest()
    return {
        "bytes": size,
        "sha256": sha256,
        "container": suffix if suffix in names else names[0],
        "codec": facts.codec,
        "audio_codec": told.audio_codec,
        "width_px": facts.width_px,
        "height_px": facts.height_px,
        "fps": float(facts.fps),
        "duration_s": facts.declared_s,
    }


def by_header(file: Path, limits: Limits) -> Told | None:
    """What the header alone tells; None where it does not tell all, or something is wrong with the file."""
    try:
        with av.open(f"file:{file}", mode="r", options=NO_DECODER, metadata_errors="replace") as container:
            pictures = container.streams.video
            if len(pictures) != 1 or pictures[0].disposition & PICTURES or pictures[0].codec_context is None:
                return None
            facts = read_facts(container, pictures[0])
            told = Told(facts, sound(container, facts))
            all_sound = facts.audio_index is not None or not container.streams.audio
    except (av.FFmpegError, OSError, ValueError):
        return None
    fits = 0 < facts.width_px * facts.height_px <= limits.max_pixels and 0 < (facts.declared_s or 0) <= limits.max_s
    return told if fits and all_sound else None


def sound(container: InputContainer, facts: Facts) -> str | None:
    """The codec of the sound that belongs to the picture."""
    codec = None if facts.audio_index is None else container.streams[facts.audio_index].codec_context
    return None if codec is None else codec.name
