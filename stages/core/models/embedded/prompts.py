"""Turns the prompt of a request into tensors of one row: chat template, tokenizer, image processor."""

import base64
import binascii
import io
import struct
from collections.abc import Sequence
from typing import Any

import torch
from jinja2 import TemplateError
from PIL import Image, UnidentifiedImageError

from stages.core.models.embedded.api import (
    DEFAULT_TOKENS,
    MARKED_PICTURE,
    GenerationRequest,
    Picture,
    RequestError,
    Turn,
    invalid,
)
from stages.core.models.embedded.decoding import Job
from stages.core.models.embedded.grammar import Grammars
from stages.core.models.embedded.loading import LoadedModel
from stages.core.models.embedded.qwen import QwenProcessor

FORMATS = ["JPEG", "PNG", "WEBP", "GIF", "BMP"]  # for others Pillow would run Ghostscript
MOST_PIXELS = 50_000_000  # of one picture: a small file may decompress to gigabytes
UNREADABLE = (OSError, UnidentifiedImageError, SyntaxError, ValueError, LookupError, struct.error, EOFError)


class Prompts:
    """Makes jobs of requests, with at most `max_input_tokens` in the prompt, `max_total_tokens` with the answer."""

    def __init__(self, loaded: LoadedModel, max_input_tokens: int, max_total_tokens: int) -> None:
        self.loaded, self.grammars = loaded, Grammars(loaded.vocabulary)
        self.max_input_tokens, self.max_total_tokens = max_input_tokens, max_total_tokens
        # the tokenizer's own template may be for text alone
        self.template = getattr(loaded.processor, "chat_template", None) or loaded.tokenizer.chat_template

    def make_job(self, request: GenerationRequest) -> Job:
        """The job for a request. Raises RequestError."""
        pictures = [open_picture(picture) for picture in request.pictures]
        if pictures and self.loaded.processor is None:
            raise invalid("this model accepts no pictures; serve one that does, such as SmolVLM or Qwen3-VL")
        prompt = request.prompt
        text = self.mark_pictures(prompt) if isinstance(prompt, str) else self.apply_template(prompt)
        if request.truncate is None:
            self.check_characters(text)
        else:  # more than may be left of it
            text = text[-(request.truncate + 1) * self.loaded.vocabulary.most_characters :]
        inputs = self.process_pictures(text, pictures) if pictures else self.tokenize(text, request)
        length = inputs["input_ids"].shape[1]
        grammar = self.grammars.compiled(request.grammar) if request.grammar else None
        return Job(inputs, self.token_budget(request, length), request.sampling, request.stop, grammar)

    def mark_pictures(self, prompt: str) -> str:
        """The prompt with the text for each picture that the model's processor expects."""
        mark = getattr(self.loaded.processor, "image_token", "")
        return MARKED_PICTURE.sub(lambda found: mark, prompt)

    def apply_template(self, turns: Sequence[Turn]) -> str:
        if self.template is None:
            words = "Template error: this model has no chat template; give its tokenizer one, or use /generate"
            raise RequestError(422, "template_error", words)
        parts = self.loaded.processor is not None  # templates of models with image input expect lists, others strings
        messages = [{"role": turn.role, "content": _parts(turn) if parts else _text(turn)} for turn in turns]
        options: dict[str, Any] = {"chat_template": self.template, "tokenize": False, "add_generation_prompt": True}
        try:
            return str(self.loaded.tokenizer.apply_chat_template(messages, **options))
        except (TemplateError, TypeError, ValueError, LookupError) as error:
            raise RequestError(422, "template_error", f"Template error: {error}") from error

    def tokenize(self, text: str, request: GenerationRequest) -> dict[str, torch.Tensor]:
        tokens = self.loaded.vocabulary.encode_text(text, special=isinstance(request.prompt, str))
        if request.truncate is not None:
            tokens = tokens[-request.truncate :]
        ids = torch.tensor([tokens], dtype=torch.long)
        return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}

    def process_pictures(self, text: str, pictures: Sequence[Image.Image]) -> dict[str, torch.Tensor]:
        processor = self.loaded.processor
        assert processor is not None
        bos = self.loaded.tokenizer.bos_token
        special = not (bos and text.startswith(bos))  # some templates add it, others leave it to the tokenizer
        try:
            if isinstance(processor, QwenProcessor):
                tokens = processor.expand(self.loaded.vocabulary.encode_text(text, special=special), pictures)
                self.check_length(tokens["input_ids"].shape[1])  # before the pixels, which may be gigabytes
                return tokens | processor.make_pixels(pictures)
            options = {"return_tensors": "pt", "add_special_tokens": special}
            return dict(processor(text=[text], images=[list(pictures)], **options))
        except (ValueError, TypeError, LookupError, RuntimeError) as error:
            raise invalid(f"image_url: the pictures do not fit the prompt: {error}") from error

    def token_budget(self, request: GenerationRequest, length: int) -> int:
        """The token budget of the answer. Raises RequestError."""
        self.check_length(length)
        room = self.max_total_tokens - length
        new_tokens = min(DEFAULT_TOKENS, room) if request.max_new_tokens is None else request.max_new_tokens
        if new_tokens > room:
            words = f"{length} tokens of prompt and {new_tokens} new ones are more than --max-total-tokens"
            raise invalid(f"{words} {self.max_total_tokens}")
        return new_tokens

    def check_characters(self, text: str) -> None:
        """Raises RequestError for a text that is too long whatever its tokens are: to count those takes gigabytes."""
        most = self.max_input_tokens * self.loaded.vocabulary.most_characters
        if len(text) > most:
            raise invalid(f"the prompt has {len(text)} characters: more than {self.max_input_tokens} tokens can have")

    def check_length(self, length: int) -> None:
        if length == 0:
            raise invalid("inputs: no tokens")
        if length > self.max_input_tokens:
            raise invalid(f"the prompt has {length} tokens, and --max-input-tokens is {self.max_input_tokens}")


def open_picture(picture: Picture) -> Image.Image:
    """The picture of a data URI, decoded to RGB. Raises RequestError."""
    head, comma, data = picture.uri.partition(",")
    if not comma or not head.endswith(";base64"):
        raise invalid("image_url: a data URI is data:image/…;base64,…")
    try:
        image = Image.open(io.BytesIO(base64.b64decode(data, validate=True)), formats=FORMATS)
        if image.width * image.height > MOST_PIXELS:
            raise invalid(f"image_url: {image.width} x {image.height} are more than {MOST_PIXELS} pixels")
        return image.convert("RGB")
    except binascii.Error as error:
        raise invalid(f"image_url: it is not base64: {error}") from error
    except (*UNREADABLE, Image.DecompressionBombError) as error:
        raise invalid(f"image_url: it cannot be read as a picture: {error}") from error


def _text(turn: Turn) -> str:
    return "".join(part for part in turn.content if isinstance(part, str))


def _parts(turn: Turn) -> list[dict[str, str]]:
    return [{"type": "text", "text": part} if isinstance(part, str) else {"type": "image"} for part in turn.content]
