"""What is known of an item already, as words for a prompt: columns of any type that steps before it give."""

from collections.abc import Iterator, Mapping
from math import isfinite
from typing import Any

from stages.core.schema.types import Row
from stages.core.text.prompts import truncate_words


def describe_facts(row: Row, facts: Mapping[str, str], tokens: int) -> dict[str, str]:
    """The words of each fact (name → column) that the row has, each about `tokens` tokens long at most."""
    said = {name: truncate_words(describe(row[column]), tokens) for name, column in facts.items()}
    return {name: words for name, words in said.items() if words}


def describe(value: Any) -> str:
    """A value in words: of numbers the mean and the largest, of texts each once, in order; nothing for null."""
    if not isinstance(value, list):
        return next(words_of(value), "")
    if numbers := [
        one for one in value if isinstance(one, int | float) and not isinstance(one, bool) and isfinite(one)
    ]:
        return f"{sum(numbers) / len(numbers):.3g} on average, {max(numbers):.3g} at most"
    return "; ".join(dict.fromkeys(words_of(value)))


def words_of(value: Any) -> Iterator[str]:
    """The texts in a value: of a list all that are in it, of a struct its `text` or `label`."""
    match value:
        case None:
            return
        case list():
            for one in value:
                yield from words_of(one)
        case dict():
            yield from words_of(value.get("text") or value.get("label"))
        case bool():
            yield "yes" if value else "no"
        case float():
            if isfinite(value):
                yield f"{value:.3g}"
        case _:
            if words := str(value).strip():
                yield words
