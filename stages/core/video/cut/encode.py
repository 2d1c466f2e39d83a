"""The video encoders of FFmpeg that clips can be made with, and their options for quality and speed."""

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

import av
import imageio_ffmpeg
from av.video.codeccontext import VideoCodecContext

from slurm.errors import InputError, ItemError

NOT_THE_ITEM = ("No space left on device", "Disk quota exceeded", "Read-only file system", "Cannot allocate memory")
X26X = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow", "placebo")
NVENC = tuple(f"p{n}" for n in range(1, 8))


@dataclass(frozen=True)
class Encoder:
    """`rate` is its option for constant quality, 0 best to `worst`; `options` makes further ones of a thread count."""

    rate: str
    worst: int
    presets: tuple[str, ...]
    options: Callable[[int], Mapping[str, str]] = lambda threads: {}


ENCODERS = {
    "libx264": Encoder("crf", 51, X26X),
    "libx265": Encoder("crf", 51, X26X, lambda threads: {"x265-params": f"log-level=error:pools={threads}"}),
    "libsvtav1": Encoder("crf", 63, tuple(map(str, range(14))), lambda threads: {"svtav1-params": f"lp={threads}"}),
    **dict.fromkeys(("h264_nvenc", "hevc_nvenc", "av1_nvenc"), Encoder("cq", 51, NVENC, lambda threads: {"rc": "vbr"})),
}


@dataclass(frozen=True)
class Encoding:
    """How frames are encoded: `quality` on the encoder's own scale, `threads` of the encoder."""

    codec: str
    quality: float
    preset: str
    threads: int

    def options(self) -> dict[str, str]:
        """FFmpeg's options for the encoder."""
        known = ENCODERS[self.codec]
        return {"preset": self.preset, known.rate: f"{self.quality:g}", **known.options(self.threads)}


@cache
def ffmpeg_path() -> str:
    """Path of the system's ffmpeg, else of the one that comes with imageio-ffmpeg."""
    return shutil.which("ffmpeg") or str(imageio_ffmpeg.get_ffmpeg_exe())


def check(encoding: Encoding) -> None:
    """Raises InputError, which names the key, for an encoder, preset or quality that cannot work; asks no device."""
    known = ENCODERS.get(encoding.codec)
    if known is None:
        raise InputError(f"codec={encoding.codec}: not one of the encoders that can be used: {', '.join(ENCODERS)}")
    if encoding.codec not in av.codecs_available:
        raise InputError(f"codec={encoding.codec}: the FFmpeg of this PyAV ({av.__version__}) has no such encoder")
    if encoding.preset not in known.presets:
        raise InputError(f"preset={encoding.preset}: {encoding.codec} has {', '.join(known.presets)}")
    if not 0 <= encoding.quality <= known.worst:
        raise InputError(f"quality={encoding.quality:g}: {encoding.codec} takes 0 (best) to {known.worst} (worst)")


def deep_format(codec: str) -> str | None:
    """The pixel format of 10 bits, 4:2:0, that an encoder takes; None if it takes none."""
    taken = {known.name for known in av.Codec(codec, "w").video_formats or ()}
    return next((name for name in ("yuv420p10le", "p010le") if name in taken), None)


def open_encoder(context: VideoCodecContext, encoding: Encoding, extra: Mapping[str, str] | None = None) -> None:
    """Opens the encoder, `extra` being further options of FFmpeg's.

    Raises InputError, which names the key, if the encoder works for no picture here (no such device); ItemError:
    encode_failed if it refuses this picture only.
    """
    os.environ.setdefault("SVT_LOG", "1")  # SVT-AV1 logs a page for each clip
    context.options = {**encoding.options(), **(extra or {})}
    context.thread_count = encoding.threads
    context.bit_rate = 0  # constant quality
    try:
        context.open()
    except (av.FFmpegError, ValueError) as error:
        if reason := _unusable(encoding):
            raise InputError(f"codec={encoding.codec} does not work on this machine: {reason}") from error
        size = f"{context.width}x{context.height} {context.pix_fmt}"
        raise ItemError("encode_failed", f"{encoding.codec} refuses {size}: {error}") from error


def _unusable(encoding: Encoding) -> str | None:
    """The encoder's error for a picture that every encoder accepts; None if there is none."""
    context = av.CodecContext.create(encoding.codec, "w")
    assert isinstance(context, VideoCodecContext)
    context.width, context.height, context.pix_fmt, context.framerate = 640, 480, "yuv420p", Fraction(25)
    context.options, context.bit_rate = encoding.options(), 0
    try:
        context.open()
    except (av.FFmpegError, ValueError) as error:
        return str(error)
    return None
