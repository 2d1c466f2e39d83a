"""How optical flow is measured. Values are in conf/stage/motion_flow.yaml."""

from typing import Literal

from pydantic.dataclasses import dataclass

from stages.core.video.measure.settings import STRICT, Limits


@dataclass(frozen=True, config=STRICT)
class Raft:
    """torchvision's net, and a file of its weights; None: torchvision's own, which it downloads."""

    model: Literal["large", "small"]
    weights: str | None


@dataclass(frozen=True, config=STRICT)
class Settings:
    """`fps`: frames that are taken a second, each paired with the next; `batch`: pairs that raft computes at once.

    `dtype` is that of raft's convolutions; auto: bfloat16 on a GPU that computes in it, else float32. A clip of which
    less than the share `min_coverage` can be decoded is corrupt.
    """

    fps: float
    backend: Literal["dis", "raft"]
    raft: Raft
    batch: int
    dtype: Literal["auto", "float32", "bfloat16", "float16"]
    limits: Limits
    min_coverage: float
