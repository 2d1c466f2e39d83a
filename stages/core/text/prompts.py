"""Prompts from Jinja2 templates: a system message, and a user message per row."""

import hashlib
from collections.abc import Collection, Mapping
from pathlib import Path

from jinja2 import Environment, StrictUndefined, Template, TemplateError, meta

from slurm.errors import InputError

SEPARATOR = "\n-----\n"  # between the system message and the user message
# For English with most tokenizers, and within a half for other scripts: these have fewer characters per token,
# but of more bytes each. (The tokenizer itself is not used: a server with OpenAI's API has it, this machine may not.)
BYTES_PER_TOKEN = 4
# what the words of a template raise: 1 / 0, range(10**9) | list, …
BROKEN = (TemplateError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError, OverflowError)


class Prompts:
    """A template file: a system message, the same for many rows, and a user message for each. Raises InputError."""

    def __init__(self, path: Path) -> None:
        try:
            text = path.read_text()
        except OSError as error:
            raise InputError(f"template={path} cannot be read: {error.strerror} (seen from {Path.cwd()})") from error
        if text.count(SEPARATOR) != 1:
            raise InputError(
                f"template={path} must have one line of five dashes, between the system message and the user message"
            )
        self.path = path
        self.hash = hashlib.sha256(text.encode()).hexdigest()[:16]
        environment = Environment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False)
        try:
            self._system, self._user = (environment.from_string(part) for part in text.split(SEPARATOR))
            self.names = meta.find_undeclared_variables(environment.parse(text))
        except TemplateError as error:
            raise InputError(f"template={path}: {error}") from error

    def check_names(self, names: Collection[str], mend: str = "") -> None:
        """Raises InputError if the template names what is none of `names`, in any branch; `mend` says what helps."""
        if unknown := sorted(self.names.difference(names)):
            what = f"template={self.path} names {unknown[0]!r}, which is not there"
            raise InputError("; ".join(filter(None, [what, f"there are: {', '.join(sorted(names))}", mend])))

    def system_message(self, values: Mapping[str, object]) -> str:
        """The system message. Raises InputError for a template variable that is not in `values`."""
        return self._render(self._system, values)

    def user_message(self, values: Mapping[str, object]) -> str:
        """The user message. Raises InputError for a template variable that is not in `values`."""
        return self._render(self._user, values)

    def _render(self, template: Template, values: Mapping[str, object]) -> str:
        try:
            return template.render(values).strip()
        except BROKEN as error:
            raise InputError(f"template={self.path}: {error}; available: {', '.join(sorted(values))}") from error


def truncate_words(text: str | None, tokens: int) -> str:
    """The start of the text, about `tokens` tokens long, on one line, cut between words if the script has spaces."""
    plain = " ".join((text or "").split())
    max_bytes = tokens * BYTES_PER_TOKEN
    if len(plain.encode()) <= max_bytes:
        return plain
    cut = plain.encode()[: max_bytes + 1].decode(errors="ignore")
    words = cut.rpartition(" ")[0]
    return words if 2 * len(words) > len(cut) else cut.encode()[:max_bytes].decode(errors="ignore")
