"""What is asked about frames, and of which model. Values are in conf/stage/describe_frames.yaml."""

from typing import Literal

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from stages.core.frames.settings import Frames

Task = Literal[
    "caption", "detailed_caption", "dense_region_caption", "ocr_with_region",
    "color", "lighting", "lighting_type", "composition",
]  # fmt: skip


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Florence:
    """A Florence-2 model: a folder, or its name on the Hub with the revision (commit) there.

    `beams` of its search; `max_tokens` of an answer.
    """

    model: str
    revision: str | None
    beams: int
    max_tokens: int


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Settings:
    """`ocr`: who answers ocr_with_region; what rapidocr is less sure of than `least_confidence` is no text.

    `dtype` is that of the model and its input, as in score_frames.
    """

    frames: Frames
    tasks: tuple[Task, ...]
    florence: Florence
    ocr: Literal["florence", "rapidocr"]
    least_confidence: float
    batch: int
    dtype: Literal["auto", "float32", "bfloat16", "float16"]
