"""How a video is measured: the settings of the one pass. Values are in conf/stage/analyze.yaml."""

from typing import Literal

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True, config=STRICT)
class Decoder:
    """`speed`: what the decoder may skip (SKIPPED in packets.py); `hwaccel`: a device type, ignored where missing."""

    speed: Literal["exact", "fast", "draft"]
    hwaccel: Literal["cuda", "qsv", "vaapi", "drm", "amf", "videotoolbox"] | None


@dataclass(frozen=True, config=STRICT)
class Shots:
    """Scores, 0 to 1, from which on a hard cut or a gradual transition is a border of shots (cuts.py, gradual.py).

    `second_look`: a net that looks at what is by less than `doubt` below these.
    """

    cut: float
    gradual: float
    second_look: Literal["transnet"] | None
    doubt: float


@dataclass(frozen=True, config=STRICT)
class Freeze:
    """ffmpeg freezedetect's `noise` (share of the full range) and shortest duration."""

    noise: float
    min_s: float


@dataclass(frozen=True, config=STRICT)
class Motion:
    """Measurements of optical flow a second, and the time between the two frames of each."""

    per_s: float
    gap_s: float


@dataclass(frozen=True, config=STRICT)
class Pictures:
    """The longer side of a key frame in pixels, at most, and JPEG quality, 1 to 100.

    `even`: the number of further ones of each shot at equal distances, beside its first, middle and last.
    """

    max_side_px: int
    quality: int
    even: int


@dataclass(frozen=True, config=STRICT)
class Limits:
    """Larger videos are refused before they are decoded: pixels of a frame (width times height), seconds."""

    max_pixels: int
    max_s: float


@dataclass(frozen=True, config=STRICT)
class Settings:
    """`width_px` is the width at which signals are measured, a multiple of 16."""

    width_px: int
    decoder: Decoder
    shots: Shots
    freeze: Freeze
    motion: Motion
    key_frames: Pictures
    limits: Limits
    min_coverage: float
