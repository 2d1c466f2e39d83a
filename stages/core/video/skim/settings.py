"""How a video is skimmed. Values are in conf/stage/skim.yaml."""

from pydantic.dataclasses import dataclass

from stages.core.video.measure.settings import STRICT, Limits


@dataclass(frozen=True, config=STRICT)
class Pictures:
    """Of sync frames: the longer side in pixels, at most, and JPEG quality, 1 to 100."""

    max_side_px: int
    quality: int


@dataclass(frozen=True, config=STRICT)
class Settings:
    """`every_s`: sync frames that follow sooner are not decoded; `width_px`: of the small frames that are measured."""

    every_s: float
    width_px: int
    sync_frames: Pictures
    limits: Limits
    min_coverage: float
