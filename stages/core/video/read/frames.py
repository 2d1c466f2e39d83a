"""A decoded frame scaled down: every signal is measured on the small frame, so that the full one is read once."""

import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from typing import NamedTuple, TypeVar, cast

import av
import cv2
import numpy as np
from av.sidedata.sidedata import SideDataContainer, Type
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange
from numpy.typing import NDArray

from slurm.errors import ItemError
from stages.core.video.read.tone import HDR, Hdr

Image = NDArray[np.uint8]
Plane = NDArray[np.uint8] | NDArray[np.uint16]
Same = TypeVar("Same", bound=Plane)

cv2.setNumThreads(1)  # a worker has one core

# Pixel formats whose planes are read without conversion, with the bits of a sample. Samples above 8 bits have two bytes
# and use the low bits; P010's use the high ones, so they count as 16.
PLANAR = {
    **dict.fromkeys(("yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p", "nv12"), 8),
    **dict.fromkeys(("yuv420p10le", "yuv422p10le", "yuv444p10le"), 10),
    "p010le": 16,
}
LUMA_SHARE = {"444": 1 / 3, "422": 1 / 2}
PAIRED = {"nv12", "p010le"}  # Cb and Cr interleaved in one plane (semi-planar): output of hardware decoders
BLACK, WHITE = 16, 235  # limited range, ITU-R BT.601
# AVColorSpace: BT.709, FCC, BT.470BG, SMPTE 170M, SMPTE 240M, BT.2020 twice; those in WIDE are nearest to BT.709
NAMED, WIDE = {1, 4, 5, 6, 7, 9, 10}, {1, 7, 9, 10}
PRIMARIES_2020 = 9  # AVColorPrimaries
# Rows B, G, R by columns Y, Cb, Cr; Y from 0 to 1, Cb and Cr from -0.5 to 0.5: ITU-R BT.2020, BT.709 and BT.601
BT2020 = np.array(((1, 1.8814, 0), (1, -0.16455, -0.57135), (1, 0, 1.4746)))
BT709 = np.array(((1, 1.8556, 0), (1, -0.1873, -0.4681), (1, 0, 1.5748)))
BT601 = np.array(((1, 1.772, 0), (1, -0.3441, -0.7141), (1, 0, 1.402)))
HD_LINES = 720
LOWEST_PX = 64  # OpenCV's DIS flow segfaults at 128 x 30 and below, and cuts are measured at half the size
SPARSEST = 3  # of a large picture at least every third line is read: reading memory is most of the cost
TALLEST = 8  # small frames are at most 8 times as tall as wide, so that their memory has a bound


class Orientation(NamedTuple):
    """How to display a stored picture: mirrored left to right or not, then turned by quarters counterclockwise.

    `sar` is the shape of a stored pixel, its width by its height (sample aspect ratio): 1.42 in a DVD of 16:9.
    """

    turns: int
    mirrored: bool = False
    sar: float = 1.0


AS_STORED = Orientation(0)
# By the signs of a, b, c, d in the display matrix: x' = a x + c y and y' = b x + d y.
ORIENTATIONS = {
    (-1, 0, 0, -1): Orientation(2),
    (-1, 0, 0, 1): Orientation(0, mirrored=True),
    (1, 0, 0, -1): Orientation(2, mirrored=True),
    (0, 1, -1, 0): Orientation(3),
    (0, -1, 1, 0): Orientation(1),
    (0, 1, 1, 0): Orientation(1, mirrored=True),
    (0, -1, -1, 0): Orientation(3, mirrored=True),
}


@dataclass(frozen=True)
class Planes:
    """A picture as stored: uint8 or uint16 [height, width] luma, and two chroma planes that may be smaller.

    `bits` is the depth of a sample; `bt709` is False for BT.601; `hdr` is its coding of high dynamic range, then of
    BT.2020, else None. Chroma is read on demand: most frames need none.
    """

    y: Plane
    chroma: Callable[[], tuple[Plane, Plane]]  # Cb, Cr
    luma_share: float  # of all samples
    bits: int
    full_range: bool  # 0 to 255, else 16 to 235
    bt709: bool
    orientation: Orientation
    hdr: Hdr | None = None

    @cached_property
    def samples(self) -> tuple[Plane, Plane, Plane]:
        """Y, Cb, Cr."""
        return self.y, *self.chroma()


