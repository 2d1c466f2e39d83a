"""The pictures of the parts of videos, as JPEG: key frames that a step before has kept, or frames decoded for it."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Literal, NamedTuple, cast

import polars as pl

from slurm.errors import ItemError
from stages.core.frames import settings
from stages.core.frames.reading import MAX_PIXELS, MAX_S
from stages.core.runner.work import Rows
from stages.core.schema.types import Row
from stages.core.storage.scratch import scratch_folder
from stages.core.video.sample.parts import Part
from stages.core.video.sample.pictures import take_pictures
from stages.core.video.sample.settings import Frames, Limits
from stages.core.video.sample.shown import Shown

LIMITS = Limits(MAX_PIXELS, MAX_S)
QUALITY = 85  # of JPEG
SOURCES: dict[str, Literal["even", "key", "sync"]] = {"even": "even", "key_frames": "key", "sync_frames": "sync"}
Place = tuple[str, int]  # of a part: its video and its number


class Picture(NamedTuple):
    time_s: float
    jpeg: bytes


class Stored(NamedTuple):
    """Where the pictures of a part are: rows of the column `jpeg` of a Parquet file."""

    file: str
    rows: Sequence[int]
    times_s: Sequence[float]


class Pictures:
    """The pictures of each part, read when they are wanted."""

    def __init__(self, stored: dict[Place, Stored], errors: dict[str, ItemError], frames: Frames) -> None:
        self.stored, self.errors, self.frames = stored, errors, frames
        self.shown = {video for video, _ in stored}  # videos that have pictures

    def why_none(self, video: str) -> ItemError | None:
        """Why a video has no picture at all; None if it has."""
        return None if video in self.shown else self.errors.get(video, ItemError("no_frames", "no picture of it"))

    def of(self, video: str, part: int, most_bytes: int) -> list[Picture]:
        """Those of a part, in order of time; evenly fewer where they would not go into so many bytes as base64.

        One that cannot be read is left out.
        """
        stored = self.stored.get((video, part))
        read = [] if stored is None else self._read(stored)
        while len(read) > 1 and sum(len(one.jpeg) for one in read) * 4 / 3 > most_bytes:
            read = read[::2]
        return read

    def _read(self, stored: Stored) -> list[Picture]:
        part: Row = {"number": 0, "rows": stored.rows, "times_s": stored.times_s}
        job: Row = {"file": stored.file, "parts": [part]}
        (taken,) = cast(list[dict[str, Any]], list(take_pictures(job, self.frames, LIMITS)["parts"]))
        if "error" not in taken:
            return [Picture(*one) for one in zip(taken["times_s"], taken["jpegs"], strict=True)]
        each = zip(stored.rows, stored.times_s, strict=True) if len(stored.rows) > 1 else ()
        return [one for row, time_s in each for one in self._read(Stored(stored.file, [row], [time_s]))]


def find_pictures(rows: Rows, items: Sequence[Row], parts: Sequence[Part], chosen: settings.Frames) -> Pictures:
    """The pictures of parts of the videos of a chunk; each of `items` has a `video_id`, and a `path` to decode."""
    # decord would first read all packets of each video
    frames = Frames(SOURCES[chosen.source], cast(int, chosen.most), chosen.side_px, QUALITY, None, "pyav")
    names = [str(row["video_id"]) for row in items]
    shown, stored, errors = Shown(rows, items, frames, LIMITS), dict[Place, Stored](), dict[str, ItemError]()
    if not shown.decodes:
        for job in shown.find_kept(parts):
            for kept in cast(list[Row], job["parts"]):
                part = parts[cast(int, kept["number"])]
                stored[names[part.item], part.number] = Stored(str(job["file"]), kept["rows"], kept["times_s"])  # type: ignore[arg-type]
        return Pictures(stored, errors, frames)
    folder = Path(mkdtemp(dir=scratch_folder()))  # what a part shows is asked for when those before it are answered
    for part in parts:
        if not items[part.item]["path"]:
            errors[names[part.item]] = ItemError("not_downloaded", "no file of it, of which pictures are decoded")
    for part, taken in shown.take([part for part in parts if items[part.item]["path"]]):
        name = names[part.item]
        if isinstance(taken, ItemError):
            errors.setdefault(name, taken)
            continue
        file, times_s = folder / f"{part.item:07d}_{part.number:05d}.parquet", cast(Sequence[float], taken["times_s"])
        pl.DataFrame({"jpeg": taken["jpegs"]}).write_parquet(file, compression="uncompressed")
        stored[name, part.number] = Stored(str(file), range(len(times_s)), times_s)
    return Pictures(stored, errors, frames)
