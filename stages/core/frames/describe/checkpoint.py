"""Loads Florence-2, in the layout of transformers or in that of Microsoft's own code, of which nothing is executed.

Models tuned from microsoft/Florence-2-* (diffusers/shot-categorizer-v0) have the latter: other names of the weights,
and of some fields of the config.
"""

import json
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from transformers import BartConfig, Florence2Config, Florence2ForConditionalGeneration, GenerationConfig

from stages.core.models.weights import load_module, load_weights

RENAMED = (  # names of the weights: Microsoft's, those of transformers
    (r"^vision_tower\.convs\.(\d+)\.proj\.", r"vision_tower.convs.\1.conv."),
    (r"\.fn\.dw\.", "."),
    (r"\.(window|channel)_attn\.norm\.", ".norm1."),
    (r"\.ffn\.norm\.", ".norm2."),
    (r"\.ffn\.fn\.net\.", ".ffn."),
    (r"\.(window|channel)_attn\.fn\.", r".\1_attn."),
    (r"^vision_tower\.", "model.vision_tower."),
    (r"^image_projection$", "model.multi_modal_projector.image_projection.weight"),
    (r"^image_proj_norm\.", "model.multi_modal_projector.image_proj_norm."),
    (r"^image_pos_embed\.", "model.multi_modal_projector.image_position_embed."),
    (r"^visual_temporal_embed\.", "model.multi_modal_projector.visual_temporal_embed."),
    (r"^language_model\.model\.", "model.language_model."),
    (r"^language_model\.lm_head\.", "lm_head."),
)


def load_florence(folder: Path, dtype: torch.dtype) -> Any:
    """The model, a Florence2ForConditionalGeneration. Raises OSError, ValueError, KeyError, RuntimeError."""
    config = json.loads((folder / "config.json").read_bytes())
    if config.get("model_type") != "florence2":
        raise ValueError(f"it is a {config.get('model_type')}, not a florence2")
    if "dim_embed" not in config["vision_config"]:
        return load_module(Florence2ForConditionalGeneration, folder, dtype)
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise ValueError("it has no *.safetensors")
    weights = {_rename(name): value for file in files for name, value in load_weights(file, "florence.model=").items()}
    projection = "model.multi_modal_projector.image_projection.weight"
    weights[projection] = weights[projection].T.contiguous()
    module = load_module(
        Florence2ForConditionalGeneration, None, dtype, config=_convert_config(config), state_dict=weights
    )
    if (folder / "generation_config.json").is_file():
        module.generation_config = GenerationConfig.from_pretrained(folder)
    return module


def _rename(name: str) -> str:
    for theirs, ours in RENAMED:
        name = re.sub(theirs, ours, name)
    return name


def _convert_config(config: dict[str, Any]) -> Florence2Config:
    """The config in the layout of transformers."""
    text, vision = config["text_config"], config["vision_config"]
    known = {field.name for field in fields(BartConfig)} - {"model_type", "architectures", "dtype", "torch_dtype"}
    same = (
        "depths", "patch_size", "patch_stride", "patch_padding", "patch_prenorm", "num_heads", "num_groups",
        "window_size", "projection_dim",
    )  # fmt: skip
    return Florence2Config(
        text_config={"model_type": "bart", **{name: value for name, value in text.items() if name in known}},
        vision_config={
            **{name: vision[name] for name in same if name in vision},
            "embed_dim": vision["dim_embed"],
            "max_temporal_embeddings": vision["visual_temporal_embedding"]["max_temporal_embeddings"],
            "max_position_embeddings": vision["image_pos_embed"]["max_pos_embeddings"],
        },
    )
