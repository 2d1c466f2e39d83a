"""A decoded frame made small: what every signal is measured on, so that the full picture is touched once."""

import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
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

Image = NDArray[np.uint8]
Plane = NDArray[np.uint8] | NDArray[np.uint16]
Same = TypeVar("Same", bound=Plane)

cv2.setNumThreads(1)  # a worker has one core

# Formats whose planes are read in place, with the bits of a sample; in two bytes they are the low ones, but for P010.
PLANAR = {
    **dict.fromkeys(("yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p", "nv12"), 8),
    **dict.fromkeys(("yuv420p10le", "yuv422p10le", "yuv444p10le"), 10),
    "p010le": 16,
}
LUMA_SHARE = {"444": 1 / 3, "422": 1 / 2}
PAIRED = {"nv12", "p010le"}  # both chroma planes in one, sample by sample: what hardware decoders give
BLACK, WHITE = 16, 235  # limited range, ITU-R BT.601
# AVColorSpace: BT.709, FCC, BT.470BG, SMPTE 170M, SMPTE 240M, BT.2020; the wide ones are nearest to BT.709
NAMED, WIDE = {1, 4, 5, 6, 7, 9, 10}, {1, 7, 9, 10}
HD_LINES = 720
LOWEST_PX = 64  # OpenCV's DIS flow dies of a segmentation fault on 128 x 30 and lower, and cuts are looked at halved
SPARSEST = 3  # of a large picture only every third line is read: memory is what a small frame costs
TALLEST = 8  # times as tall as wide; what is taller is squeezed, so that a frame's memory has a bound


class Stance(NamedTuple):
    """How a stored picture is to be shown: mirrored left to right, then turned by quarters counterclockwise."""

    turns: int
    mirrored: bool = False


AS_STORED = Stance(0)
# By the signs of the display matrix's a b c d, of which x' = a x + c y and y' = b x + d y.
STANCES = {
    (-1, 0, 0, -1): Stance(2),
    (-1, 0, 0, 1): Stance(0, mirrored=True),
    (1, 0, 0, -1): Stance(2, mirrored=True),
    (0, 1, -1, 0): Stance(3),
    (0, -1, 1, 0): Stance(1),
    (0, 1, 1, 0): Stance(1, mirrored=True),
    (0, -1, -1, 0): Stance(3, mirrored=True),
}


@dataclass(frozen=True)
class Planes:
    """A picture as it is stored: luma, and two planes of chroma that may be smaller; a sample has `bits`.

    Its colours are BT.709's or BT.601's. The chroma is only read when it is asked for: with most frames nobody does.
    """

    y: Plane
    chroma: Callable[[], tuple[Plane, Plane]]
    luma_share: float  # of all samples
    bits: int
    full_range: bool
    bt709: bool
    stance: Stance

    @cached_property
    def samples(self) -> tuple[Plane, Plane, Plane]:
        """Luma and both planes of chroma."""
        return self.y, *self.chroma()


class Small(NamedTuple):
    """One frame for the signals: uint8 luma [height, width], upright, 16 black to 235 white; and the frame as stored.

    Whoever keeps `native` keeps the decoder's memory of the frame.
    """

    luma: Image
    native: Planes


def upright_px(frame: VideoFrame, width_px: int, height_px: int) -> tuple[int, int]:
    """Width and height as shown, after the rotation that the file asks for."""
    return (height_px, width_px) if stance(frame).turns % 2 else (width_px, height_px)


def stance(frame: VideoFrame) -> Stance:
    """How the file asks to show the picture; as it is stored where it asks for no quarter turns.

    To be asked of one frame of a video: PyAV's side data and its frame hold each other, and with it the decoder's
    memory, until Python looks for such rings.
    """
    for data in cast(SideDataContainer, frame.side_data):
        if data.type == Type.DISPLAYMATRIX:
            a, b, _, c, d = struct.unpack("<5i", bytes(data)[:20])
            most = max(map(abs, (a, b, c, d)))
            signs = tuple((value > most / 2) - (value < -most / 2) for value in (a, b, c, d))
            return STANCES.get(signs, AS_STORED)
    return AS_STORED


def small_size(frame: VideoFrame, width_px: int) -> tuple[int, int]:
    """Width (a multiple of 4) and height (too) of the small frames of the video that begins with this frame."""
    shown_w, shown_h = upright_px(frame, frame.width, frame.height)
    height_px = 4 * round(width_px * shown_h / shown_w / 4)
    return width_px, min(max(LOWEST_PX, height_px), TALLEST * width_px)


