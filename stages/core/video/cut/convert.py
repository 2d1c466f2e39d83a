"""Converts frames to what all encoders and players accept: oriented, even sides, 4:2:0, limited range.

Of more than 8 bits a sample 10 are kept where the encoder takes them, and so is high dynamic range (HDR): PQ or HLG of
BT.2020, in 8 bits, would show bands.
"""

from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import av
from av.filter import Graph
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange

from slurm.errors import ItemError
from stages.core.video.read.columns import bit_depth
from stages.core.video.read.frames import Orientation, displayed_px, displayed_sar, read_orientation, square_px
from stages.core.video.read.tone import HDR, write_cube

EIGHT_BITS = "yuv420p"
RGB, BT709, UNSPECIFIED = 0, 1, 2  # ITU-T H.273

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


class Look(NamedTuple):
    """What becomes of the picture. `crop`: the part that is kept, None for all of it.

    `square` makes its pixels square, `sdr` shows high dynamic range as BT.709.
    """

    crop: Crop | None = None
    square: bool = False
    sdr: bool = False


class FrameConverter:
    """Converts frames to the size and orientation of the first one as displayed, or as `look` says.

    `deep` is the encoder's pixel format of 10 bits, None if it has none: then high dynamic range becomes BT.709. `sar`
    is the shape of the source's pixels, and then that of the converted ones. Raises ItemError: encode_failed for a
    picture without pixels, bad_value for a crop that is not within it.
    """

    def __init__(self, first: VideoFrame, look: Look, sar: Fraction, deep: str | None) -> None:
        crop = look.crop
        self.coded_px = first.width, first.height
        filters = list(TURNS.get(read_orientation(first), []))
        self.sar = displayed_sar(first, sar)
        hdr = HDR.get(first.color_trc)
        self.toned = hdr if look.sdr or not deep else None
        self.taken = deep if deep and bit_depth(first.format.name) > 8 else EIGHT_BITS
        self.pix_fmt = EIGHT_BITS if self.toned else self.taken
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
        if look.square and self.sar != 1:
            wide, high = square_px(self.width_px, self.height_px, float(self.sar))
            self.width_px, self.height_px, self.sar = wide + wide % 2, high + high % 2, Fraction(1)
            filters.append(("scale", f"{self.width_px}:{self.height_px}:flags=bicubic"))
        with TemporaryDirectory() as folder:
            if self.toned:
                write_cube(Path(folder, "tone.cube"), self.toned)
                filters += [
                    ("scale", "in_color_matrix=bt2020:in_range=tv:out_range=pc"),
                    ("format", "gbrp16le"),
                    ("lut3d", f"file={folder}/tone.cube"),
                    ("scale", "out_color_matrix=bt709:out_range=tv"),
                    ("format", EIGHT_BITS),
                ]
            self.graph = _graph(self.coded_px, self.taken, first, filters) if filters else None

    def convert(self, frame: VideoFrame) -> VideoFrame:
        """The converted frame, with its pts. Raises ItemError: encode_failed for a format that cannot be converted."""
        full_range = frame.color_range == ColorRange.JPEG or frame.format.name.startswith("yuvj")
        if (frame.width, frame.height, frame.format.name) != (*self.coded_px, self.taken) or full_range:
            try:
                frame = frame.reformat(*self.coded_px, self.taken, dst_color_range=ColorRange.MPEG)
            except (av.FFmpegError, ValueError) as error:
                raise ItemError("encode_failed", f"pixel format {frame.format.name}: {error}") from error
        if self.graph is not None:
            self.graph.vpush(frame)
            frame = self.graph.vpull()
        return frame

    def set_up(self, context: VideoCodecContext, frame: VideoFrame) -> None:
        """Sets an encoder's size, format and colours to those of a converted frame."""
        context.width, context.height, context.pix_fmt = self.width_px, self.height_px, self.pix_fmt
        context.color_range, context.color_trc = ColorRange.MPEG, frame.color_trc
        context.color_primaries = frame.color_primaries
        context.colorspace = UNSPECIFIED if frame.colorspace == RGB else frame.colorspace
        if self.toned:
            context.color_trc = context.color_primaries = context.colorspace = BT709


def check_crop(crop: Crop, width_px: int, height_px: int) -> None:
    """Raises ItemError: bad_value unless the crop is even and lies within a picture of this size."""
    right, bottom = crop.x_px + crop.width_px, crop.y_px + crop.height_px
    within = 0 <= crop.x_px < right <= width_px and 0 <= crop.y_px < bottom <= height_px
    if not within or any(value % 2 for value in crop):
        box = f"{crop.width_px}x{crop.height_px} at {crop.x_px},{crop.y_px}"
        raise ItemError("bad_value", f"a crop of {box} pixels is not even or not within {width_px}x{height_px}")


def _graph(coded_px: tuple[int, int], pix_fmt: str, first: VideoFrame, filters: list[tuple[str, str]]) -> Graph:
    graph = Graph()
    width_px, height_px = coded_px
    source = graph.add_buffer(
        width=width_px, height=height_px, format=av.VideoFormat(pix_fmt), time_base=first.time_base
    )
    graph.link_nodes(source, *(graph.add(name, args or None) for name, args in filters), graph.add("buffersink"))
    graph.configure()
    return graph
