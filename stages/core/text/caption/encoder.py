"""Counts the tokens of a text as a text encoder reads it (CLIP's, T5's), by that encoder's own tokenizer."""

from slurm.errors import InputError
from stages.core.models.hub import TOKENIZER_FILES, find_model, one_line


class TokenCounter:
    """Called with a text it returns the number of its tokens, the marks at its ends included.

    Raises InputError if the tokenizer cannot be loaded.
    """

    def __init__(self, model: str, revision: str | None) -> None:
        from transformers import AutoTokenizer  # slow import (a second)

        folder = find_model(model, revision, "encoder.model=", files=TOKENIZER_FILES)
        try:
            self.tokenizer = AutoTokenizer.from_pretrained(folder)
        except (OSError, ValueError) as error:
            raise InputError(f"the tokenizer of encoder.model={model} cannot be loaded: {one_line(error)}") from error

    def __call__(self, text: str) -> int:
        return len(self.tokenizer(text, verbose=False)["input_ids"])
