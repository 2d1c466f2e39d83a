"""The words KEY=VALUE of a command of scripts/."""

from collections.abc import Sequence

from slurm.errors import InputError


def read_words(words: Sequence[str], keys: Sequence[str], needed: Sequence[str]) -> dict[str, str]:
    """The values by their keys. Raises InputError for a word with none of these keys, and without a needed one."""
    if unknown := [word for word in words if word.partition("=")[0] not in keys or "=" not in word]:
        raise InputError(f"{unknown[0]}: no such key; there are: {', '.join(f'{key}=' for key in keys)}")
    said = dict(word.split("=", 1) for word in words)
    if missing := [name for name in needed if not said.get(name)]:
        raise InputError(f"say {missing[0]}=…")
    return said
