"""What a fetched file is, by its own account: the site's is not asked."""

from hashlib import file_digest
from pathlib import Path

from slurm.errors import ItemError
from stages.core.fetch.settings import Limits
from stages.core.schema import Row
from stages.core.video.packets import open_video


def probe(file: Path, limits: Limits, sha256: str | None = None) -> Row:
    """Columns of FETCHED and `duration_s`, from the container. `sha256` is computed where it is not known yet.

    Raises ItemError: empty, corrupt, no_video, unreadable, too_large (pixels, seconds or bytes).
    """
    size = file.stat().st_size
    if size > limits.max_bytes:
        raise ItemError("too_large", f"{size / 2**30:.1f} GB are more than limits.max_gb={limits.max_gb:g}")
    with open_video(str(file), limits.max_px, limits.max_s) as video:
        facts = video.facts
        sound = None if facts.audio_index is None else video.container.streams[facts.audio_index].codec_context
    names, suffix = facts.container.split(","), file.suffix.lstrip(".").lower()
    if sha256 is None:
        with file.open("rb") as content:
            sha256 = file_digest(content, "sha256").hexdigest()
    return {
        "bytes": size,
        "sha256": sha256,
        "container": suffix if suffix in names else names[0],
        "codec": facts.codec,
        "audio_codec": None if sound is None else sound.name,
        "width_px": facts.width_px,
        "height_px": facts.height_px,
        "fps": float(facts.fps),
        "duration_s": facts.declared_s,
    }
