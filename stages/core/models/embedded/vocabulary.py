"""The bytes of each token of a model, and the tokens of a text."""

import codecs
from collections.abc import Iterator, Sequence
from typing import Any

import llguidance.hf

ANCHOR = "a\n"  # some tokenizers add a space before the first word of a text; after this anchor it is not the first


class Vocabulary:
    """The tokens of a fast tokenizer. `eos`: the tokens that end an answer; grammars end with the first of them."""

    def __init__(self, tokenizer: Any, eos: Sequence[int], size: int) -> None:
        self.tokenizer, self.eos = tokenizer, list(eos)
        # only the first: with several, the probability of an answer would be split among them
        self.guidance_tokenizer = llguidance.hf.from_tokenizer(
            tokenizer, n_vocab=max(size, len(tokenizer)), eos_token=self.eos[0]
        )
        self.special = {*tokenizer.all_special_ids, *self.eos}
        is_special = [
            number in self.special or self.guidance_tokenizer.is_special_token(number)
            for number in range(len(tokenizer))
        ]
        self._bytes = [
            b"" if special else self.guidance_tokenizer.decode_bytes([n]) for n, special in enumerate(is_special)
        ]
        self._tokens: dict[bytes, int] = {}
        for number, written in enumerate(self._bytes):
            self._tokens.setdefault(written, number)
        self._longest = max(map(len, self._bytes))
        self.most_characters = max(map(len, tokenizer.get_vocab()))  # of a token, special ones included

    def token_bytes(self, token: int) -> bytes:
        """The bytes of a token, maybe an incomplete character; empty for a special token."""
        return self._bytes[token] if token < len(self._bytes) else b""

    def token_texts(self, tokens: Sequence[int]) -> Iterator[str]:
        """The text that each token adds; a character made of several tokens is added by the last of them."""
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        for place, token in enumerate(tokens, 1):
            if token in self.special:
                yield str(self.tokenizer.convert_ids_to_tokens(token))
            else:
                yield decoder.decode(self.token_bytes(token), final=place == len(tokens))

    def encode_text(self, text: str, *, special: bool) -> list[int]:
        """The tokens of a text; with `special`, including those that the tokenizer adds around it."""
        tokens: list[int] = self.tokenizer.backend_tokenizer.encode(text, add_special_tokens=special).ids
        return tokens

    def spell(self, text: str) -> list[int]:
        """The tokens of exactly this text inside another, as the model's tokenizer would choose them.

        If the tokenizer alters the text (adds a space, drops unknown characters), greedily the longest tokens that fit.
        Raises ValueError if no tokens spell the text.
        """
        target = text.encode()
        for anchor in ("", ANCHOR):
            before, tokens = self.encode_text(anchor, special=False), self.encode_text(anchor + text, special=False)
            rest = tokens[len(before) :]
            if tokens[: len(before)] == before and b"".join(map(self.token_bytes, rest)) == target:
                return rest
        return list(self._longest_first(target))

    def _longest_first(self, target: bytes) -> Iterator[int]:
        start = 0
        while start < len(target):
            ends = range(min(len(target), start + self._longest), start, -1)
            end = next((end for end in ends if target[start:end] in self._tokens), None)
            if end is None:
                raise ValueError(f"no token of this model writes {target[start : start + 4]!r}")
            yield self._tokens[target[start:end]]
            start = end