def shrink(frame: VideoFrame, size: tuple[int, int], stands: Stance = AS_STORED) -> Small:
    """The frame at the size that `small_size` gave; one whose own size has changed is fitted to it.

    Raises ItemError: corrupt for a pixel format that nothing converts.
    """
    native = planes(frame, stands)
    width_px, height_px = size if native.stance.turns % 2 == 0 else size[::-1]
    step = min(SPARSEST, max(1, 2 * len(native.y) // (5 * height_px)))  # two and a half lines for each
    luma = upright(eight_bits(fitted(native.y[::step], width_px, height_px), native.bits), native.stance)
    if native.full_range:
        luma = _image(cv2.convertScaleAbs(luma, alpha=(WHITE - BLACK) / 255, beta=BLACK))
    return Small(luma, native)


def picture(native: Planes, max_side_px: int) -> Planes:
    """A copy of the frame, halved until its longer side is below twice `max_side_px`: it holds no decoder memory."""
    times = max(0, (max(native.y.shape) // max_side_px).bit_length() - 1)
    y, u, v = (halved(plane, times) if times else plane.copy() for plane in native.samples)
    return replace(native, y=y, chroma=lambda: (u, v))


def planes(frame: VideoFrame, stands: Stance = AS_STORED) -> Planes:
    """The frame's samples without a copy; other formats than PLANAR's are converted by swscale, to 8 bits 4:2:0.

    Colours that the file does not name are taken as browsers and players do: BT.709 from 720 lines on. Raises
    ItemError: corrupt for a pixel format that nothing converts.
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

    share = next((share for name, share in LUMA_SHARE.items() if name in frame.format.name), 2 / 3)
    return Planes(_samples(frame, 0, bits, 1), chroma, share, bits, full_range, bt709, stands)


def _samples(frame: VideoFrame, index: int, bits: int, each: int) -> Plane:
    """One plane, [height, width * each]."""
    plane = frame.planes[index]
    stored = np.frombuffer(memoryview(plane), dtype=np.uint8).reshape(plane.height, -1)
    return (stored if bits == 8 else stored.view(np.uint16))[:, : plane.width * each]


def halved(plane: Same, times: int) -> Same:
    """The plane halved so often in both directions, each sample the mean of four.

    OpenCV is quick at this and at nothing else: 1280 x 720 to 256 x 144 in halves takes 0.07 ms, by areas 0.29 ms.
    """
    for _ in range(times):
        width_px, height_px = max(1, plane.shape[1] // 2), max(1, plane.shape[0] // 2)
        plane = cv2.resize(plane, (width_px, height_px), interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    return plane


def fitted(plane: Plane, width_px: int, height_px: int) -> Plane:
    """The plane at this size: halves as far as they go, then the rest, without steps that skip many samples."""
    ratio = min(plane.shape[1] / width_px, plane.shape[0] / height_px)
    plane = halved(plane, max(0, int(ratio).bit_length() - 1))
    if plane.shape == (height_px, width_px):
        return plane
    wide, high = plane.shape[1] / width_px, plane.shape[0] / height_px
    if wide > 8 or high > 2:
        return cv2.resize(plane, (width_px, height_px), interpolation=cv2.INTER_AREA)  # type: ignore[return-value]
    if wide > 2.5:  # linear interpolation looks at two samples, however far apart
        plane = cv2.resize(plane, (2 * width_px, height_px), interpolation=cv2.INTER_LINEAR)  # type: ignore[assignment]
    return cv2.resize(plane, (width_px, height_px), interpolation=cv2.INTER_LINEAR)  # type: ignore[return-value]


def difference(first: Image, second: Image) -> float:
    """Mean absolute difference, 0 to 255."""
    return cv2.norm(first, second, cv2.NORM_L1) / first.size


def eight_bits(plane: Plane, bits: int) -> Image:
    return _image(plane if bits == 8 else cv2.convertScaleAbs(plane, alpha=1 / (1 << bits - 8)))


def upright(image: Image, stance: Stance) -> Image:
    """The image as it is to be shown."""
    if stance == AS_STORED:
        return image
    return np.ascontiguousarray(np.rot90(image[:, ::-1] if stance.mirrored else image, stance.turns))


def _image(picture: cv2.typing.MatLike) -> Image:
    return np.asarray(picture, dtype=np.uint8)
