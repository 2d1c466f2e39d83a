"""Loads a model with its tokenizer and image processor from a folder."""

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
    ProcessorMixin,
    Qwen2VLImageProcessorPil,
)

from stages.core.models.embedded import qwen
from stages.core.models.embedded.vocabulary import Vocabulary
from stages.core.models.hub import UnloadableError, one_line
from stages.core.models.weights import load_module

TINY = 20_000_000  # parameters; for smaller models one thread is faster: 24 ms per batch, 69 with two
MAX_TOKENS = 8192  # prompt and answer, if the model's config gives no limit; longer only with --max-total-tokens
LOADING = (OSError, ValueError, TypeError, LookupError, AttributeError, ImportError, RuntimeError, SafetensorError)


@dataclass(frozen=True)
class LoadedModel:
    model: Any
    tokenizer: Any
    processor: Any | None  # of a model that accepts images
    vocabulary: Vocabulary
    pad: int
    longest: int  # tokens, prompt and answer together


def load(folder: Path) -> LoadedModel:
    """The model in evaluation mode, on the GPU if there is one. Raises UnloadableError."""
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    with translate_loading_errors(folder):
        config = AutoConfig.from_pretrained(folder)
        sees = type(config) in transformers.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING and hasattr(config, "vision_config")
        auto = AutoModelForImageTextToText if sees else AutoModelForCausalLM
        cuda = torch.cuda.is_available()
        # on a CPU half precision is slower, and a row's answer would depend on the other rows of its batch
        model = load_module(auto, folder, "auto" if cuda else torch.float32).eval()
        model = model.to("cuda" if cuda else "cpu")
        tokenizer = AutoTokenizer.from_pretrained(folder)
        processor = _processor(folder, config, tokenizer) if sees else None
        text = config.get_text_config()
        vocabulary = Vocabulary(tokenizer, _eos_tokens(model, tokenizer, folder), text.vocab_size)
    if sum(weights.numel() for weights in model.parameters()) < TINY:
        torch.set_num_threads(1)
    pad = vocabulary.eos[0] if tokenizer.pad_token_id is None else tokenizer.pad_token_id
    # the model's own config may set penalties and lengths that were not requested; TGI ignores them too
    model.generation_config = GenerationConfig(pad_token_id=pad)
    longest = getattr(text, "max_position_embeddings", None) or MAX_TOKENS
    return LoadedModel(model, tokenizer, processor, vocabulary, pad, longest)


@contextmanager
def translate_loading_errors(folder: Path) -> Iterator[None]:
    """Turns the many exceptions of transformers for a bad folder into an UnloadableError of one line."""
    try:
        yield
    except LOADING as error:
        words = f"the model in {folder} cannot be loaded: {one_line(error)}; is it complete, and known to transformers?"
        raise UnloadableError(words) from error


def _processor(folder: Path, config: Any, tokenizer: Any) -> Any:
    """The image processor, based on Pillow: torchvision may be missing, and gives slightly different pixels."""
    if config.model_type in qwen.KINDS:
        # its chat template may be in a file that the tokenizer does not read
        template = ProcessorMixin.get_processor_dict(folder)[0].get("chat_template")
        pictures = Qwen2VLImageProcessorPil.from_pretrained(folder)
        return qwen.QwenProcessor(pictures, tokenizer, config, template)
    if config.model_type != "smolvlm":
        return AutoProcessor.from_pretrained(folder, backend="pil")
    # SmolVLM's own requires a video processor, which needs torchvision, and num2words. For images it does the same as
    # that of Idefics3: the same markers around them, and the same number of tokens each, which follows from the config.
    vision = config.vision_config
    length = (vision.image_size // vision.patch_size) ** 2 // config.scale_factor**2
    return Idefics3Processor(AutoImageProcessor.from_pretrained(folder, backend="pil"), tokenizer, length)


def _eos_tokens(model: Any, tokenizer: Any, folder: Path) -> list[int]:
    """The tokens that end an answer, the tokenizer's own first: for chat models that is the end of a turn."""
    configured = model.generation_config.eos_token_id
    ends = [] if configured is None else [configured] if isinstance(configured, int) else list(configured)
    preferred = tokenizer.eos_token_id
    if preferred is not None and (preferred in ends or not ends):
        ends = [preferred, *(end for end in ends if end != preferred)]
    if not ends:
        raise UnloadableError(
            f"{folder}: neither generation_config.json nor the tokenizer has a token that ends an answer"
        )
    return ends
