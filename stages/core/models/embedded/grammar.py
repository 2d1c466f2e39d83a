"""Grammar-constrained decoding: a trie of tokens for lists of choices, llguidance for all other grammars.

A list of choices is a regex of literals only, "(a|b|…)", as re.escape writes them, or a schema of one property with an
enum. Its trie is built in milliseconds and has one tokenization of each choice, the model's own, so the product of the
token probabilities of an answer is the probability of its choice.
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
MOST_CHOICES, MOST_CHARACTERS = 10_000, 500_000  # of a grammar: to compile a longer one takes many seconds
# otherwise a model may fill its answer with white space; these are the separators of json.dumps
ON_ONE_LINE: Any = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
IN_VALUES, IN_LISTS = {"properties", "$defs", "definitions"}, {"anyOf", "oneOf", "prefixItems"}
LITERALS = re.compile(r"(?:[^\\.^$*+?{}\[\]|()]|\\[^A-Za-z0-9])*")


class GrammarState(Protocol):
    """The state of one row in its grammar."""

    def allowed(self) -> NDArray[np.int64]:
        """The ids of the tokens that may come next, at least one. Raises ValueError if no token fits."""

    def advance(self, token: int) -> None: ...


class CompiledGrammar(Protocol):
    def start(self) -> GrammarState: ...


class Grammars:
    """Compiles grammars for a model, with a cache of the last CACHED. Raises RequestError for invalid ones."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self.compiled = lru_cache(CACHED)(self._compiled)

    def _compiled(self, grammar: Grammar) -> CompiledGrammar:
        if len(grammar.text) > MOST_CHARACTERS:
            raise invalid(f"grammar: it has {len(grammar.text)} characters, and may have {MOST_CHARACTERS}")
        choices = list_choices(grammar)
        if choices is not None and len(choices) > MOST_CHOICES:
            raise invalid(f"grammar: it has {len(choices)} choices, and may have {MOST_CHOICES}")
        return GuidanceGrammar(self.vocabulary, grammar) if choices is None else ChoiceGrammar(self.vocabulary, choices)


def list_choices(grammar: Grammar) -> list[str] | None:
    """The choices of a grammar that is a list of texts; None for any other."""
    return _enumerated(json.loads(grammar.text)) if grammar.kind == "schema" else _alternatives(grammar.text)


def _alternatives(regex: str) -> list[str] | None:
    inner = regex
    for head in ("(?:", "("):
        if regex.startswith(head) and regex.endswith(")"):
            inner = regex[len(head) : -1]
            break
    choices, start = [], 0
    while match := LITERALS.match(inner, start):
        choices.append(re.sub(r"\\(.)", r"\1", match.group(), flags=re.DOTALL))
        start = match.end() + 1
        if match.end() == len(inner):
            return choices
        if inner[match.end()] != "|":
            break
    return None


def _enumerated(schema: dict[str, object]) -> list[str] | None:
    """The possible answers as `{"name": "value"}`, if the schema is one property with an enum; else None."""
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


class TrieNode:
    """A node of the trie: the possible next tokens, including the end token where a choice ends."""

    def __init__(self) -> None:
        self.children: dict[int, TrieNode] = {}
        self.allowed = np.empty(0, np.int64)

    def freeze(self) -> None:
        self.allowed = np.fromiter(self.children, np.int64)
        for child in self.children.values():
            child.freeze()


class ChoiceGrammar:
    def __init__(self, vocabulary: Vocabulary, choices: Sequence[str]) -> None:
        self.root = TrieNode()
        for choice in choices:
            try:
                tokens = vocabulary.spell(choice)
            except ValueError as error:
                raise invalid(f"grammar: {choice!r} cannot be tokenized: {error}") from error
            node = self.root
            for token in (*tokens, vocabulary.eos[0]):
                node = node.children.setdefault(token, TrieNode())
        self.root.freeze()

    def start(self) -> GrammarState:
        return ChoiceState(self.root)


class ChoiceState:
    def __init__(self, node: TrieNode) -> None:
        self.node = node

    def allowed(self) -> NDArray[np.int64]:
        return self.node.allowed

    def advance(self, token: int) -> None:
        self.node = self.node.children[token]


def forbid_other_properties(schema: Any) -> Any:
    """The schema with additionalProperties false wherever it is not set, as TGI reads it."""
    if not isinstance(schema, dict):
        return schema
    strict = dict(schema)
    for key in IN_VALUES & strict.keys():
        if isinstance(strict[key], dict):
            strict[key] = {name: forbid_other_properties(value) for name, value in strict[key].items()}
    for key in IN_LISTS & strict.keys():
        if isinstance(strict[key], list):
            strict[key] = [forbid_other_properties(value) for value in strict[key]]
    if "items" in strict:
        strict["items"] = forbid_other_properties(strict["items"])
    return {"additionalProperties": False, **strict} if "properties" in strict else strict


class GuidanceGrammar:
    def __init__(self, vocabulary: Vocabulary, grammar: Grammar) -> None:
        try:
            if grammar.kind == "regex":
                form = LLMatcher.grammar_from_regex(grammar.text)
            else:
                form = LLMatcher.grammar_from_json_schema(
                    forbid_other_properties(json.loads(grammar.text)), overrides=ON_ONE_LINE
                )
            self.matcher = LLMatcher(vocabulary.guidance_tokenizer, form, log_level=0)
        except ValueError as error:
            raise invalid(f"grammar: {error}") from error
        if self.matcher.is_error():
            raise invalid(f"grammar: {self.matcher.get_error()}")

    def start(self) -> GrammarState:
        return GuidanceState(self.matcher.deep_copy())


class GuidanceState:
    def __init__(self, matcher: LLMatcher) -> None:
        self.matcher = matcher

    def allowed(self) -> NDArray[np.int64]:
        bits = np.frombuffer(self.matcher.compute_bitmask(), np.uint8)
        allowed = np.flatnonzero(np.unpackbits(bits, bitorder="little"))
        if self.matcher.is_error() or not len(allowed):
            raise ValueError(f"no token continues the grammar: {self.matcher.get_error() or 'no token fits'}")
        return allowed

    def advance(self, token: int) -> None:
        self.matcher.consume_token(token)
