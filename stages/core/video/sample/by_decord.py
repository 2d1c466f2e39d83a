"""Frames of a video at given times by decord, where it can be trusted: by time, never by a number counted elsewhere.

decord 0.6 counts frames that an edit list hides, takes another picture after a sync frame of an open GOP (x265's
default) and says nothing, and reads HD that says nothing of its colours as BT.601. So a file's packets are looked at
first: where its frames and times are not those that a player shows, `DistrustedError` is raised, and PyAV reads it.
"""

import threading
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.core.video.read.at_times import Span
from stages.core.video.read.frames import AS_STORED, BT601, BT709, Image, planes, read_orientation
from stages.core.video.read.packets import open_video
from stages.core.video.read.span import EARLY_S

SAME_S = 0.001  # decord's times are float32, rounded to the millisecond by some containers
LONGEST_S = 3600  # beyond that its float32 times are too coarse
UNTAGGED = 2  # AVCOL_SPC_UNSPECIFIED
READERS = 2  # files that a process keeps open
TO_BT709 = (BT709 @ np.linalg.inv(BT601)).astype(np.float32)  # of B, G, R


_reading = threading.Lock()  # two threads at one reader of decord hang for ever


class DistrustedError(Exception):
    """What decord gives would not be what is shown; the message says why."""


class Trusted(NamedTuple):
    """A file that decord reads as players do: when each frame begins, seconds from the container's start, and its size.

    `bt709`: whether players read its colours so, and decord does not.
    """

    begin_s: NDArray[np.float64]
    width_px: int
    height_px: int
    bt709: bool


def read_by_decord(
    path: str, spans: Sequence[Span], side_px: int, max_pixels: int, max_s: float
) -> Iterator[tuple[int, float, Image]]:
    """The number of each span, its frame's time, and the frame: uint8 BGR, the longer side at most `side_px`.

    Which frame that is, is as `read_at_times` has it. Raises DistrustedError before the first frame; ItemError.
    """
    if not (there := Path(path)).is_file():
        raise DistrustedError("there is no such file")
    version = there.stat().st_mtime_ns, there.stat().st_size
    file = look_at(path, max_pixels, max_s, version)
    chosen = [(place, number) for place, span in enumerate(spans) if (number := choose(file.begin_s, span)) is not None]
    order = sorted(chosen, key=lambda one: one[1])
    if not order:
        return
    scale = min(1.0, side_px / max(file.width_px, file.height_px))
    size = max(1, round(file.width_px * scale)), max(1, round(file.height_px * scale))
    frames = decode(path, version, file, size, sorted({number for _, number in order}))
    for place, number in order:
        yield place, float(file.begin_s[number]), to_bgr(frames[number], file.bt709)


def choose(begin_s: NDArray[np.float64], span: Span) -> int | None:
    """The frame that is shown at the span's place, of those that begin in it; None if none does."""
    early_s = float(EARLY_S)
    low_s = 0.0 if span.start_s is None else span.start_s
    end_s = float(begin_s[-1]) + 1 if span.end_s is None else span.end_s
    last_s = float(begin_s[-1]) if span.end_s is None else span.end_s
    at_s = min(low_s + span.share * (last_s - low_s) + early_s, end_s - early_s)
    number = int(np.searchsorted(begin_s, at_s, side="right")) - 1
    if number < 0 or begin_s[number] < low_s - early_s:
        number += 1  # none has begun by then: the first one after it
    inside = number < len(begin_s) and low_s - early_s <= begin_s[number] < end_s - early_s
    return number if inside else None


@lru_cache(maxsize=READERS)
def look_at(path: str, max_pixels: int, max_s: float, version: tuple[int, int]) -> Trusted:
    """What the packets tell; one frame is decoded. Raises DistrustedError; ItemError of `open_video`."""
    times: list[int] = []
    sync, first = None, None
    with open_video(path, max_pixels, max_s) as video:
        for packet in video.read():
            if packet.size == 0:
                continue
            if packet.pts is None or packet.is_discard:
                raise DistrustedError("packets without a time, or hidden ones")
            if packet.is_keyframe:
                sync = packet.pts
            elif sync is None or packet.pts < sync:
                raise DistrustedError("pictures before a sync frame that lean on what is after it")
            times.append(packet.pts)
            first = first or next(iter(video.decode(packet)), None)
        first = first or next(iter(video.decode(None)), None)
        pts = np.sort(np.asarray(times, np.int64))
        begin_s: NDArray[np.float64] = pts * np.float64(video.tick_s) - float(video.facts.start_s)
        if first is None or (np.diff(pts) <= 0).any() or begin_s[-1] > LONGEST_S:
            raise DistrustedError("no frame, times that do not grow, or too long")
        stored = planes(first, read_orientation(first, float(video.facts.sar)))
        if stored.orientation != AS_STORED or stored.hdr:
            raise DistrustedError("it is shown turned, with pixels that are not square, or in high dynamic range")
        wrong = int(first.colorspace) == UNTAGGED and stored.bt709
        return Trusted(begin_s, first.width, first.height, wrong)


def decode(
    path: str, version: tuple[int, int], file: Trusted, size: tuple[int, int], numbers: Sequence[int]
) -> dict[int, NDArray[np.uint8]]:
    """These frames by their numbers, uint8 RGB of this size (width, height). Raises DistrustedError."""
    from decord import DECORDError

    chosen = list(numbers)
    try:
        with _reading:
            reader = open_reader(path, size, version)
            if len(reader) != len(file.begin_s):
                raise DistrustedError(f"decord counts {len(reader)} frames, not {len(file.begin_s)}")
            shift_s = np.asarray(reader.get_frame_timestamp(chosen), np.float64)[:, 0] - file.begin_s[chosen]
            if np.ptp(shift_s) > SAME_S:  # all may be later by the container's start
                raise DistrustedError("decord has other times")
            return dict(zip(numbers, reader.get_batch(chosen).asnumpy(), strict=True))
    except DECORDError as error:
        raise DistrustedError(f"decord cannot read it: {str(error).splitlines()[0][:200]}") from error


@lru_cache(maxsize=READERS)
def open_reader(path: str, size: tuple[int, int], version: tuple[int, int]) -> Any:
    """decord's reader of a file, which scales what it decodes. Raises DECORDError."""
    from decord import VideoReader, cpu

    return VideoReader(path, ctx=cpu(0), width=size[0], height=size[1], num_threads=1)


def to_bgr(rgb: NDArray[np.uint8], bt709: bool) -> Image:
    """The picture in B, G, R, with the colours that players show: decord reads as BT.601 what says nothing of it."""
    bgr = np.ascontiguousarray(rgb[:, :, ::-1])
    return np.asarray(cv2.transform(bgr, TO_BT709) if bt709 else bgr, np.uint8)
