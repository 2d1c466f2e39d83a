"""The words of a command line of `python -m slurm`: key=value, each of its key's type."""

from typing import Annotated, Any

import yaml
from pydantic import Field, TypeAdapter, ValidationError

from slurm.credentials import masked
from slurm.errors import InputError

Words = dict[str, Any]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
TYPES: Words = {
    "run": str,
    "runs": str,
    "step": str,
    "retry": str,
    "chunk": int,
    "id": str,
    "lines": Annotated[int, Field(ge=0)],
    "rows": Annotated[int, Field(ge=0)],
    "watch": Seconds,
    "every": Seconds,
    "force": bool,
    "table": str,
    "out": str,
    "kept": bool,
    "catalogue": bool,
}


def parse(arguments: list[str], known: list[str]) -> Words:
    """key=value words as a dict, values of their key's type; those of a group (`cluster.KEY=V`) in a dict."""
    words: Words = {}
    for argument in arguments:
        key, equals, text = argument.partition("=")
        head, _, rest = key.partition(".")
        of_group = (head in ("cluster", "budget") and head in known) or (head == "cluster" and rest == "trust")
        if not equals or (head not in {"run", "runs", *known} and not of_group) or bool(rest) != of_group:
            raise InputError(
                f"unknown argument {masked(argument)!r}; valid: {', '.join(f'{k}=' for k in ['run', 'runs', *known])}"
            )
        try:
            value = text if TYPES.get(key) is str else yaml.safe_load(text)
            if rest:
                words.setdefault(head, {})[rest] = value
            else:
                words[key] = TypeAdapter(TYPES[key]).validate_python(value)
        except (yaml.YAMLError, ValidationError):
            raise InputError(f"{masked(argument)!r}: {key} takes no such value") from None
    if "run" not in words:
        raise InputError("say which run: run=NAME")
    return words
