"""What a row may say next, token by token: one of a list (a trie of tokens), or what llguidance makes of a grammar.

A list is a regex of literals only, "(a|b|…)", as re.escape writes them, or a schema of one property with an enum. Its
trie is made in milliseconds and knows one spelling of each label, the model's own: the probabilities of the tokens of
an answer multiply to that of its label.
"""

import json
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
from llguidance import LLMatcher
from numpy.typing import NDArray

from stages.core.models.embedded.api import Grammar, invalid
from stages.core.models.embedded.vocabulary import Vocabulary

CACHED = 32
# else a model may fill its answer with white space; these are the separators of json.dumps
ON_ONE_LINE: Any = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
IN_VALUES, IN_LISTS = {"properties", "$defs", "definitions"}, {"anyOf", "oneOf", "prefixItems"}
LITERALS = re.compile(r"(?:[^\\.^$*+?{}\[\]|()]|\\[^A-Za-z0-9])*")


class Constraint(Protocol):
    """Where one row stands in its grammar."""

    def allowed(self) -> NDArray[np.int64]:
        """The tokens that may come next, never none. Raises ValueError where the grammar cannot be followed on."""

    def advance(self, token: int) -> None: ...


class Compiled(Protocol):
    def begin(self) -> Constraint: ...


class Grammars:
    """The grammars of a model, the last ones compiled kept. Unusable ones are refused."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self.compiled = lru_cache(CACHED)(self._compiled)

    def _compiled(self, grammar: Grammar) -> Compiled:
        choices = listed(grammar)
        return Guided(self.vocabulary, grammar) if choices is None else Choices(self.vocabulary, choices)


def listed(grammar: Grammar) -> list[str] | None:
    """The texts that a grammar has, if it is a mere list of them."""
    return _enumerated(json.loads(grammar.text)) if grammar.kind == "schema" else _alternatives(grammar.text)


def _alternatives(regex: str) -> list[str] | None:
    inner = regex
    for head in ("(?:", "("):
        if regex.startswith(head) and regex.endswith(")"):
            inner = regex[len(head) : -1]
            break
    found, start = [], 0
    while match := LITERALS.match(inner, start):
        found.append(re.sub(r"\\(.)", r"\1", match.group(), flags=re.DOTALL))
        start = match.end() + 1
        if match.end() == len(inner):
            return found
        if inner[match.end()] != "|":
            break
    return None


def _enumerated(schema: dict[str, object]) -> list[str] | None:
    """Its answers as `{"name": "value"}`, if they are so many and no more."""
    properties = schema["properties"]
    if schema.keys() - {"type", "properties", "required", "additionalProperties", "title", "description", "$schema"}:
        return None
    if not isinstance(properties, dict) or len(properties) != 1 or schema.get("type", "object") != "object":
        return None
    ((name, value),) = properties.items()
    if schema.get("required") != [name] or not isinstance(value, dict):
        return None
    options, kind = value.get("enum"), value.get("type", "string")
    if value.keys() - {"enum", "type", "title", "description"} or not isinstance(options, list) or kind != "string":
        return None
    if not options or not all(isinstance(option, str) for option in options):
        return None
    return [json.dumps({name: option}, ensure_ascii=False) for option in options]


class Node:
    """A place in the trie: the tokens that go on from it, the end among them where a label ends here."""

    def __init__(self) -> None:
        self.children: dict[int, Node] = {}
        self.allowed = np.empty(0, np.int64)

    def close(self) -> None:
        self.allowed = np.fromiter(self.children, np.int64)
        for child in self.children.values():
            child.close()


class Choices:
    def __init__(self, vocabulary: Vocabulary, choices: Sequence[str]) -> None:
        self.root = Node()
        for choice in choices:
            try:
                tokens = vocabulary.spelled(choice)
            except ValueError as error:
                raise invalid(f"grammar: {choice!r} cannot be written: {error}") from error
            node = self.root
            for token in (*tokens, vocabulary.eos[0]):
                node = node.children.setdefault(token, Node())
        self.root.close()

    def begin(self) -> Constraint:
        return Walk(self.root)


class Walk:
    def __init__(self, node: Node) -> None:
        self.node = node

    def allowed(self) -> NDArray[np.int64]:
        return self.node.allowed

    def advance(self, token: int) -> None:
        self.node = self.node.children[token]


def closed(schema: Any) -> Any:
    """A schema without properties that it does not name, unless it says that it takes them: as TGI reads it."""
    if not isinstance(schema, dict):
        return schema
    found = dict(schema)
    for key in IN_VALUES & found.keys():
        if isinstance(found[key], dict):
            found[key] = {name: closed(value) for name, value in found[key].items()}
    for key in IN_LISTS & found.keys():
        if isinstance(found[key], list):
            found[key] = [closed(value) for value in found[key]]
    if "items" in found:
        found["items"] = closed(found["items"])
    return {"additionalProperties": False, **found} if "properties" in found else found


class Guided:
    def __init__(self, vocabulary: Vocabulary, grammar: Grammar) -> None:
        try:
            if grammar.kind == "regex":
                form = LLMatcher.grammar_from_regex(grammar.text)
            else:
                form = LLMatcher.grammar_from_json_schema(closed(json.loads(grammar.text)), overrides=ON_ONE_LINE)
            self.matcher = LLMatcher(vocabulary.guide, form, log_level=0)
        except ValueError as error:
            raise invalid(f"grammar: {error}") from error
        if self.matcher.is_error():
            raise invalid(f"grammar: {self.matcher.get_error()}")

    def begin(self) -> Constraint:
        return Match(self.matcher.deep_copy())


class Match:
    def __init__(self, matcher: LLMatcher) -> None:
        self.matcher = matcher

    def allowed(self) -> NDArray[np.int64]:
        bits = np.frombuffer(self.matcher.compute_bitmask(), np.uint8)
        allowed = np.flatnonzero(np.unpackbits(bits, bitorder="little"))
        if self.matcher.is_error() or not len(allowed):
            raise ValueError(f"the grammar cannot be followed on: {self.matcher.get_error() or 'no token fits'}")
        return allowed

    def advance(self, token: int) -> None:
        self.matcher.consume_token(token)
