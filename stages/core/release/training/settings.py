"""The keys of the format `trainer`; values are in conf/format/trainer.yaml."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

Count = Annotated[int, Field(ge=1)]


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Trainer:
    name: Literal["trainer"]
    media: Literal["path", "clip_path"]
    layout: Literal["ltx", "finetrainers", "diffusion_pipe", "musubi"]
    caption_column: str | None
    caption_prefix: str | None
    buckets: list[str]
    batch: Count
    model_fps: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    side_step_px: Count | None
    frame_step: Count | None
    validation_share: Annotated[float, Field(ge=0, lt=1)]
