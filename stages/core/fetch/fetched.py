"""What every way of fetching gives."""

from dataclasses import dataclass, field
from pathlib import Path

from stages.core.schema.types import Row


@dataclass(frozen=True)
class Fetched:
    """A whole file in a folder of its own, and what the site told besides.

    `about` has columns of ABOUT, as far as the site knows them; `subtitles` rows of SUBTITLES and `info` a row of INFO,
    both without `video_id`. `offset_s` is where the file begins in the whole video.
    """

    file: Path
    about: Row = field(default_factory=dict)
    subtitles: list[Row] = field(default_factory=list)
    info: Row | None = None
    offset_s: float = 0.0
    sha256: str | None = None  # where it was computed on the way
