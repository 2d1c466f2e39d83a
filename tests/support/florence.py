"""Florence-2 with random weights in folders as the Hub has them, in either layout: small ones for tests."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import yaml
from pydantic import TypeAdapter
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import (
    BartConfig,
    CLIPImageProcessorPil,
    Florence2Config,
    Florence2ForConditionalGeneration,
    PreTrainedTokenizerFast,
)

from stages.core.frames.describe.settings import Settings

CONTROLS = ["<s>", "<pad>", "</s>", "<unk>"]
MARKERS = ["<od>", "</od>", "<ocr>", "</ocr>"]
PLACES = [f"<loc_{n}>" for n in range(1000)]
GENERATION = {
    "num_beams": 3,
    "no_repeat_ngram_size": 3,
    "early_stopping": True,
    "forced_bos_token_id": 0,
    "forced_eos_token_id": 2,
    "decoder_start_token_id": 2,
    "bos_token_id": 0,
    "pad_token_id": 1,
    "eos_token_id": 2,
}
TEXT: dict[str, Any] = {
    "d_model": 32, "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 4, "decoder_attention_heads": 4,
    "encoder_ffn_dim": 64, "decoder_ffn_dim": 64, "max_position_embeddings": 256,
}  # fmt: skip
VISION: dict[str, Any] = {
    "embed_dim": (8, 8, 16, 32), "num_heads": (1, 1, 2, 4), "num_groups": (1, 1, 2, 4), "depths": (1, 1, 1, 1),
    "window_size": 4, "projection_dim": 32,
}  # fmt: skip


def stage_settings() -> Settings:
    """The stage's own keys of conf/stage/describe_frames.yaml."""
    loaded = yaml.safe_load((Path(__file__).parents[2] / "conf" / "stage" / "describe_frames.yaml").read_text())
    found: Settings = TypeAdapter(Settings).validate_python({k: loaded[k] for k in Settings.__dataclass_fields__})
    return found


def make_tokenizer(places: bool = True) -> PreTrainedTokenizerFast:
    """Every byte a token; the model's places, and the sign that stands for a picture, unless left out."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    inner = Tokenizer(models.BPE({token: n for n, token in enumerate([*CONTROLS, *alphabet])}, []))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    inner.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    inner.add_special_tokens([AddedToken(token, special=True) for token in CONTROLS])
    if places:
        inner.add_special_tokens([AddedToken(token, special=True) for token in [*MARKERS, *PLACES, "<image>"]])
    names = {"bos_token": "<s>", "pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
    return PreTrainedTokenizerFast(tokenizer_object=inner, **names)


def save_florence(
    folder: Path, *, text: Mapping[str, Any] = TEXT, vision: Mapping[str, Any] = VISION, side_px: int = 64
) -> Path:
    """A model in the layout of transformers, for pictures of `side_px`."""
    tokenizer = make_tokenizer()
    torch.manual_seed(5)
    config = Florence2Config(
        text_config=BartConfig.from_dict({"vocab_size": len(tokenizer), **text, **GENERATION}).to_dict(),
        vision_config=dict(vision),
        image_token_id=int(tokenizer.convert_tokens_to_ids("<image>")),  # type: ignore[arg-type]
    )
    model = Florence2ForConditionalGeneration(config)
    with torch.no_grad():  # random weights of the usual size answer nearly the same to everything
        for value in model.parameters():
            value.mul_(6)
    model.generation_config.update(**GENERATION)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    CLIPImageProcessorPil(
        size={"height": side_px, "width": side_px}, do_center_crop=False, image_seq_length=(side_px // 32) ** 2 + 1,
        image_mean=(0.485, 0.456, 0.406), image_std=(0.229, 0.224, 0.225),
    ).save_pretrained(folder)  # fmt: skip
    return folder
