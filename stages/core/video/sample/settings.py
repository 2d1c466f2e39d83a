"""Which pictures of a clip a model is shown. Values are in conf/stage/caption.yaml."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

STRICT = ConfigDict(extra="forbid")
Count = Annotated[int, Field(ge=1)]
KEPT = {"key": "key_frames", "sync": "sync_frames"}  # source → the table that has the pictures


@dataclass(frozen=True, config=STRICT)
class Frames:
    """`source`: decoded at even times (even), or those that analyze (key) or skim (sync) has kept, so that nothing is.

    `most` of a part of a clip, the longer side at most `side_px`. `grid`: rows and columns of one picture that holds
    all of them; None: a picture each.
    """

    source: Literal["even", "key", "sync"]
    most: Count
    side_px: Annotated[int, Field(ge=16)]
    quality: Annotated[int, Field(ge=1, le=100)]  # of their JPEGs
    grid: tuple[Count, Count] | None
    reader: Literal["decord", "pyav"]  # decord: where it can be trusted, see by_decord.py; else PyAV


@dataclass(frozen=True, config=STRICT)
class Limits:
    max_pixels: int  # width times height
    max_s: float
