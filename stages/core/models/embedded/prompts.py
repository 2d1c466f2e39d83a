"""A request's prompt as tensors of one row: template, tokens, pictures. What cannot be read is refused."""

import base64
import binascii
import io
import struct
from collections.abc import Sequence
from typing import Any

import torch
from jinja2 import TemplateError
from PIL import Image, UnidentifiedImageError

from stages.core.models.embedded.api import DEFAULT_TOKENS, Ask, Picture, RefusedError, Turn, invalid
from stages.core.models.embedded.decoding import Job
from stages.core.models.embedded.grammar import Grammars
from stages.core.models.embedded.loading import Loaded

FORMATS = ["JPEG", "PNG", "WEBP", "GIF", "BMP"]  # Pillow would run Ghostscript for others
MOST_PIXELS = 50_000_000  # of one picture: a small file may unpack to gigabytes
UNREADABLE = (OSError, UnidentifiedImageError, SyntaxError, ValueError, LookupError, struct.error, EOFError)


class Prompts:
    """`max_input_tokens` of a prompt, `max_total_tokens` with its answer: what is longer is refused."""

    def __init__(self, loaded: Loaded, max_input_tokens: int, max_total_tokens: int) -> None:
        self.loaded, self.grammars = loaded, Grammars(loaded.vocabulary)
        self.max_input_tokens, self.max_total_tokens = max_input_tokens, max_total_tokens
        self.template = loaded.tokenizer.chat_template or getattr(loaded.processor, "chat_template", None)

    def job(self, ask: Ask) -> Job:
        """Raises RefusedError."""
        pictures = [opened(picture) for picture in ask.pictures]
        if pictures and self.loaded.processor is None:
            raise invalid("messages: this model sees no pictures; serve one that does, such as SmolVLM")
        text = ask.prompt if isinstance(ask.prompt, str) else self.templated(ask.prompt)
        inputs = self.seen(text, pictures) if pictures else self.read(text, ask)
        length = inputs["input_ids"].shape[1]
        grammar = self.grammars.compiled(ask.grammar) if ask.grammar else None
        return Job(inputs, self.most(ask, length), ask.sampling, ask.stop, grammar)

    def templated(self, turns: Sequence[Turn]) -> str:
        if self.template is None:
            words = "Template error: this model has no chat template; give its tokenizer one, or use /generate"
            raise RefusedError(422, "template_error", words)
        parts = self.loaded.processor is not None  # templates of models that see want lists, the others strings
        messages = [{"role": turn.role, "content": _parts(turn) if parts else _text(turn)} for turn in turns]
        given: dict[str, Any] = {"chat_template": self.template, "tokenize": False, "add_generation_prompt": True}
        try:
            return str(self.loaded.tokenizer.apply_chat_template(messages, **given))
        except (TemplateError, TypeError, ValueError, LookupError) as error:
            raise RefusedError(422, "template_error", f"Template error: {error}") from error

    def read(self, text: str, ask: Ask) -> dict[str, torch.Tensor]:
        tokens = self.loaded.vocabulary.encoded(text, special=isinstance(ask.prompt, str))
        if ask.truncate is not None:
            tokens = tokens[-ask.truncate :]
        ids = torch.tensor([tokens], dtype=torch.long)
        return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}

    def seen(self, text: str, pictures: Sequence[Image.Image]) -> dict[str, torch.Tensor]:
        assert self.loaded.processor is not None
        bos = self.loaded.tokenizer.bos_token
        special = not (bos and text.startswith(bos))  # some templates bring it, some leave it to the tokenizer
        given = {"return_tensors": "pt", "add_special_tokens": special}
        try:
            made = self.loaded.processor(text=[text], images=[list(pictures)], **given)
        except (ValueError, TypeError, LookupError, RuntimeError) as error:
            raise invalid(f"image_url: the pictures do not fit the prompt: {error}") from error
        return dict(made)

    def most(self, ask: Ask, length: int) -> int:
        """How many tokens the answer may have."""
        if length == 0:
            raise invalid("inputs: there is no token in it")
        if length > self.max_input_tokens:
            raise invalid(f"the prompt has {length} tokens, and --max-input-tokens is {self.max_input_tokens}")
        room = self.max_total_tokens - length
        wanted = min(DEFAULT_TOKENS, room) if ask.max_new_tokens is None else ask.max_new_tokens
        if wanted > room:
            words = f"{length} tokens of prompt and {wanted} new ones are more than --max-total-tokens"
            raise invalid(f"{words} {self.max_total_tokens}")
        return wanted


def opened(picture: Picture) -> Image.Image:
    """The picture of a data URI, decoded, RGB. Raises RefusedError."""
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
