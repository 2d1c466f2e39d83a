"""Embeddings of pictures by CLIP or SigLIP: unit vectors whose cosine says how much two pictures show alike."""

import json
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, CLIPVisionModelWithProjection, SiglipVisionModel

from stages.core.frames.net import TorchNet
from stages.core.frames.pictures import View, view_of
from stages.core.models.device import Device
from stages.core.models.hub import UnloadableError, one_line
from stages.core.models.weights import load_module, name_model

KINDS: dict[str, Any] = {
    "clip": CLIPVisionModelWithProjection,
    "clip_vision_model": CLIPVisionModelWithProjection,
    "siglip": SiglipVisionModel,
    "siglip_vision_model": SiglipVisionModel,
}


class Encoder(TorchNet):
    """The vision tower of a CLIP or SigLIP model; gives L2-normalised vectors, float32 [pictures, size].

    Raises UnloadableError; `model` is what the option `key` named it.
    """

    def __init__(self, folder: Path, model: str, key: str, device: Device) -> None:
        try:
            config = AutoConfig.from_pretrained(folder)
            kind = str(config.model_type)
            if kind not in KINDS:
                raise ValueError(f"it is a {kind}, not one of {', '.join(KINDS)}")
            if kind == "clip":  # its vision part may have another size there, which is not that of the weights
                config.vision_config.projection_dim = config.projection_dim
            tower = getattr(config, "vision_config", config)
            module = load_module(KINDS[kind], folder, device.dtype, config=tower)
            view = read_view(folder)
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise UnloadableError(f"{key}.model={model} cannot be loaded from {folder}: {one_line(error)}") from error
        self.name = name_model(model, folder)
        sized = module.config.projection_dim if kind.startswith("clip") else module.config.hidden_size
        self.size = int(sized)  # of its vectors

        def features(pixels: torch.Tensor) -> torch.Tensor:
            given = module(pixel_values=pixels)
            vectors = given.image_embeds if kind.startswith("clip") else given.pooler_output
            return torch.nn.functional.normalize(vectors.float(), dim=1)

        super().__init__(module, features, view, device)


def read_view(folder: Path) -> View:
    """How a model wants its pictures. Raises OSError, ValueError, KeyError."""
    return view_of(json.loads((folder / "preprocessor_config.json").read_bytes()))
