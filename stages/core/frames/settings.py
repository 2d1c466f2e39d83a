"""Which scorers look at frames, and with which models. Values are in conf/stage/score_frames.yaml."""

from typing import Literal

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

STRICT = ConfigDict(extra="forbid")
Name = Literal["aesthetic", "watermark", "nsfw", "open_nsfw", "similarity", "embed"]


@dataclass(frozen=True, config=STRICT)
class Frames:
    """`source`: the side table that has the frames, or even: decoded at even times.

    `most` of an item, evenly spaced; null: all. `side_px`: of those that are decoded, the longer side at most.
    """

    source: Literal["key_frames", "sync_frames", "even"]
    most: int | None
    side_px: int


@dataclass(frozen=True, config=STRICT)
class Model:
    """A model's folder, or its name on the Hub with the revision (commit) there."""

    model: str
    revision: str | None


@dataclass(frozen=True, config=STRICT)
class Aesthetic:
    """CLIP ViT-L/14, and LAION's head over its embedding: a file, or owner/name/file on the Hub."""

    model: str
    revision: str | None
    head: str
    head_revision: str | None


@dataclass(frozen=True, config=STRICT)
class Watermark:
    """LAION's EfficientNet-B3: a file, or owner/name/file on the Hub."""

    weights: str
    revision: str | None


@dataclass(frozen=True, config=STRICT)
class Nsfw:
    """An image classifier, and the label whose probability is the score."""

    model: str
    revision: str | None
    label: str


@dataclass(frozen=True, config=STRICT)
class Similarity:
    """What frames are compared with: pictures, videos, folders of them; `most_frames` of each video."""

    model: str
    revision: str | None
    references: tuple[str, ...]
    most_frames: int


@dataclass(frozen=True, config=STRICT)
class Settings:
    """`dtype` is that of the models and what goes into them; auto: bfloat16 on a GPU that has it, else float32."""

    frames: Frames
    scorers: tuple[Name, ...]
    batch: int
    dtype: Literal["auto", "float32", "bfloat16", "float16"]
    aesthetic: Aesthetic
    watermark: Watermark
    nsfw: Nsfw
    similarity: Similarity
    embed: Model
