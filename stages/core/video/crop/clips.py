"""The part of the picture of each clip that is left without bars, logos and texts, from key frames."""

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import groupby
from math import inf
from typing import Any, NamedTuple, cast

import cv2
import numpy as np
import polars as pl

from slurm.errors import ItemError
from stages.core.schema.types import Row
from stages.core.storage.spill import Tables
from stages.core.video.crop.bands import find_bands
from stages.core.video.crop.bars import inside_bars
from stages.core.video.crop.box import Box, even, largest_without
from stages.core.video.crop.settings import Settings
from stages.core.video.crop.standing import FRAMES, OTHERS, Gradients, find_standing, gradients, is_elsewhere
from stages.core.video.crop.texts import find_lines
from stages.core.video.read.frames import Image, resize
from stages.core.video.read.jpegs import read_jpegs

JOB_CLIPS = 32  # about 100 key frames, 4 MB
MOST_FRAMES = 9  # of a clip, at even distances
BESIDE = 4  # shots beside that of the clip whose middle frames are looked at
SIDE_PX = 512  # at which frames are compared: the longer side, at most
CAMERA = 0.01  # frame widths a second: mean speed from which on the camera moves enough to leave its background


class Frame(NamedTuple):
    """A key frame: when it is shown, its shot, the size of its picture, and its row in the Parquet file."""

    time_s: float
    shot: int
    position: str
    width_px: int
    height_px: int
    row: int


def make_jobs(clips: Sequence[Row], frames: pl.DataFrame, size: int = JOB_CLIPS) -> Iterator[Row]:
    """What workers get: `name`, `file`, the rows of `clips` of one video, and `frames`, all key frames of the video.

    `frames` is the table of key frames without their pictures, with the columns `file` and `row`.
    """
    of_video = {video: own for (video,), own in frames.group_by("video_id", maintain_order=True)}
    for video_id, group in groupby(clips, key=lambda row: row["video_id"]):
        own = of_video.get(video_id)
        listed = [] if own is None else list(own.select(Frame._fields).rows())
        file = None if own is None else own["file"][0]
        rows = list(group)
        for at in range(0, len(rows), size):
            part = rows[at : at + size]
            yield {"name": f"{len(part)} of {video_id}", "file": file, "clips": part, "frames": listed}


def crop_clips(job: Row, settings: Settings) -> Tables:
    """The table `clips` has a row for each clip of the job, in their order: columns of CROP, or its error."""
    frames, clips = [Frame(*frame) for frame in cast(Sequence[Any], job["frames"])], cast(Sequence[Row], job["clips"])
    chosen = [choose(clip, frames) for clip in clips if frames]
    pictures = Pictures(str(job["file"]), sorted({one.row for both in chosen for some in both for one in some}))
    found: list[Row] = []
    for number, clip in enumerate(clips):
        try:
            if not frames:
                raise ItemError("no_frames", "analyze has no key frame of its video")
            texts = text_boxes(clip, frames) if settings.texts else []
            found.append(crop_clip(clip, chosen[number], texts, pictures, settings.near_edge))
        except ItemError as error:
            found.append({"error": error.code, "error_detail": error.detail})
    return {"clips": found}


class Pictures:
    """Some pictures of key frames, rows of a Parquet file, as luma with the longer side of SIDE_PX at most."""

    def __init__(self, file: str, rows: Sequence[int]) -> None:
        self._jpegs = read_jpegs(file, rows)
        self.luma = cache(self._luma)
        self.gradients = cache(self._gradients)

    def _luma(self, row: int) -> Image:
        """uint8 [height, width]. Raises ItemError: missing, corrupt."""
        jpeg = self._jpegs[row]
        if not jpeg:
            raise ItemError("missing", "its table has no picture of a key frame")
        grey = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_GRAYSCALE)
        if grey is None:
            raise ItemError("corrupt", "a key frame is no picture that can be read")
        scale = SIDE_PX / max(grey.shape)
        if scale >= 1:
            return np.asarray(grey, np.uint8)
        wide, high = (max(1, round(side * scale)) for side in grey.shape[::-1])
        return np.asarray(resize(np.asarray(grey, np.uint8), wide, high), np.uint8)

    def _gradients(self, row: int) -> Gradients:
        return gradients(self.luma(row))


