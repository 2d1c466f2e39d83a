"""Sentence embeddings on a CPU."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoModel, AutoTokenizer

from stages.core.models.hub import UnloadableError, find_model, one_line
from stages.core.models.weights import name_model

MAX_TOKENS = 256
BATCH = 32


class SentenceModel:
    """A sentence model: mean pooling of the last layer over the tokens, normalized (Reimers and Gurevych 2019).

    Raises UnloadableError; UnreachableError if the Hub cannot be reached.
    """

    def __init__(self, model: str, revision: str | None) -> None:
        folder = find_model(model, revision, "embedding.model=", instead="say embedding.fallback=untrained")
        try:
            self.tokenizer = AutoTokenizer.from_pretrained(folder)
            self.model = AutoModel.from_pretrained(folder).eval()
        except (OSError, ValueError) as error:
            raise UnloadableError(
                f"embedding.model={model} cannot be loaded from {folder}: {one_line(error)}"
            ) from error
        self.name, _, self.revision = name_model(model, folder).rpartition("@")

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors [texts, size], float32; texts are truncated to MAX_TOKENS."""
        batches = [self._batch(texts[at : at + BATCH]) for at in range(0, len(texts), BATCH)]
        return np.concatenate(batches)

    def _batch(self, texts: Sequence[str]) -> NDArray[np.float32]:
        tokens = self.tokenizer(
            list(texts),
            padding=True,
            truncation=True,
            max_length=MAX_TOKENS,
            return_tensors="pt",
            return_token_type_ids=False,
        )
        with torch.inference_mode():
            hidden = self.model(**tokens).last_hidden_state
            mask = tokens["attention_mask"].unsqueeze(-1)
            mean = (hidden * mask).sum(1) / mask.sum(1).clamp(min=1)
            return np.asarray(torch.nn.functional.normalize(mean, dim=1), dtype=np.float32)
