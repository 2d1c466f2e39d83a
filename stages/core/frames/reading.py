"""The frames of a job as pictures: JPEGs in a Parquet file, or decoded from a video at given times."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from slurm.errors import ItemError
from stages.core.frames.pictures import open_picture
from stages.core.schema.types import Row
from stages.core.storage.scratch import open_local_copy
from stages.core.video.measure.key_frames import to_bgr
from stages.core.video.read.at_times import Span, read_at_times
from stages.core.video.read.frames import Orientation, planes, read_orientation
from stages.core.video.read.jpegs import read_jpegs
from stages.core.video.read.packets import open_video

MAX_PIXELS, MAX_S = 36_000_000, 43_200.0


class Shown(NamedTuple):
    """A frame, by its number in the job; instead of a picture the reason why it cannot be read."""

    number: int
    time_s: float | None  # None: the video was not read so far
    picture: Any  # Image.Image or ItemError; None: let go of
    bytes: int  # read for it


def read_frames(job: Row, part: range) -> Iterator[Shown]:
    """The frames of a part of a job of `choose.make_jobs`."""
    columns: dict[str, list[Any]] = {name: job[name][part.start : part.stop] for name in job["columns"]}  # type: ignore[index, attr-defined]
    if "row" in columns:
        yield from _read_table(Path(str(job["file"])), part, columns["row"], columns["time_s"])
    else:
        spans = [Span(*values) for values in zip(columns["start_s"], columns["end_s"], columns["share"], strict=True)]
        yield from _read_video(str(job["file"]), part, spans, int(job["side_px"]))  # type: ignore[call-overload]


def _read_table(file: Path, part: range, rows: Sequence[int], times_s: Sequence[float]) -> Iterator[Shown]:
    """Pictures in the column `jpeg` of a Parquet file."""
    jpegs = read_jpegs(file, rows)
    for number, row, time_s in zip(part, rows, times_s, strict=True):
        jpeg = jpegs[row]
        try:
            if not jpeg:
                raise ItemError("missing", "its table has no picture of it")
            yield Shown(number, time_s, open_picture(jpeg), len(jpeg))
        except ItemError as error:
            yield Shown(number, time_s, error, len(jpeg or b""))


def _read_video(address: str, part: range, spans: Sequence[Span], side_px: int) -> Iterator[Shown]:
    """Frames of a video at a path or address, upright, the longer side at most `side_px`."""
    left = dict(zip(part, spans, strict=True))
    orientation: Orientation | None = None
    try:
        with open_local_copy(address) as file:
            with open_video(str(file), MAX_PIXELS, MAX_S) as video:
                sar = float(video.facts.sar)
            for place, time_s, frame in read_at_times(str(file), spans, MAX_PIXELS, MAX_S):
                number = part[place]
                orientation = orientation or read_orientation(frame, sar)
                bgr = to_bgr(planes(frame, orientation), side_px)
                size = sum(plane.buffer_size for plane in frame.planes)
                left.pop(number)
                yield Shown(number, time_s, Image.fromarray(np.ascontiguousarray(bgr[:, :, ::-1])), size)
        reason = ItemError("no_frames", f"{address}: none begins there")
    except ItemError as error:
        reason = error
    yield from (Shown(number, None, reason, 0) for number in left)
