"""Pictures of parts of clips as JPEG, in a worker process: decoded at even times, or those that were kept of them."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from slurm.errors import ItemError
from stages.core.schema.types import Row
from stages.core.storage.scratch import open_local_copy
from stages.core.storage.spill import Tables
from stages.core.video.measure.key_frames import encode_jpeg, to_bgr
from stages.core.video.read.at_times import Span, find_end_s, read_at_times
from stages.core.video.read.frames import Image, planes, read_orientation
from stages.core.video.read.jpegs import read_jpegs
from stages.core.video.read.packets import open_video
from stages.core.video.sample.by_decord import DistrustedError, read_by_decord
from stages.core.video.sample.settings import Frames, Limits


def work_on(job: Row, frames: Frames, limits: Limits) -> Tables:
    """What a job asks for: the end of the video at its `path`, or the pictures of its `parts`."""
    return take_pictures(job, frames, limits) if "parts" in job else find_end(job, limits)


def take_pictures(job: Row, frames: Frames, limits: Limits) -> Tables:
    """Of each part of the job a row: `number`, `times_s` and `jpegs`, or `error` and `error_detail`.

    A job has a `file` and `parts`: each with `number`, and `start_s`, `end_s` of a video, or the `rows` of a Parquet
    file that hold its pictures, and their `times_s`.
    """
    file, parts = str(job["file"]), job["parts"]
    taken = []
    for part in parts:  # type: ignore[attr-defined]
        try:
            found = read_kept(Path(file), part) if "rows" in part else decode(file, part, frames, limits)
            times_s, jpegs = shrink(found, frames)
            taken.append({"number": part["number"], "times_s": times_s, "jpegs": jpegs})
        except ItemError as error:
            taken.append({"number": part["number"], "error": error.code, "error_detail": error.detail})
    return {"parts": taken}


def find_end(row: Row, limits: Limits) -> Tables:
    """When a video ends: as declared if its packets do not end long before, else by these. Raises ItemError."""
    with open_local_copy(str(row["path"])) as file, open_video(str(file), limits.max_pixels, limits.max_s) as video:
        end_s = find_end_s(video) or max(time_s for time_s, _ in video.frames())
    return {"rows": [{"end_s": float(end_s)}]}


def decode(address: str, part: Row, frames: Frames, limits: Limits) -> list[tuple[float, Image]]:
    """The frames of a part of a video at even times, each once, in order. Raises ItemError."""
    start_s, end_s = float(part["start_s"]), float(part["end_s"])  # type: ignore[arg-type]
    spans = [Span(start_s, end_s, (number + 0.5) / frames.most) for number in range(frames.most)]
    with open_local_copy(address) as file:
        found = dict(read_even(str(file), spans, frames, limits))
    if not found:
        raise ItemError("no_frames", f"{address}: none begins in {start_s:g} to {end_s:g} s")
    return sorted(found.items(), key=lambda one: one[0])


def read_even(path: str, spans: Sequence[Span], frames: Frames, limits: Limits) -> Iterator[tuple[float, Image]]:
    """The frames of these spans, uint8 BGR, upright, by decord where it can be trusted, else by PyAV."""
    if frames.reader == "decord":
        try:
            for _, time_s, bgr in read_by_decord(path, spans, frames.side_px, limits.max_pixels, limits.max_s):
                yield time_s, bgr
            return
        except DistrustedError:
            pass
    with open_video(path, limits.max_pixels, limits.max_s) as video:
        sar = float(video.facts.sar)
    orientation = None
    for _, time_s, frame in read_at_times(path, spans, limits.max_pixels, limits.max_s):
        orientation = orientation or read_orientation(frame, sar)
        yield time_s, to_bgr(planes(frame, orientation), frames.side_px)


def read_kept(file: Path, part: Row) -> list[tuple[float, bytes]]:
    """The pictures of a part that were kept, from the column `jpeg`. Raises ItemError missing."""
    rows: list[int] = part["rows"]  # type: ignore[assignment]
    jpegs = read_jpegs(file, rows)
    if not all(jpegs.values()):
        raise ItemError("missing", "its table has no picture of it")
    return [(time_s, jpegs[row] or b"") for row, time_s in zip(rows, part["times_s"], strict=True)]  # type: ignore[call-overload]


def shrink(found: Sequence[tuple[float, Any]], frames: Frames) -> tuple[list[float], list[bytes]]:
    """The times of the pictures, and their JPEGs: one each, or one with all of them in a grid."""
    times_s = [time_s for time_s, _ in found]
    if frames.grid is not None:
        cells = [open_picture(picture) for _, picture in found]
        return times_s, [encode_jpeg(lay_out(cells, *frames.grid, frames.side_px), frames.quality)]
    return times_s, [as_jpeg(picture, frames) for _, picture in found]


def as_jpeg(picture: Image | bytes, frames: Frames) -> bytes:
    """The picture as JPEG; one that is small enough is taken as it was kept."""
    bgr = open_picture(picture)
    if isinstance(picture, bytes) and max(bgr.shape[:2]) <= frames.side_px:
        return picture
    return encode_jpeg(fit(bgr, frames.side_px), frames.quality)


def open_picture(picture: Image | bytes) -> Image:
    """uint8 BGR. Raises ItemError corrupt for bytes that are no JPEG."""
    if not isinstance(picture, bytes):
        return picture
    bgr = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
    if bgr is None:
        raise ItemError("corrupt", "a picture of its table cannot be read")
    return np.asarray(bgr, np.uint8)


def fit(bgr: Image, side_px: int) -> Image:
    """The picture, its longer side at most `side_px`."""
    scale = side_px / max(bgr.shape[:2])
    if scale >= 1:
        return bgr
    size = max(1, round(bgr.shape[1] * scale)), max(1, round(bgr.shape[0] * scale))
    return np.asarray(cv2.resize(bgr, size, interpolation=cv2.INTER_AREA), np.uint8)


def lay_out(cells: Sequence[Image], rows: int, columns: int, side_px: int) -> Image:
    """One picture of all, row by row in order of time; the longer side of each is at most `side_px`."""
    small = [fit(cell, side_px) for cell in cells]
    height_px, width_px = (max(cell.shape[axis] for cell in small) for axis in (0, 1))
    sheet = np.zeros((rows * height_px, columns * width_px, 3), np.uint8)
    for number, cell in enumerate(small[: rows * columns]):
        top, left = number // columns * height_px, number % columns * width_px
        sheet[top : top + cell.shape[0], left : left + cell.shape[1]] = cell
    return sheet
