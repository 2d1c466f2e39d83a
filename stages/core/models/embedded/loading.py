"""A model in memory with all that belongs to it, read from a folder."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors import SafetensorError
from transformers import (
    AutoConfig,
    AutoImageProcessor,
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    AutoProcessor,
    AutoTokenizer,
    GenerationConfig,
    Idefics3Processor,
)

from stages.core.models.embedded.vocabulary import Vocabulary
from stages.core.models.hub import UnloadableError, one_line

TINY = 20_000_000  # parameters; below, a second thread costs more than it gives: 24 ms a batch against 69
LONGEST = 8192  # tokens, where a model says nothing of it; and more than that is only had when asked for
LOADING = (OSError, ValueError, TypeError, LookupError, AttributeError, ImportError, RuntimeError, SafetensorError)


@dataclass(frozen=True)
class Loaded:
    model: Any
    tokenizer: Any
    processor: Any | None  # of a model that sees
    vocabulary: Vocabulary
    pad: int
    longest: int  # tokens, prompt and answer together


def load(folder: Path) -> Loaded:
    """Raises UnloadableError."""
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    with told(folder):
        config = AutoConfig.from_pretrained(folder)
        sees = type(config) in transformers.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING and hasattr(config, "vision_config")
        auto = AutoModelForImageTextToText if sees else AutoModelForCausalLM
        cuda = torch.cuda.is_available()
        # on a CPU half precision is slower, and a row's answer would hang on its mates in the batch
        model = auto.from_pretrained(folder, dtype="auto" if cuda else torch.float32).eval()
        model = model.to("cuda" if cuda else "cpu")
        tokenizer = AutoTokenizer.from_pretrained(folder)
        processor = _processor(folder, config, tokenizer) if sees else None
        text = config.get_text_config()
        vocabulary = Vocabulary(tokenizer, _ends(model, tokenizer, folder), text.vocab_size)
    if sum(weights.numel() for weights in model.parameters()) < TINY:
        torch.set_num_threads(1)
    pad = vocabulary.eos[0] if tokenizer.pad_token_id is None else tokenizer.pad_token_id
    # its own would bring penalties and lengths that nobody asked for: TGI has none of them either
    model.generation_config = GenerationConfig(pad_token_id=pad)
    longest = getattr(text, "max_position_embeddings", None) or LONGEST
    return Loaded(model, tokenizer, processor, vocabulary, pad, longest)


@contextmanager
def told(folder: Path) -> Iterator[None]:
    """Whatever transformers says of a folder that it cannot read, as one line."""
    try:
        yield
    except LOADING as error:
        words = f"the model in {folder} cannot be loaded: {one_line(error)}; is it complete, and known to transformers?"
        raise UnloadableError(words) from error


def _processor(folder: Path, config: Any, tokenizer: Any) -> Any:
    """What makes a picture into tensors, with Pillow: torchvision's pixels are not quite the same, nor always there."""
    if config.model_type != "smolvlm":
        return AutoProcessor.from_pretrained(folder, backend="pil")
    # SmolVLM's own insists on a video processor, which needs torchvision, and on num2words. For pictures it does what
    # Idefics3's does: the same marks around them, the same number of tokens for each, which follows from the config.
    vision = config.vision_config
    length = (vision.image_size // vision.patch_size) ** 2 // config.scale_factor**2
    return Idefics3Processor(AutoImageProcessor.from_pretrained(folder, backend="pil"), tokenizer, length)


def _ends(model: Any, tokenizer: Any, folder: Path) -> list[int]:
    """The tokens that end an answer, the tokenizer's own first: with chat models it is the end of a turn."""
    given = model.generation_config.eos_token_id
    ends = [] if given is None else [given] if isinstance(given, int) else list(given)
    own = tokenizer.eos_token_id
    if own is not None and (own in ends or not ends):
        ends = [own, *(end for end in ends if end != own)]
    if not ends:
        raise UnloadableError(
            f"{folder}: neither generation_config.json nor the tokenizer has a token that ends an answer"
        )
    return ends
