"""What each token of a model writes, as bytes, and how a text is spelled in tokens."""

import codecs
from collections.abc import Iterator, Sequence
from typing import Any

import llguidance.hf

ANCHOR = "a\n"  # some tokenizers put a space before the first word of a text: behind this it is not the first


class Vocabulary:
    """The tokens of a fast tokenizer. `eos`: those that end an answer, first the one that grammars end with."""

    def __init__(self, tokenizer: Any, eos: Sequence[int], size: int) -> None:
        self.tokenizer, self.eos = tokenizer, list(eos)
        # the first alone: were there a choice of ends, the probability of an answer would be shared among them
        self.guide = llguidance.hf.from_tokenizer(tokenizer, n_vocab=max(size, len(tokenizer)), eos_token=self.eos[0])
        self.special = {*tokenizer.all_special_ids, *self.eos}
        silent = [number in self.special or self.guide.is_special_token(number) for number in range(len(tokenizer))]
        self._bytes = [b"" if quiet else self.guide.decode_bytes([n]) for n, quiet in enumerate(silent)]
        self._tokens: dict[bytes, int] = {}
        for number, written in enumerate(self._bytes):
            self._tokens.setdefault(written, number)
        self._longest = max(map(len, self._bytes))

    def written(self, token: int) -> bytes:
        """Its bytes, which need not be whole characters; none for a special token."""
        return self._bytes[token] if token < len(self._bytes) else b""

    def pieces(self, tokens: Sequence[int]) -> Iterator[str]:
        """What each token adds to the text; a character that several tokens make comes with the last of them."""
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        for place, token in enumerate(tokens, 1):
            if token in self.special:
                yield str(self.tokenizer.convert_ids_to_tokens(token))
            else:
                yield decoder.decode(self.written(token), final=place == len(tokens))

    def encoded(self, text: str, *, special: bool) -> list[int]:
        """The tokens of a text; `special`: with those that the tokenizer puts around it."""
        tokens: list[int] = self.tokenizer.backend_tokenizer.encode(text, add_special_tokens=special).ids
        return tokens

    def spelled(self, text: str) -> list[int]:
        """The tokens that write exactly this text in the midst of another, as the model itself would choose them.

        Where its tokenizer will not say (it adds a space, or drops what it does not know), the longest ones that fit.
        Raises ValueError where no tokens write it.
        """
        wanted = text.encode()
        for anchor in ("", ANCHOR):
            before, tokens = self.encoded(anchor, special=False), self.encoded(anchor + text, special=False)
            rest = tokens[len(before) :]
            if tokens[: len(before)] == before and b"".join(map(self.written, rest)) == wanted:
                return rest
        return list(self._longest_first(wanted))

    def _longest_first(self, wanted: bytes) -> Iterator[int]:
        start = 0
        while start < len(wanted):
            ends = range(min(len(wanted), start + self._longest), start, -1)
            end = next((end for end in ends if wanted[start:end] in self._tokens), None)
            if end is None:
                raise ValueError(f"no token of this model writes {wanted[start : start + 4]!r}")
            yield self._tokens[wanted[start:end]]
            start = end
