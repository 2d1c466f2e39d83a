"""Embeddings of texts by the text tower of CLIP or SigLIP, to be compared with those of frames by the vision tower."""

import json
import re
import string
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from transformers import AutoConfig, CLIPTextModelWithProjection, SiglipTextModel

from stages.core.frames.settings import Model
from stages.core.models.batches import Batches
from stages.core.models.device import Device, find_device
from stages.core.models.hub import UnloadableError, find_model, one_line
from stages.core.models.weights import load_module, name_model

KINDS: dict[str, Any] = {"clip": CLIPTextModelWithProjection, "siglip": SiglipTextModel}
SENTENCES = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])|\n+")
PUNCTUATION = str.maketrans("", "", string.punctuation)
SMALLER = "less batch"


class Piece(NamedTuple):
    """Sentences that follow each other, as many as the tower reads at once."""

    text: str
    tokens: int  # the marks at its ends included


class TextEncoder:
    """The text tower of a model; a text that is longer than it reads is embedded in pieces.

    Raises UnloadableError; `model` is what the option `key` named it.
    """

    def __init__(self, folder: Path, model: str, key: str, device: Device) -> None:
        try:
            config = AutoConfig.from_pretrained(folder)
            self.kind = str(config.model_type)
            if self.kind not in KINDS:
                raise ValueError(f"it is a {self.kind}, not one of {', '.join(KINDS)}")
            tower = config.text_config
            if self.kind == "clip":  # its text part may have another size there, which is not that of the weights
                tower.projection_dim = config.projection_dim
            module = load_module(KINDS[self.kind], folder, device.dtype, config=tower)
            self.tokens = Tokens(folder, self.kind, int(tower.max_position_embeddings))
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise UnloadableError(f"{key}.model={model} cannot be loaded from {folder}: {one_line(error)}") from error
        self.name = name_model(model, folder)
        self.module, self.device = module.eval().requires_grad_(False).to(device.place, device.dtype), device

    def embed(self, texts: Sequence[str], batch: int) -> list[tuple[NDArray[np.float32], int]]:
        """Of each text a unit vector, and of how many pieces it is the mean, each weighted by its tokens."""
        pieces = [self.tokens.split(text) for text in texts]
        found = Batches(batch, SMALLER).run(self, [piece.text for own in pieces for piece in own])
        vectors = np.concatenate([part.values for part in found])
        ends = np.cumsum([0, *map(len, pieces)])
        means = [
            np.average(vectors[at:end], axis=0, weights=[piece.tokens for piece in own])
            for own, (at, end) in zip(pieces, pairwise(ends), strict=True)
        ]
        return [
            ((mean / np.linalg.norm(mean)).astype(np.float32), len(own))
            for mean, own in zip(means, pieces, strict=True)
        ]

    def load(self, batch: Sequence[str]) -> torch.Tensor:
        return self.device.copy(torch.tensor(self.tokens.encode(batch)))

    def run(self, loaded: torch.Tensor) -> NDArray[np.float32]:
        """Unit vectors, float32 [texts, size]."""
        self.device.wait(loaded)
        with torch.inference_mode():
            given = self.module(input_ids=loaded)  # without a mask: SigLIP was trained so, and CLIP looks back only
            vectors = given.text_embeds if self.kind == "clip" else given.pooler_output
            found: NDArray[np.float32] = torch.nn.functional.normalize(vectors.float(), dim=1).cpu().numpy()
            return found


@cache
def load_encoder(model: Model, dtype: str, cores: int, gpus: int) -> TextEncoder:
    """The encoder of this process. Raises UnloadableError, InputError."""
    torch.set_num_threads(cores)
    folder = find_model(model.model, model.revision, "embed.model=")
    return TextEncoder(folder, model.model, "embed", find_device(dtype, gpus=gpus))


class Tokens:
    """The tokens of texts as the tower reads them: `most` of them, filled up at the end.

    They are made by the model's tokenizer.json: transformers' own class for SigLIP needs another package. Raises
    OSError, KeyError, ValueError.
    """

    def __init__(self, folder: Path, kind: str, most: int) -> None:
        if not (folder / "tokenizer.json").is_file():
            raise ValueError("it has no tokenizer.json")
        self.tokenizer, self.most = Tokenizer.from_file(str(folder / "tokenizer.json")), most
        self.tokenizer.no_padding()
        self.tokenizer.no_truncation()
        config = json.loads((folder / "tokenizer_config.json").read_bytes())
        self.end = self._mark(config["eos_token"])
        self.fill = self._mark(config.get("pad_token") or config["eos_token"])
        self.lower = kind == "siglip"  # it was trained on texts in lower case, the first SigLIP without punctuation
        self.plain = str(config.get("tokenizer_class")).startswith("SiglipTokenizer")

    def _mark(self, token: str | dict[str, str]) -> int:
        name = token if isinstance(token, str) else token["content"]
        number = self.tokenizer.token_to_id(name)
        if number is None:
            raise ValueError(f"its tokenizer.json has no token {name!r}")
        return int(number)

    def split(self, text: str) -> list[Piece]:
        """The text in pieces of whole sentences, each as long as the tower reads; a longer sentence is divided."""
        found: list[Piece] = []
        for sentence in filter(str.strip, SENTENCES.split(text)):
            for part in self._divide(sentence.strip()):
                joined = f"{found[-1].text} {part.text}" if found else ""
                if joined and (count := self.count(joined)) <= self.most:
                    found[-1] = Piece(joined, count)
                else:
                    found.append(part)
        return found or [Piece(text, self.count(text))]

    def _divide(self, text: str) -> Iterator[Piece]:
        """The text in halves between words, or where it has none between letters, until each is short enough."""
        count = self.count(text)
        if count <= self.most or len(text) < 2:
            yield Piece(text, count)
            return
        words = text.split()
        parts, mark = (words, " ") if len(words) > 1 else (list(text), "")
        middle = len(parts) // 2
        for half in (parts[:middle], parts[middle:]):
            yield from self._divide(mark.join(half))

    def count(self, text: str) -> int:
        return len(self._read([text])[0])

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """The tokens of each text, `most` of them."""
        return [
            [*own[: self.most - 1], self.end] if len(own) > self.most else own + [self.fill] * (self.most - len(own))
            for own in self._read(texts)
        ]

    def _read(self, texts: Sequence[str]) -> list[list[int]]:
        """The tokens of each text, with the mark at its end."""
        given = [text.lower() if self.lower else text for text in texts]
        if self.plain:
            given = [" ".join(text.translate(PUNCTUATION).split()) for text in given]
        found = [list(one.ids) for one in self.tokenizer.encode_batch(given)]
        return [own if own and own[-1] == self.end else [*own, self.end] for own in found]
