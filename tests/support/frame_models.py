"""Small models with random weights in folders as the Hub has them, and pictures: for tests of what scores frames."""

import json
from collections.abc import Sequence
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from random import Random

import numpy as np
import torch
import transformers
import yaml
from PIL import Image
from pydantic import TypeAdapter
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing
from transformers import (
    CLIPConfig,
    CLIPImageProcessorPil,
    CLIPModel,
    SiglipConfig,
    SiglipImageProcessorPil,
    SiglipModel,
    ViTConfig,
    ViTForImageClassification,
    ViTImageProcessorPil,
)

from scripts.truth.watermark_logits import seeded_weights
from stages.core.frames.settings import Settings
from stages.core.frames.watermark import Classifier, names_of_timm
from stages.core.schema.types import Row

VISION = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 48,
    "patch_size": 16,
}
TEXT = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "vocab_size": 99,
    "eos_token_id": 98,
}
SIZE = 24  # of CLIP's vectors


def stage_settings() -> Settings:
    """The stage's own keys of conf/stage/score_frames.yaml."""
    loaded = yaml.safe_load((Path(__file__).parents[2] / "conf" / "stage" / "score_frames.yaml").read_text())
    found: Settings = TypeAdapter(Settings).validate_python({k: loaded[k] for k in Settings.__dataclass_fields__})
    return found


def save_clip(folder: Path) -> Path:
    transformers.logging.disable_progress_bar()
    torch.manual_seed(1)
    CLIPModel(CLIPConfig(vision_config=VISION, text_config=TEXT, projection_dim=SIZE)).save_pretrained(folder)
    CLIPImageProcessorPil(size={"shortest_edge": 48}, crop_size={"height": 48, "width": 48}).save_pretrained(folder)
    return folder


def save_siglip(folder: Path) -> Path:
    torch.manual_seed(2)
    SiglipModel(SiglipConfig(vision_config=VISION, text_config=TEXT)).save_pretrained(folder)
    SiglipImageProcessorPil(size={"height": 48, "width": 48}).save_pretrained(folder)
    return folder


def save_tokenizer(folder: Path, kind: str) -> None:
    """The tokenizer of a text tower of 99 tokens: a token a word or mark, the words that it knows by their hash."""
    end, begin = 98, 97
    words = {f"w{n}": n for n in range(3, begin)}
    made = Tokenizer(WordLevel({"[UNK]": 0, "<pad>": 1, **words, "<s>": begin, "</s>": end}, unk_token="[UNK]"))
    made.pre_tokenizer = Whitespace()
    around = "<s> $A </s>" if kind == "clip" else "$A </s>"
    made.post_processor = TemplateProcessing(single=around, special_tokens=[("<s>", begin), ("</s>", end)])
    made.save(str(folder / "tokenizer.json"))
    named = {"tokenizer_class": "CLIPTokenizer" if kind == "clip" else "SiglipTokenizer", "eos_token": "</s>"}
    (folder / "tokenizer_config.json").write_text(json.dumps({**named, "pad_token": {"content": "<pad>"}}))


def save_classifier(folder: Path) -> Path:
    torch.manual_seed(3)
    labels = {0: "normal", 1: "nsfw"}
    ViTForImageClassification(ViTConfig(**VISION, id2label=labels)).save_pretrained(folder)  # type: ignore[arg-type]
    ViTImageProcessorPil(size={"height": 48, "width": 48}).save_pretrained(folder)
    return folder


def save_head(file: Path, size: int = SIZE) -> Path:
    """A head as LAION's: linear layers under the numbers that they have among dropouts."""
    torch.manual_seed(4)
    sizes = (size, 16, 8, 4, 2, 1)
    made: dict[str, torch.Tensor] = {}
    for number, (given, gives) in zip((0, 2, 4, 6, 7), pairwise(sizes), strict=True):
        layer = torch.nn.Linear(given, gives)
        made |= {f"layers.{number}.weight": layer.weight.detach(), f"layers.{number}.bias": layer.bias.detach()}
    torch.save(made, file)
    return file


def timm_weights() -> dict[str, torch.Tensor]:
    """The weights by seed under timm's names, as in `scripts/truth/watermark_logits.py`."""
    ours = Classifier().state_dict()
    shapes = {theirs: ours[f"backbone.{name}"].shape for theirs, name in names_of_timm().items()}
    shapes |= {name: value.shape for name, value in ours.items() if name.startswith("classifier")}
    counted = {name for name in shapes if name.endswith("num_batches_tracked")}
    return seeded_weights({n: s for n, s in shapes.items() if n not in counted}) | dict.fromkeys(
        counted, torch.tensor(0)
    )


def save_watermark(file: Path) -> Path:
    torch.save(timm_weights(), file)
    return file


def picture(seed: int, width_px: int = 160, height_px: int = 90) -> Image.Image:
    """A picture with large and small structure."""
    chance = np.random.default_rng(seed)
    coarse = Image.fromarray(chance.integers(0, 255, (6, 8, 3), dtype=np.uint8)).resize((width_px, height_px))
    fine = chance.integers(-20, 20, (height_px, width_px, 3))
    return Image.fromarray((np.asarray(coarse, dtype=int) + fine).clip(0, 255).astype(np.uint8))


def job_of(file: Path, rows: Sequence[int]) -> Row:
    """What a worker gets: these rows of a table of pictures."""
    own: Row = {"row": list(rows), "time_s": [float(row) for row in rows]}
    return {"name": "job", "file": str(file), "side_px": 512, "columns": [*own], "places": list(rows), **own}


def encode(shown: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    file = BytesIO()
    shown.save(file, kind, **options)
    return file.getvalue()


def jpegs(count: int, seed: int = 0) -> list[bytes]:
    """Pictures of different sizes."""
    chance = Random(seed)
    sizes = [(chance.randrange(50, 300), chance.randrange(50, 300)) for _ in range(count)]
    return [encode(picture(seed + n, *size), quality=90) for n, size in enumerate(sizes)]
