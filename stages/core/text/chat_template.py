"""Formats chat messages with a model's own chat template."""

from collections.abc import Sequence
from typing import Any

from slurm.errors import InputError
from stages.core.models.hub import TOKENIZER_FILES, find_model, one_line


class ChatTemplate:
    """The chat template of a model and revision: called with (role, text) pairs it returns the prompt text.

    `thinking`: whether a model whose template knows of that thinks first; None: as its template says.

    Raises InputError if the tokenizer cannot be loaded or has no chat template.
    """

    def __init__(self, model: str, revision: str | None) -> None:
        from transformers import AutoTokenizer  # slow import (a second)

        folder = find_model(model, revision, "pool.model=", files=TOKENIZER_FILES, instead="say engine.route=chat")
        try:
            self.tokenizer = AutoTokenizer.from_pretrained(folder)
        except (OSError, ValueError) as error:
            raise InputError(f"the tokenizer of pool.model={model} cannot be loaded: {one_line(error)}") from error
        if not self.tokenizer.chat_template:
            raise InputError(f"pool.model={model} has no chat template: choose an instruction-tuned model")

    def __call__(self, messages: Sequence[tuple[str, str]], thinking: bool | None = None) -> str:
        chat = [{"role": role, "content": text} for role, text in messages]
        more: dict[str, Any] = (
            {} if thinking is None else {"enable_thinking": thinking}
        )  # Qwen3's name for it, and its followers'
        return str(self.tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True, **more))
