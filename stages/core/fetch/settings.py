"""How videos are fetched, as conf/stage/download.yaml says; the values are there."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

STRICT = ConfigDict(extra="forbid")
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]


Codec = Literal["h264", "hevc", "vp9", "av1", "vp8"]


@dataclass(frozen=True, config=STRICT)
class Formats:
    """`height_px` as sites name it, 1080 for 1080p: it is the width of a film that is held upright."""

    height_px: Annotated[int, Field(gt=0)]
    codecs: Annotated[list[Codec], Field(min_length=1)]  # first choice first
    container: Literal["mp4", "mkv"]


@dataclass(frozen=True, config=STRICT)
class Subtitles:
    languages: list[str]  # first choice first
    automatic: bool


@dataclass(frozen=True, config=STRICT)
class Spans:
    only: bool
    margin_s: NotNegative


@dataclass(frozen=True, config=STRICT)
class Limits:
    """`max_pixels` is a frame's width times its height; `stall_s` is how long a host may send nothing."""

    max_s: Positive
    max_gb: Positive
    max_pixels: Annotated[int, Field(gt=0)]
    stall_s: Positive

    @property
    def max_bytes(self) -> int:
        return int(self.max_gb * 2**30)


@dataclass(frozen=True, config=STRICT)
class Store:
    root: str | None


@dataclass(frozen=True, config=STRICT)
class Pace:
    requests_per_s: Positive | None
    sleep_s: tuple[NotNegative, NotNegative]
    back_off_s: tuple[Positive, Positive]
    back_offs: Annotated[int, Field(ge=0)]


@dataclass(frozen=True, config=STRICT)
class Access:
    proxies: str | None
    cookies: str | None
    source_address: str | dict[str, str] | None
