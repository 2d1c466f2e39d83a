"""What the row of a video says of its pictures: codec, size and shape, depth, colours, rate."""

from av.video.format import VideoFormat
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from stages.core.video.read.facts import Facts
from stages.core.video.read.frames import displayed_px, displayed_sar

# ITU-T H.273, by ffmpeg's names
TRANSFERS = {
    **{1: "bt709", 4: "bt470m", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "linear", 9: "log100", 10: "log316"},
    **{11: "iec61966-2-4", 12: "bt1361e", 13: "iec61966-2-1", 14: "bt2020-10", 15: "bt2020-12", 16: "smpte2084"},
    **{17: "smpte428", 18: "arib-std-b67"},
}
PRIMARIES = {
    **{1: "bt709", 4: "bt470m", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "film", 9: "bt2020", 10: "smpte428"},
    **{11: "smpte431", 12: "smpte432", 22: "ebu3213"},
}


def describe(stream: VideoStream, facts: Facts, frame: VideoFrame, size_px: tuple[int, int]) -> dict[str, object]:
    """The columns of PICTURES, by one of the video's frames; `size_px` is the width and height as stored."""
    context = stream.codec_context
    width_px, height_px = displayed_px(frame, *size_px)
    return {
        "codec": facts.codec,
        "pix_fmt": facts.pix_fmt,
        "bit_depth": bit_depth(facts.pix_fmt or frame.format.name),
        "transfer": transfer(frame, stream),
        "primaries": PRIMARIES.get(frame.color_primaries) or PRIMARIES.get(context.color_primaries),
        "width_px": width_px,
        "height_px": height_px,
        "sar": float(displayed_sar(frame, facts.sar)),
        "fps": float(facts.fps),
    }


def transfer(frame: VideoFrame, stream: VideoStream) -> str | None:
    """The transfer characteristics of a stream, by one of its frames; None where none are declared."""
    return TRANSFERS.get(frame.color_trc) or TRANSFERS.get(stream.codec_context.color_trc)


def bit_depth(pix_fmt: str) -> int:
    """Bits of a sample of the first plane of a pixel format of ffmpeg's."""
    return VideoFormat(pix_fmt).components[0].bits