class Small(NamedTuple):
    """A frame for the meters: `luma` is uint8 [height, width] as displayed, 16 black to 235 white; `native` as stored.

    Keeping `native` keeps the decoder's memory of the frame.
    """

    luma: Image
    native: Planes


def displayed_px(frame: VideoFrame, width_px: int, height_px: int) -> tuple[int, int]:
    """Width and height after the rotation that the file asks for, in the file's own pixels, square or not."""
    return (height_px, width_px) if read_orientation(frame).turns % 2 else (width_px, height_px)


def displayed_sar(frame: VideoFrame, sar: Fraction) -> Fraction:
    """The shape of a pixel, its width by its height, after the rotation that the file asks for."""
    return 1 / sar if read_orientation(frame).turns % 2 else sar


def square_px(width_px: int, height_px: int, sar: float) -> tuple[int, int]:
    """Width and height in square pixels of a picture whose own have the shape `sar`; neither is less than before."""
    return (max(1, round(width_px * sar)), height_px) if sar > 1 else (width_px, max(1, round(height_px / sar)))


def read_orientation(frame: VideoFrame, sar: float = 1.0) -> Orientation:
    """The orientation by the frame's display matrix; AS_STORED without one, or for other than quarter turns.

    `sar` is the shape of the video's pixels, which is passed on.

    Call it for one frame of a video only: PyAV's frame and side data reference each other, so the decoder's memory of
    the frame is held until the cycle collector runs.
    """
    for data in cast(SideDataContainer, frame.side_data):
        if data.type == Type.DISPLAYMATRIX:
            a, b, _, c, d = struct.unpack("<5i", bytes(data)[:20])
            most = max(map(abs, (a, b, c, d)))
            signs = tuple((value > most / 2) - (value < -most / 2) for value in (a, b, c, d))
            return ORIENTATIONS.get(signs, AS_STORED)._replace(sar=sar)
    return AS_STORED._replace(sar=sar)


def small_size(frame: VideoFrame, width_px: int, sar: float = 1.0) -> tuple[int, int]:
    """Width and height in pixels of the small frames of the video that begins with this frame.

    The height is a multiple of 4 that keeps the shape as displayed, within LOWEST_PX and TALLEST. `sar` is the shape of
    the video's pixels.
    """
    shown_w, shown_h = displayed_px(frame, *square_px(frame.width, frame.height, sar))
    height_px = 4 * round(width_px * shown_h / shown_w / 4)
    return width_px, min(max(LOWEST_PX, height_px), TALLEST * width_px)


