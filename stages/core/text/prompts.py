"""Prompts as Jinja2 templates: what a system says to a model, and what of a row it is asked about."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from jinja2 import Environment, StrictUndefined, Template, TemplateError

from slurm.errors import InputError

BETWEEN = "\n-----\n"  # the system's part and the user's
# Of English by most tokenizers, and of other scripts within a half: these have fewer characters a token, but of more
# bytes. (The tokenizer itself is not asked: a server that speaks OpenAI's dialect has it, and this machine need not.)
BYTES_PER_TOKEN = 4


class Prompts:
    """A template file: what a model is told, the same for many rows, and what it is asked of each."""

    def __init__(self, path: Path) -> None:
        try:
            text = path.read_text()
        except OSError as error:
            raise InputError(f"template={path} cannot be read: {error.strerror} (seen from {Path.cwd()})") from error
        if text.count(BETWEEN) != 1:
            raise InputError(f"template={path} has no line of five dashes between what is told and what is asked")
        self.path = path
        self.hash = hashlib.sha256(text.encode()).hexdigest()[:16]
        environment = Environment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False)
        try:
            self._told, self._asked = (environment.from_string(part) for part in text.split(BETWEEN))
        except TemplateError as error:
            raise InputError(f"template={path}: {error}") from error

    def told(self, values: Mapping[str, object]) -> str:
        """The system's message. Raises InputError for a name that the values lack."""
        return self._rendered(self._told, values)

    def asked(self, values: Mapping[str, object]) -> str:
        """The user's message. Raises InputError for a name that the values lack."""
        return self._rendered(self._asked, values)

    def _rendered(self, template: Template, values: Mapping[str, object]) -> str:
        try:
            return template.render(values).strip()
        except TemplateError as error:
            raise InputError(f"template={self.path}: {error}; there are: {', '.join(sorted(values))}") from error


def cut_words(text: str | None, tokens: int) -> str:
    """The text's beginning of about so many tokens, on one line, cut between two words where it has any."""
    plain = " ".join((text or "").split())
    most = tokens * BYTES_PER_TOKEN
    if len(plain.encode()) <= most:
        return plain
    cut = plain.encode()[: most + 1].decode(errors="ignore")
    words = cut.rpartition(" ")[0]
    return words if 2 * len(words) > len(cut) else cut.encode()[:most].decode(errors="ignore")
