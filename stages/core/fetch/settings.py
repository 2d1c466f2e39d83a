"""Settings of the download stage; their values and meanings are in conf/stage/download.yaml."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

STRICT = ConfigDict(extra="forbid")
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Codec = Literal["h264", "hevc", "vp9", "av1", "vp8"]


@dataclass(frozen=True, config=STRICT)
class Formats:
    """`height_px` as sites name it, 1080 for 1080p: the shorter side, so the width of a portrait video."""

    height_px: Annotated[int, Field(gt=0)]
    codecs: Annotated[list[Codec], Field(min_length=1)]  # most preferred first
    container: Literal["mp4", "mkv"]


@dataclass(frozen=True, config=STRICT)
class Subtitles:
    languages: list[str]  # most preferred first
    automatic: bool


@dataclass(frozen=True, config=STRICT)
class Spans:
    only: bool
    margin_s: NotNegative


@dataclass(frozen=True, config=STRICT)
class Limits:
    """`max_pixels` is width × height of a frame; `stall_s` the longest time without a byte before a request fails."""

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
    """`local`: whether addresses may name files of this machine; `opt_out`: words of X-Robots-Tag that are obeyed."""

    proxies: str | None
    cookies: str | None
    source_address: str | dict[str, str] | None
    local: bool = True
    opt_out: tuple[str, ...] = ("noai", "noimageai", "noindex", "noimageindex")
