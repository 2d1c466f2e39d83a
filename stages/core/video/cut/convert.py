"""Converts frames to what all encoders and players accept: oriented, even sides, 8-bit 4:2:0, limited range."""

from typing import NamedTuple

import av
from av.filter import Graph
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange

from slurm.errors import ItemError
from stages.core.video.read.frames import Orientation, displayed_px, read_orientation

PIX_FMT = "yuv420p"
RGB, UNSPECIFIED = 0, 2  # ITU-T H.273, matrix coefficients

# The filters that the ffmpeg command inserts for each orientation.
TURNS: dict[Orientation, list[tuple[str, str]]] = {
    Orientation(2): [("hflip", ""), ("vflip", "")],
    Orientation(0, mirrored=True): [("hflip", "")],
    Orientation(2, mirrored=True): [("vflip", "")],
    Orientation(3): [("transpose", "clock")],
    Orientation(1): [("transpose", "cclock")],
    Orientation(1, mirrored=True): [("transpose", "cclock_flip")],
    Orientation(3, mirrored=True): [("transpose", "clock_flip")],
}


class Crop(NamedTuple):
    """The part of the picture that is kept, in pixels of the picture as displayed; all four are even."""

    x_px: int
    y_px: int
    width_px: int
    height_px: int


class FrameConverter:
    """Converts frames to the size and orientation of the first one as displayed, or to the part of it in `crop`.

    `sideways`: turned by one or three quarters. Raises ItemError: encode_failed for a picture without pixels,
    bad_value for a crop that is not within it.
    """

    def __init__(self, first: VideoFrame, crop: Crop | None = None) -> None:
        self.coded_px = first.width, first.height
        filters = list(TURNS.get(read_orientation(first), []))
        self.sideways = read_orientation(first).turns % 2 == 1
        width_px, height_px = displayed_px(first, *self.coded_px)
        self.width_px, self.height_px = width_px & ~1, height_px & ~1
        if self.width_px == 0 or self.height_px == 0:
            raise ItemError("encode_failed", f"a picture of {width_px}x{height_px} pixels")
        if crop is not None:
            check_crop(crop, width_px, height_px)
            self.width_px, self.height_px = crop.width_px, crop.height_px
        if (self.width_px, self.height_px) != (width_px, height_px):
            left, top = (crop.x_px, crop.y_px) if crop else (0, 0)
            filters.append(("crop", f"{self.width_px}:{self.height_px}:{left}:{top}"))
        self.graph = _graph(self.coded_px, first, filters) if filters else None

    def convert(self, frame: VideoFrame) -> VideoFrame:
        """The converted frame, with its pts. Raises ItemError: encode_failed for a format that cannot be converted."""
        full_range = frame.color_range == ColorRange.JPEG or frame.format.name.startswith("yuvj")
        if (frame.width, frame.height, frame.format.name) != (*self.coded_px, PIX_FMT) or full_range:
            try:
                frame = frame.reformat(*self.coded_px, PIX_FMT, dst_color_range=ColorRange.MPEG)
            except (av.FFmpegError, ValueError) as error:
                raise ItemError("encode_failed", f"pixel format {frame.format.name}: {error}") from error
        if self.graph is not None:
            self.graph.vpush(frame)
            frame = self.graph.vpull()
        return frame

    def set_up(self, context: VideoCodecContext, frame: VideoFrame) -> None:
        """Sets an encoder's size, format and colours to those of a converted frame."""
        context.width, context.height, context.pix_fmt = self.width_px, self.height_px, PIX_FMT
        context.color_range, context.color_trc = ColorRange.MPEG, frame.color_trc
        context.color_primaries = frame.color_primaries
        context.colorspace = UNSPECIFIED if frame.colorspace == RGB else frame.colorspace


def check_crop(crop: Crop, width_px: int, height_px: int) -> None:
    """Raises ItemError: bad_value unless the crop is even and lies within a picture of this size."""
    right, bottom = crop.x_px + crop.width_px, crop.y_px + crop.height_px
    within = 0 <= crop.x_px < right <= width_px and 0 <= crop.y_px < bottom <= height_px
    if not within or any(value % 2 for value in crop):
        box = f"{crop.width_px}x{crop.height_px} at {crop.x_px},{crop.y_px}"
        raise ItemError("bad_value", f"a crop of {box} pixels is not even or not within {width_px}x{height_px}")


def _graph(coded_px: tuple[int, int], first: VideoFrame, filters: list[tuple[str, str]]) -> Graph:
    graph = Graph()
    width_px, height_px = coded_px
    source = graph.add_buffer(
        width=width_px, height=height_px, format=av.VideoFormat(PIX_FMT), time_base=first.time_base
    )
    graph.link_nodes(source, *(graph.add(name, args or None) for name, args in filters), graph.add("buffersink"))
    graph.configure()
    return graph
