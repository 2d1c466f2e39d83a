"""The result of fetching a video, however it was fetched."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from stages.core.fetch.about import plain
from stages.core.schema.types import Row


@dataclass(frozen=True)
class FetchedVideo:
    """A complete file, alone in its folder, and the site's metadata.

    `about` has the columns of ABOUT that the site knows; `subtitles` are rows of SUBTITLES and `info` is a row of INFO,
    both without `video_id`. `offset_s` is the position of the file's first frame in the whole video, in seconds.
    """

    file: Path
    about: Row = field(default_factory=dict)
    subtitles: list[Row] = field(default_factory=list)
    info: Row | None = None
    offset_s: float = 0.0
    loss: str | None = None  # code of a part that could not be had for now: subtitles_failed
    notes: list[str] = field(default_factory=list)  # what was not taken, and why
    sha256: str | None = None  # hex digest, if it was computed while downloading

    def tables(self, facts: Row) -> dict[str, list[Row]]:
        """The rows of the video, by table, with these facts; texts of its site as a table can hold them."""
        notes = [*self.notes, *cast(list[str], facts.get("notes") or [])]
        row = {**facts, "loss": self.loss, "notes": notes or None}
        tables = {"rows": [row], "subtitles": self.subtitles, "info": [self.info] if self.info else []}
        return {table: [plain(row) for row in rows] for table, rows in tables.items()}
