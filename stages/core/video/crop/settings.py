"""What is cropped away. Values are in conf/stage/crop.yaml."""

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Settings:
    """`texts`: whether the boxes of texts that describe_frames found are looked at, too.

    `near_edge`: share of the width or height, 0 to 0.5; only what lies within so much of an edge is cropped away.
    """

    texts: bool
    near_edge: float
