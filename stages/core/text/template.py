"""Messages as the text that a model was trained on."""

from collections.abc import Sequence

from slurm.errors import InputError
from stages.core.models.hub import WORDS, found, line


class Template:
    """The chat template and tokenizer of a model and revision. Raises InputError if they are not to be had."""

    def __init__(self, model: str, revision: str | None) -> None:
        from transformers import AutoTokenizer  # here, since it takes a second

        folder = found(model, revision, "pool.model=", files=WORDS, instead="say engine.route=chat")
        try:
            self.tokenizer = AutoTokenizer.from_pretrained(folder)
        except (OSError, ValueError) as error:
            raise InputError(f"the tokenizer of pool.model={model} cannot be loaded: {line(error)}") from error
        if not self.tokenizer.chat_template:
            raise InputError(f"pool.model={model} has no chat template: take a model that follows instructions")

    def __call__(self, messages: Sequence[tuple[str, str]]) -> str:
        chat = [{"role": role, "content": text} for role, text in messages]
        return str(self.tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True))
