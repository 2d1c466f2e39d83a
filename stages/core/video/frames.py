"""A decoded frame made small: what every signal is measured on, so that the full picture is touched once."""

from dataclasses import dataclass
from functools import cached_property

import av
import cv2
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange
from numpy.typing import NDArray

from slurm.errors import ItemError

Image = NDArray[np.uint8]

cv2.setNumThreads(1)  # a worker has one core

# Planes of these formats are read in place: 8 bits, or 10 in the low bits of two bytes.
PLANAR_8 = {"yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p"}
PLANAR_10 = {"yuv420p10le", "yuv422p10le", "yuv444p10le"}
BLACK, WHITE = 16, 235  # limited range, ITU-R BT.601
LOWEST_PX = 32  # OpenCV's DIS flow dies of a segmentation fault on 256 x 30 and lower
TALLEST = 8  # times as tall as wide; what is taller is squeezed, so that a frame's memory has a bound


@dataclass(frozen=True)
class Small:
    """One frame at the small size, upright, limited range: `yuv` is I420, uint8, flat, width * height * 3 / 2."""

    yuv: Image
    width_px: int
    height_px: int

    @property
    def luma(self) -> Image:
        """uint8 [height, width], 16 black to 235 white; a view."""
        return self.yuv[: self.width_px * self.height_px].reshape(self.height_px, self.width_px)

    @cached_property
    def bgr(self) -> Image:
        """uint8 [height, width, 3]."""
        i420 = self.yuv.reshape(self.height_px * 3 // 2, self.width_px)
        return _image(cv2.cvtColor(i420, cv2.COLOR_YUV2BGR_I420))


def upright_px(frame: VideoFrame, width_px: int, height_px: int) -> tuple[int, int]:
    """Width and height as shown, after the rotation that the file asks for."""
    return (height_px, width_px) if quarter_turns(frame) % 2 else (width_px, height_px)


def quarter_turns(frame: VideoFrame) -> int:
    """How often the file asks to turn the picture by 90 degrees counterclockwise, 0 to 3; other angles are rounded."""
    return round(frame.rotation / 90) % 4


def small_size(frame: VideoFrame, width_px: int) -> tuple[int, int]:
    """Width (a multiple of 4) and even height of the small frames of the video that begins with this frame."""
    shown_w, shown_h = upright_px(frame, frame.width, frame.height)
    height_px = 2 * round(width_px * shown_h / shown_w / 2)
    return width_px, min(max(LOWEST_PX, height_px), TALLEST * width_px)


def shrink(frame: VideoFrame, size: tuple[int, int]) -> Small:
    """The frame at the size that `small_size` gave, area averaged; one whose own size has changed is fitted to it.

    Raises ItemError: corrupt for a pixel format that nothing converts.
    """
    width_px, height_px = size
    coded_w, coded_h = upright_px(frame, width_px, height_px)
    quarter = width_px * height_px // 4
    yuv = np.empty(6 * quarter, dtype=np.uint8)
    parts = (yuv[: 4 * quarter], yuv[4 * quarter : 5 * quarter], yuv[5 * quarter :])
    full_range = frame.color_range == ColorRange.JPEG or frame.format.name.startswith("yuvj")
    if frame.format.name not in PLANAR_8 | PLANAR_10:
        frame, full_range = convert(frame, coded_w, coded_h, "yuv420p"), False
    for index, part in enumerate(parts):
        half = 1 if index == 0 else 2
        small = _resize(_plane(frame, index), coded_w // half, coded_h // half)
        if full_range and index == 0:
            small = _image(cv2.convertScaleAbs(small, alpha=(WHITE - BLACK) / 255, beta=BLACK))
        part.reshape(height_px // half, width_px // half)[:] = upright(small, quarter_turns(frame))
    return Small(yuv, width_px, height_px)


def convert(frame: VideoFrame, width_px: int, height_px: int, pix_fmt: str) -> VideoFrame:
    """The frame scaled (area averaged) and converted by swscale, YUV to limited range.

    Raises ItemError: corrupt for a pixel format that nothing converts.
    """
    to_range = ColorRange.MPEG if pix_fmt.startswith("yuv") else ColorRange.JPEG
    try:
        return frame.reformat(width_px, height_px, pix_fmt, interpolation="AREA", dst_color_range=to_range)
    except (av.FFmpegError, ValueError) as error:
        raise ItemError("corrupt", f"pixel format {frame.format.name} cannot be read: {error}") from error


def upright(image: Image, turns: int) -> Image:
    """The image after so many quarter turns counterclockwise."""
    return image if turns == 0 else np.ascontiguousarray(np.rot90(image, turns))


def _plane(frame: VideoFrame, index: int) -> NDArray[np.uint8 | np.uint16]:
    """The plane without a copy: uint8, or uint16 for 10 bits, [height, width]."""
    plane = frame.planes[index]
    stored = np.frombuffer(memoryview(plane), dtype=np.uint8).reshape(plane.height, -1)
    rows = stored.view(np.uint16) if frame.format.name in PLANAR_10 else stored
    return rows[:, : plane.width]


def _resize(plane: NDArray[np.uint8 | np.uint16], width_px: int, height_px: int) -> Image:
    """The plane area averaged to this size, 10 bits brought down to 8."""
    picture: cv2.typing.MatLike = plane
    # halves first: OpenCV has a fast path for 2 x 2 areas (1080p: 0.5 instead of 2.8 ms)
    while picture.shape[1] >= 2 * width_px and picture.shape[0] >= 2 * height_px:
        picture = cv2.resize(picture, (picture.shape[1] // 2, picture.shape[0] // 2), interpolation=cv2.INTER_AREA)
    picture = cv2.resize(picture, (width_px, height_px), interpolation=cv2.INTER_AREA)
    return _image(cv2.convertScaleAbs(picture, alpha=1 / 4) if picture.dtype == np.uint16 else picture)


def _image(picture: cv2.typing.MatLike) -> Image:
    return np.asarray(picture, dtype=np.uint8)
