"""Keys of the stage `balance`; values are in conf/stage/balance.yaml."""

from typing import Annotated

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

STRICT = ConfigDict(extra="forbid")
Hours = Annotated[float, Field(gt=0, le=1e9, allow_inf_nan=False)]
Count = Annotated[int, Field(gt=0)]
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


@dataclass(frozen=True, config=STRICT)
class Columns:
    """Which column is which."""

    category: str
    duration_s: str
    channel: list[str]  # the first of these that a row has
    followers: str | None  # of the channel


@dataclass(frozen=True, config=STRICT)
class Caps:
    """The most that may be chosen of one channel and of one video; null: any amount."""

    channel_videos: Count | None
    channel_hours: Hours | None
    video_rows: Count | None
    video_hours: Hours | None
