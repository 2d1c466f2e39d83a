"""Texts as vectors: how near they are in meaning, by a small sentence model on a CPU."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoModel, AutoTokenizer

from stages.core.models.hub import UnloadableError, commit, found, line

MOST_TOKENS = 256
BATCH = 32


class Sentences:
    """A sentence model: the mean of the last layer over the words, of length 1 (Reimers and Gurevych 2019).

    Raises UnloadableError, where the Hub is out of reach UnreachableError.
    """

    def __init__(self, model: str, revision: str | None) -> None:
        folder = found(model, revision, "embedding.model=", instead="say embedding.fallback=untrained")
        try:
            self.tokenizer = AutoTokenizer.from_pretrained(folder)
            self.model = AutoModel.from_pretrained(folder).eval()
        except (OSError, ValueError) as error:
            raise UnloadableError(f"embedding.model={model} cannot be loaded from {folder}: {line(error)}") from error
        self.revision = commit(folder)

    def vectors(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """One row a text, [texts, size], of length 1."""
        found = [self._batch(texts[at : at + BATCH]) for at in range(0, len(texts), BATCH)]
        return np.concatenate(found)

    def _batch(self, texts: Sequence[str]) -> NDArray[np.float32]:
        words = self.tokenizer(
            list(texts),
            padding=True,
            truncation=True,
            max_length=MOST_TOKENS,
            return_tensors="pt",
            return_token_type_ids=False,
        )
        with torch.inference_mode():
            hidden = self.model(**words).last_hidden_state
            there = words["attention_mask"].unsqueeze(-1)
            mean = (hidden * there).sum(1) / there.sum(1).clamp(min=1)
            return np.asarray(torch.nn.functional.normalize(mean, dim=1), dtype=np.float32)
