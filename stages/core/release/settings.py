"""The keys of `package`'s formats, a class each; values are in conf/format/."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from stages.core.release.training.settings import Trainer

STRICT = ConfigDict(extra="forbid")
Media = Literal["path", "clip_path"]  # the column with the files that are released: whole videos, or clips
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


@dataclass(frozen=True, config=STRICT)
class FineVideo:
    name: Literal["finevideo"]
    media: Media
    row_group_mb: Annotated[float, Field(gt=0, le=250)]  # readers take a row group as a whole


@dataclass(frozen=True, config=STRICT)
class WebDataset:
    name: Literal["webdataset"]
    media: Media
    columns: list[str] | None
    caption_column: str | None


@dataclass(frozen=True, config=STRICT)
class Lvd2m:
    name: Literal["lvd2m"]
    media: None


@dataclass(frozen=True, config=STRICT)
class Clips:
    name: Literal["clips"]
    media: Media


@dataclass(frozen=True, config=STRICT)
class Folder:
    name: Literal["folder"]
    media: Media
    where: str | None


Format = Annotated[FineVideo | Clips | WebDataset | Lvd2m | Trainer | Folder, Field(discriminator="name")]
