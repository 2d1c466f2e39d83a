"""The form of a caption: the texts that are asked for in one request, and whether defects and kind are, too."""

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import yaml
from pydantic import BaseModel, StrictBool, StringConstraints, create_model

from slurm.errors import InputError
from slurm.pool.wire import Reply
from stages.core.schema.text import DEFECTS
from stages.core.schema.types import Row
from stages.core.text.verdict import RejectedError, check_text, read_model, whole

SOME_TEXT = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
MORE_WORDS = 2  # times as many as the prompt asks for: models count badly, and a good text is worth a longer one


class Judged(NamedTuple):
    """How a text is judged: its language (ISO 639; None: any), and how refusals begin."""

    language: str | None
    refusals: Sequence[str]

    def check(self, text: str, words: int) -> None:
        """Raises RejectedError for a text that is none, or far longer than `words`."""
        check_text(text, self.language, self.refusals)
        if (count := len(text.split())) > MORE_WORDS * words:
            raise RejectedError("schema", f"it has {count} words, and at most {words} were asked for")


class Form:
    """`details`: each text and its most words; `defects`: columns and their questions; `kinds`: names and meanings.

    A single text is asked for as it is, more or other things as one JSON object.
    """

    def __init__(
        self, details: Mapping[str, int], defects: Mapping[str, str], kinds: Mapping[str, str], judged: Judged
    ) -> None:
        self.details, self.defects, self.kinds, self.judged = details, defects, kinds, judged
        self.json = len(details) > 1 or bool(defects or kinds)

    @cached_property
    def model(self) -> type[BaseModel]:
        """The JSON object, as a model that reads it."""
        texts: dict[str, Any] = dict.fromkeys(self.details, (SOME_TEXT, ...))
        flags: dict[str, Any] = dict.fromkeys(self.defects, (StrictBool, ...))
        kinds: dict[str, Any] = {"kind": (Literal[tuple(self.kinds)], ...)} if self.kinds else {}
        return create_model("Said", **texts, **flags, **kinds)

    @cached_property
    def schema(self) -> dict[str, Any] | None:
        """The JSON schema by which servers bind the answer; None: plain text.

        Without bounds of lengths: of these TGI makes an automaton with a state for each character.
        """
        if not self.json:
            return None
        properties: dict[str, Any] = {
            **{name: {"type": "string"} for name in self.details},
            **{name: {"type": "boolean"} for name in self.defects},
            **({"kind": {"type": "string", "enum": list(self.kinds)}} if self.kinds else {}),
        }
        return {
            "type": "object",
            "properties": properties,
            "required": list(properties),
            "additionalProperties": False,
        }

    def read(self, reply: Reply) -> Row:
        """The columns of SAID that an answer gives. Raises RejectedError."""
        said = read_model(reply, self.model).model_dump() if self.json else {next(iter(self.details)): whole(reply)}
        for name, words in self.details.items():
            self.judged.check(said[name], words)
        return {f"caption_{name}" if name in self.details else name: value for name, value in said.items()}

    def join(self, parts: Sequence[Row]) -> Row:
        """The columns of a clip, from those of its parts in order."""
        texts = {name: number_parts([str(part[f"caption_{name}"]) for part in parts]) for name in self.details}
        kinds = Counter(part["kind"] for part in parts if "kind" in part)
        return {
            "raw_caption": texts.get("detailed") or next(iter(texts.values())),
            "caption_parts": len(parts),
            **{f"caption_{name}": text for name, text in texts.items()},
            **{name: any(part[name] for part in parts) for name in self.defects},
            **({"kind": kinds.most_common(1)[0][0]} if kinds else {}),
        }


def number_parts(texts: Sequence[str]) -> str:
    """The texts of a clip's parts as LVD-2M writes them; of one part its text alone."""
    if len(texts) == 1:
        return texts[0]
    return " ".join(f"Caption {number}: {' '.join(text.split())}" for number, text in enumerate(texts, 1))


def read_defects(path: Path) -> dict[str, str]:
    """The question of each defect. Raises InputError unless they are those that have a column."""
    found = read_lines(path, "defects")
    if set(found) != set(DEFECTS):
        odd = sorted(set(found) ^ set(DEFECTS))[0]
        raise InputError(f"defects={path}: {odd!r} is missing, or has no column; there are: {', '.join(DEFECTS)}")
    return {name: found[name] for name in DEFECTS}


def read_lines(path: Path, key: str) -> dict[str, str]:
    """A YAML file of names and what they mean. Raises InputError."""
    try:
        found = yaml.safe_load(path.read_text())
    except OSError as error:
        raise InputError(f"{key}={path} cannot be read: {error.strerror} (seen from {Path.cwd()})") from error
    except yaml.YAMLError as error:
        raise InputError(f"{key}={path}: {' '.join(str(error).split())}") from error
    if (
        not isinstance(found, dict)
        or not found
        or not all(isinstance(one, str) for pair in found.items() for one in pair)
    ):
        raise InputError(f"{key}={path}: it must have lines NAME: what that means, in words")
    return found
