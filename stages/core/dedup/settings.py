"""How duplicates are found: the settings of `dedup`. Values are in conf/stage/dedup.yaml."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

STRICT = ConfigDict(extra="forbid")
METHODS = ("exact", "perceptual", "semantic")  # the surest first

Method = Literal["exact", "perceptual", "semantic"]
Quality = Literal["length", "resolution", "bit_rate", "age"]
Share = Annotated[float, Field(gt=0, le=1)]


@dataclass(frozen=True, config=STRICT)
class Perceptual:
    """Two moments are alike if their hashes differ in at most `bits` of 64 bits.

    Two rows are if so large a `share` of the shorter one's moments are like the other's at the same distances in time.
    Moments of less `contrast` (0 to 0.5) are left out. A row is compared with the `most` best of those that share a
    quarter of a hash with it.
    """

    bits: Annotated[int, Field(ge=0, le=20)]
    share: Share
    contrast: Annotated[float, Field(ge=0, le=0.5)]
    most: Annotated[int, Field(ge=1)]


@dataclass(frozen=True, config=STRICT)
class Semantic:
    """Two rows are alike if their embeddings lie in one of `clusters` clusters and have at least this `cosine`.

    None: as many clusters as the square root of the rows.
    """

    cosine: Annotated[float, Field(ge=-1, le=1)]
    clusters: Annotated[int, Field(ge=1)] | None
    rounds: Annotated[int, Field(ge=1)]


@dataclass(frozen=True, config=STRICT)
class Config:
    """`prefer` is the order of what makes a row the one that is kept.

    Where one is shorter than `whole` of the other's length, the longer one is, whatever `prefer` says. Clips of one
    video are only compared with each other if `within_video`.
    """

    methods: list[Method]
    perceptual: Perceptual
    semantic: Semantic
    prefer: list[Quality]
    whole: Share
    within_video: bool
    against: list[str]
