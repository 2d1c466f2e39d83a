"""When texts raise an alarm, and when a step stops for it: the settings of a stage that writes or reads texts."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

STRICT = ConfigDict(extra="forbid")
Kind = Literal["same", "near", "opening", "refused", "repetition", "truncated"]
KINDS: dict[Kind, str] = {  # kind → what it says of texts
    "same": "are equal to many others",
    "near": "are nearly equal to many others",
    "opening": "begin like many others",
    "refused": "are refusals",
    "repetition": "go round in circles",
    "truncated": "break off",
}

Share = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True, config=STRICT)
class Often:
    """The share of all texts from which on a text, nearly the same text, or an opening stands on too many of them."""

    same: Share
    near: Share
    opening: Share


@dataclass(frozen=True, config=STRICT)
class MaxShare:
    """The largest share of texts with each alarm; None: any."""

    same: Share | None
    near: Share | None
    opening: Share | None
    refused: Share | None
    repetition: Share | None
    truncated: Share | None


@dataclass(frozen=True, config=STRICT)
class Alarms:
    """Values are in conf/alarms/. A text is frequent from `often` on if it stands on `least_rows` rows.

    `columns` have the texts. A step stops once `min_rows` texts are there and a `max_share` is passed. Near-equal texts
    and loops are looked for in a `sample`; `refusals` is a file of phrases.
    """

    columns: list[str]
    often: Often
    least_rows: Annotated[int, Field(ge=2)]
    opening_words: Annotated[int, Field(ge=1)]
    max_share: MaxShare
    min_rows: Annotated[int, Field(ge=1)]
    sample: Annotated[int, Field(ge=0)]
    refusals: str