def crop_clip(
    clip: Row,
    chosen: tuple[Sequence[Frame], Sequence[Frame]],
    texts: Sequence[Sequence[Box]],
    pictures: Pictures,
    near_edge: float,
) -> Row:
    """The columns of CROP of a clip, by its key frames and those beside it (`choose`), and its texts in each frame.

    Raises ItemError: missing, corrupt.
    """
    own, others = chosen
    size = pictures.luma(own[0].row).shape
    own, others = ([one for one in some if pictures.luma(one.row).shape == size] for some in (own, others))
    lumas, beside = ([pictures.luma(one.row) for one in some] for some in (own, others))
    high, wide = size
    whole = Box(0, 0, wide, high)
    left, top, right, bottom = (float(cast(float, clip[f"border_{side}"]) or 0) for side in Box._fields)
    never_black = Box(left, top, 1 - right, 1 - bottom)

    inside = inside_bars(lumas, beside, never_black, [])
    camera_moves = moves_camera(clip.get("camera"))
    edges = [pictures.gradients(one.row) for one in own]
    elsewhere = [one.row for one in others if is_elsewhere(edges[len(edges) // 2], pictures.gradients(one.row))]
    logos = find_standing(edges, [pictures.gradients(row) for row in elsewhere], camera_moves, inside)
    if len(elsewhere) >= OTHERS:
        logos += find_bands([*lumas, *map(pictures.luma, elsewhere)], inside, near_edge)
    elif camera_moves and len(own) >= FRAMES:
        logos += find_bands(lumas, inside, near_edge)
    lines = [box.scaled(wide, high) for box in find_lines(texts)]
    taken = {
        why: [box for box in boxes if box.lies_near_edge(inside, near_edge)]
        for why, boxes in (("logo", logos), ("text", lines))
    }
    hidden = [box for boxes in taken.values() for box in boxes]
    if hidden:  # a bar with subtitles on it looks like a part of the picture
        inside = inside_bars(lumas, beside, never_black, hidden)
    box = largest_without(inside, hidden)
    why = ["bars"] if inside != whole else []
    why += [name for name, boxes in taken.items() if any(one.common(inside).area > 0 for one in boxes)]
    return columns(box.scaled(1 / wide, 1 / high), why, clip)


def moves_camera(speeds: object) -> bool:
    """Whether the camera moves, by its mean speed or a list of its speeds, in frame widths a second."""
    listed = cast(Sequence[float | None], speeds if isinstance(speeds, list) else [speeds])
    known = [speed for speed in listed if speed is not None]
    return bool(known) and sum(known) / len(known) >= CAMERA


def columns(box: Box, why: Sequence[str], clip: Row) -> Row:
    """The columns of CROP: `box`, in shares of the picture, in pixels of the clip's video."""
    width_px, height_px = (cast(int, clip[name]) for name in ("width_px", "height_px"))
    if not why:
        return {"crop_share": 1.0, "crop_why": []}
    left, top, wide, high = even(box.scaled(width_px, height_px))
    return {
        "crop_x_px": left,
        "crop_y_px": top,
        "crop_width_px": wide,
        "crop_height_px": high,
        "crop_share": wide * high / (width_px * height_px),
        "crop_why": list(why),
    }


def choose(clip: Row, frames: Sequence[Frame]) -> tuple[list[Frame], list[Frame]]:
    """The key frames of the clip and its shot, each time once, and the middle ones of shots beside it."""
    start_s, end_s = _or(clip.get("start_s"), -inf), _or(clip.get("end_s"), inf)
    distinct = list({one.time_s: one for one in frames}.values())
    inside = [one for one in distinct if start_s <= one.time_s < end_s or one.shot == clip.get("shot")]
    if not inside:
        middle_s = (start_s + end_s) / 2
        inside = [min(distinct, key=lambda one: abs(one.time_s - middle_s))]
    if len(inside) > MOST_FRAMES:
        inside = [inside[round(n * (len(inside) - 1) / (MOST_FRAMES - 1))] for n in range(MOST_FRAMES)]
    shots = {one.shot for one in inside}
    beside = sorted(
        (one for one in frames if one.position == "middle" and one.shot not in shots),
        key=lambda one: (min(abs(one.shot - shot) for shot in shots), one.shot),
    )
    return inside, beside[:BESIDE]


def text_boxes(clip: Row, frames: Sequence[Frame]) -> list[list[Box]]:
    """The boxes of the texts that describe_frames found in each frame of a clip, in shares of the picture.

    Raises ItemError: bad_value for texts of pictures that are no key frames.
    """
    known = {one.time_s: one for one in frames}
    found = []
    for time_s, texts in zip(*(cast(Sequence[Any], clip[name] or []) for name in ("time_s", "texts")), strict=True):
        frame = known.get(time_s)
        if frame is None:
            raise ItemError("bad_value", f"texts at {time_s} s: say frames.source=key_frames to describe_frames")
        corners = [text["corners"] for text in texts or []]
        boxes = [Box(min(each[::2]), min(each[1::2]), max(each[::2]), max(each[1::2])) for each in corners]
        found.append([box.scaled(1 / frame.width_px, 1 / frame.height_px) for box in boxes])
    return found


def _or(value: object, missing: float) -> float:
    return missing if value is None else cast(float, value)