def shrink(frame: VideoFrame, size: tuple[int, int], orientation: Orientation = AS_STORED) -> Small:
    """The frame at `size`, width and height as `small_size` gives them, whatever its own size and shape.

    Raises ItemError: corrupt for a pixel format that cannot be converted.
    """
    native = planes(frame, orientation)
    width_px, height_px = size if native.orientation.turns % 2 == 0 else size[::-1]
    step = min(SPARSEST, max(1, 2 * len(native.y) // (5 * height_px)))  # lines are 2.5 times as many as needed
    luma = orient(to_eight_bits(resize(native.y[::step], width_px, height_px), native.bits), native.orientation)
    if native.full_range:
        luma = _image(cv2.convertScaleAbs(luma, alpha=(WHITE - BLACK) / 255, beta=BLACK))
    return Small(luma, native)


def copy_small(native: Planes, max_side_px: int) -> Planes:
    """A copy of the frame that shares no memory with the decoder, its longer side halved to below 2 * `max_side_px`."""
    times = max(0, (max(native.y.shape) // max_side_px).bit_length() - 1)
    y, u, v = (halve(plane, times) if times else plane.copy() for plane in native.samples)
    return replace(native, y=y, chroma=lambda: (u, v))


def planes(frame: VideoFrame, orientation: Orientation = AS_STORED) -> Planes:
    """The frame's samples, not copied; pixel formats not in PLANAR are converted by swscale, to 8-bit 4:2:0.

    Where the file names no colour matrix it is BT.709 from 720 lines on, else BT.601, as in browsers and players.
    Raises ItemError: corrupt for a pixel format that cannot be converted.
    """
    full_range = frame.color_range == ColorRange.JPEG or frame.format.name.startswith("yuvj")
    matrix = frame.colorspace
    bt709 = matrix in WIDE if matrix in NAMED else frame.height >= HD_LINES
    if frame.format.name not in PLANAR:
        bt709 = full_range = False
        try:
            frame = frame.reformat(format="yuv420p", dst_color_range=ColorRange.MPEG)
        except (av.FFmpegError, ValueError) as error:
            raise ItemError("corrupt", f"pixel format {frame.format.name} cannot be read: {error}") from error
    bits, paired = PLANAR[frame.format.name], frame.format.name in PAIRED

    def chroma() -> tuple[Plane, Plane]:
        if not paired:
            return _samples(frame, 1, bits, 1), _samples(frame, 2, bits, 1)
        both = _samples(frame, 1, bits, 2)
        return both[:, ::2], both[:, 1::2]

    hdr = HDR.get(frame.color_trc) if frame.color_primaries == PRIMARIES_2020 else None
    share = next((share for name, share in LUMA_SHARE.items() if name in frame.format.name), 2 / 3)
    return Planes(_samples(frame, 0, bits, 1), chroma, share, bits, full_range, bt709, orientation, hdr)


def _samples(frame: VideoFrame, index: int, bits: int, each: int) -> Plane:
    """One plane, not copied: uint8 or uint16 [height, width * each]; `each`: samples a pixel."""
    plane = frame.planes[index]
    stored = np.frombuffer(memoryview(plane), dtype=np.uint8).reshape(plane.height, -1)
    return (stored if bits == 8 else stored.view(np.uint16))[:, : plane.width * each]


def halve(plane: Same, times: int) -> Same:
    """The plane with both sides halved `times` times, each sample the mean of four.

    OpenCV is fast for halves only: 1280 x 720 to 256 x 144 takes 0.07 ms this way, 0.29 ms by INTER_AREA in one step.
    """
    for _ in range(times):
        width_px, height_px = max(1, plane.shape[1] // 2), max(1, plane.shape[0] // 2)
        plane = cv2.resize(plane, (width_px, height_px), interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    return plane


def resize(plane: Plane, width_px: int, height_px: int) -> Plane:
    """The plane at this size: halved while it is twice as large, the rest interpolated without skipping samples."""
    ratio = min(plane.shape[1] / width_px, plane.shape[0] / height_px)
    plane = halve(plane, max(0, int(ratio).bit_length() - 1))
    if plane.shape == (height_px, width_px):
        return plane
    wide, high = plane.shape[1] / width_px, plane.shape[0] / height_px
    if wide > 8 or high > 2:
        return cv2.resize(plane, (width_px, height_px), interpolation=cv2.INTER_AREA)  # type: ignore[return-value]
    if wide > 2.5:  # linear interpolation uses two samples, however many lie between
        plane = cv2.resize(plane, (2 * width_px, height_px), interpolation=cv2.INTER_LINEAR)  # type: ignore[assignment]
    return cv2.resize(plane, (width_px, height_px), interpolation=cv2.INTER_LINEAR)  # type: ignore[return-value]


def difference(first: Image, second: Image) -> float:
    """Mean absolute difference, 0 to 255."""
    return cv2.norm(first, second, cv2.NORM_L1) / first.size


def to_eight_bits(plane: Plane, bits: int) -> Image:
    """The plane as uint8, from samples of `bits` bits."""
    return _image(plane if bits == 8 else cv2.convertScaleAbs(plane, alpha=1 / (1 << bits - 8)))


def orient(image: Image, orientation: Orientation) -> Image:
    """The image, [height, width, …], turned and mirrored as displayed."""
    if not orientation.turns and not orientation.mirrored:
        return image
    return np.ascontiguousarray(np.rot90(image[:, ::-1] if orientation.mirrored else image, orientation.turns))


def _image(picture: cv2.typing.MatLike) -> Image:
    return np.asarray(picture, dtype=np.uint8)
