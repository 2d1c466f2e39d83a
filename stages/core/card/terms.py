"""What a person has to say before a dataset is published (its biases), and the terms under which it is used.

Terms are Markdown with a head as cards have it: of that `extra_gated_*` has the Hub ask whoever wants the dataset.
Those of a dataset that ours was made from are carried along: conf/card/source_<name>.md, with the words of its own
card where that lies beside its files.
"""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from slurm.errors import InputError
from slurm.record.manifest import Step

FORM = "biases.md"
GATED = "extra_gated_"


class Terms(NamedTuple):
    """`gate` is what the Hub shows and asks (extra_gated_prompt, …), `text` what the card says."""

    name: str
    gate: dict[str, Any]
    text: str


def check_biases(path: str, draft: bool) -> str:
    """The section on biases. Raises InputError if nobody has written it and the card is no draft."""
    text = read_text(path, "card.biases")
    if is_filled(text):
        return re.sub(r"<!--.*?-->\n?", "", text, flags=re.DOTALL).strip()
    if not draft:
        raise InputError(
            f"card.biases={path} is not filled in: say whom and what the dataset shows and leaves out, by a copy of "
            f"that file (card.biases=FILE), or card.draft=true for a card that says that nobody has looked yet"
        )
    return "This is a draft: nobody has looked yet whom and what the dataset shows too often, too seldom or wrongly."


def is_filled(text: str) -> bool:
    """Whether there is more than headings and what stands in comments."""
    said = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    return bool(re.sub(r"^\s*#.*$", "", said, flags=re.MULTILINE).strip())


def read_text(path: str, key: str) -> str:
    try:
        return Path(path).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        raise InputError(f"{key}={path} cannot be read: {error} (seen from {Path.cwd()})") from error


def read_terms(path: Path, key: str) -> Terms:
    """Raises InputError for a head that is no YAML."""
    text = read_text(str(path), key)
    head = re.match(r"---\n(.*?)\n---\n", text, flags=re.DOTALL)
    try:
        values = yaml.safe_load(head[1]) if head else {}
    except yaml.YAMLError as error:
        raise InputError(f"{path}: its head is no YAML: {error}") from error
    gate = {name: value for name, value in (values or {}).items() if name.startswith(GATED)}
    return Terms(path.stem.removeprefix("source_"), gate, text[head.end() if head else 0 :].strip())


def sources_of(before: Iterable[Step], named: Iterable[str]) -> dict[str, str | None]:
    """The datasets that rows are from, by the sources' names, each with the path or address that it was read from."""
    found: dict[str, str | None] = dict.fromkeys(sorted(set(named)))
    for step in before:
        source, place = step.plan.config.get("source"), step.plan.config.get("input")
        if isinstance(source, dict) and isinstance(place, dict) and source.get("name"):
            found[str(source["name"])] = place.get("path")
    return found


def terms_of_sources(sources: dict[str, str | None], folder: Path) -> list[Terms]:
    """The terms that come with the datasets that rows are from."""
    found = []
    for name, place in sources.items():
        file = folder / f"source_{name}.md"
        if not re.fullmatch(r"\w+", name) or not file.exists():
            continue
        terms = read_terms(file, "card.folder")
        own = read_terms(card, name) if (card := card_beside(place)) else None
        found.append(terms._replace(gate=merge_gates([terms.gate, own.gate])) if own and own.gate else terms)
    return found


def card_beside(place: str | None) -> Path | None:
    """The card of a dataset of which there is a local copy."""
    if place is None or "://" in place:
        return None
    path = Path(place).expanduser()
    return next((card for folder in (path, path.parent) if (card := folder / "README.md").is_file()), None)


def merge_gates(gates: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What is asked by any of them; of two texts both, of two buttons or headings the last one."""
    merged: dict[str, Any] = {}
    for gate in gates:
        for name, value in gate.items():
            before = merged.get(name)
            if isinstance(before, dict) and isinstance(value, dict):
                merged[name] = {**before, **value}
            elif name == f"{GATED}prompt" and before:
                merged[name] = before if value in before else f"{before.rstrip()}\n\n{value}"
            else:
                merged[name] = value
    return merged
