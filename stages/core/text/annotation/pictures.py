"""The pictures of the parts of videos, as JPEG: key frames that a step before has kept, or frames decoded for it."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path
from tempfile import mkdtemp
from typing import NamedTuple, cast

import polars as pl
from PIL import Image

from slurm.errors import ItemError
from stages.core.frames.choose import choose_frames, make_jobs, split_job, spread_frames
from stages.core.frames.pictures import open_picture
from stages.core.frames.reading import read_frames
from stages.core.frames.settings import Frames
from stages.core.runner.work import Rows
from stages.core.schema.types import Row
from stages.core.storage.scratch import scratch_folder
from stages.core.storage.spill import Tables
from stages.core.video.read.jpegs import read_jpegs

QUALITY = 85  # of JPEG
Place = tuple[str, int]  # of a part: its video and its number


class Picture(NamedTuple):
    time_s: float
    jpeg: bytes


class Stored(NamedTuple):
    """Where a picture is: a row of a Parquet file, or (`row` None) a file of its own."""

    time_s: float
    file: str
    row: int | None


class Pictures:
    """The pictures of each part, read when they are wanted."""

    def __init__(self, stored: dict[Place, list[Stored]], errors: dict[str, ItemError], side_px: int) -> None:
        self.stored, self.errors, self.side_px = stored, errors, side_px
        self.shown = {video for video, _ in stored}  # videos that have pictures

    def why_none(self, video: str) -> ItemError | None:
        """Why a video has no picture at all; None if it has."""
        return None if video in self.shown else self.errors.get(video, ItemError("no_frames", "no picture of it"))

    def of(self, video: str, part: int, most_bytes: int) -> list[Picture]:
        """Those of a part, in order of time; evenly fewer where they would not go into so many bytes as base64."""
        read = [Picture(one.time_s, shrink(read_jpeg(one), self.side_px)) for one in self.stored.get((video, part), [])]
        while len(read) > 1 and sum(len(one.jpeg) for one in read) * 4 / 3 > most_bytes:
            read = read[::2]
        return read


def find_pictures(rows: Rows, parts: pl.DataFrame, chosen: Frames) -> Pictures:
    """The pictures of parts (`video_id`, `part`, `start_s`, `end_s`, perhaps `path`) of the videos of a chunk."""
    names = parts.select("video_id", "part").rows()
    stored: dict[Place, list[Stored]] = defaultdict(list)
    errors: dict[str, ItemError] = {}
    if chosen.source == "even":
        frames = spread_frames(parts, cast(int, chosen.most))
        folder = Path(mkdtemp(dir=scratch_folder()))
        owners = frames["item"].to_list()
        for place, found in decode(rows, frames, chosen.side_px, folder):
            name = names[owners[place]]
            if isinstance(found, ItemError):
                errors.setdefault(name[0], found)
            else:
                stored[name].append(found)
    else:
        frames = choose_frames(parts, rows.places(chosen.source, ["video_id", "time_s"]), chosen.most)
        for item, time_s, file, row in frames.select("item", "time_s", "file", "row").iter_rows():
            stored[names[item]].append(Stored(time_s, file, row))
    return Pictures({place: sorted(set(found)) for place, found in stored.items()}, errors, chosen.side_px)


def decode(rows: Rows, frames: pl.DataFrame, side_px: int, folder: Path) -> Iterator[tuple[int, Stored | ItemError]]:
    """Each frame's place among all, and the file that it became, or why it could not be decoded by a worker process."""
    for job, tables, error, detail in rows.give_whole(
        store_frames, list(make_jobs(frames, side_px)), str(folder), split=split_job
    ):
        places = cast(Sequence[int], job["places"])
        if error is not None:
            yield from ((place, ItemError(error, detail or "")) for place in places)
            continue
        for place, row in zip(places, cast(Sequence[Row], tables["frames"]), strict=True):
            if row["error"] is None:
                yield place, Stored(cast(float, row["time_s"]), str(row["file"]), None)
            else:
                yield place, ItemError(str(row["error"]), str(row["error_detail"]))


def store_frames(job: Row, folder: str) -> Tables:
    """Writes the frames of a job as files; a row each with `time_s` and `file`, or the error of one that is unread."""
    places = cast(Sequence[int], job["places"])
    rows: list[Row] = [{} for _ in places]
    for shown in read_frames(job, range(len(places))):
        if isinstance(shown.picture, ItemError):
            rows[shown.number] = {"error": shown.picture.code, "error_detail": shown.picture.detail}
        else:
            file = Path(folder, f"{places[shown.number]:07d}.jpg")
            file.write_bytes(to_jpeg(shown.picture))
            rows[shown.number] = {"error": None, "time_s": shown.time_s, "file": str(file)}
    return {"frames": rows}


def read_jpeg(stored: Stored) -> bytes:
    if stored.row is None:
        return Path(stored.file).read_bytes()
    return read_jpegs(stored.file, [stored.row])[stored.row] or b""


def shrink(jpeg: bytes, side_px: int) -> bytes:
    """The picture with its longer side at most `side_px`."""
    with Image.open(BytesIO(jpeg)) as picture:
        if max(picture.size) <= side_px:
            return jpeg
    whole = open_picture(jpeg)
    scale = side_px / max(whole.size)
    size = (max(1, round(whole.width * scale)), max(1, round(whole.height * scale)))
    return to_jpeg(whole.resize(size, Image.Resampling.BICUBIC))


def to_jpeg(picture: Image.Image) -> bytes:
    written = BytesIO()
    picture.save(written, "JPEG", quality=QUALITY)
    return written.getvalue()
