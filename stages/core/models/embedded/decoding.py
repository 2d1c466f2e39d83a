"""Decoding of the rows of a batch, each with its own grammar, sampling parameters and end.

`model.generate` runs greedily on scores in which `TokenSelector` has left one token per row. So greedy and sampled
rows, with and without a grammar, share a batch; a row is answered when it ends, not when the last of its batch does.
"""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import isnan
from typing import NamedTuple

import torch
from transformers import LogitsProcessor, StoppingCriteria

from stages.core.models.embedded.api import RequestError, Sampling, generation_failed
from stages.core.models.embedded.grammar import CompiledGrammar
from stages.core.models.embedded.vocabulary import Vocabulary

SEEDS = 1 << 32


class Answer(NamedTuple):
    """A generated answer. `logprobs`: of each token, after grammar and sampling parameters were applied."""

    text: str
    tokens: list[int]
    logprobs: list[float]
    finish: str  # length, eos_token or stop_sequence
    seed: int | None


@dataclass(eq=False)
class Job:
    """A prompt as tensors of one row, its parameters, and `deliver`, which is called with the answer or error."""

    inputs: dict[str, torch.Tensor]
    max_new_tokens: int
    sampling: Sampling | None
    stop: tuple[str, ...]
    grammar: CompiledGrammar | None
    deliver: Callable[[Answer | RequestError], object] = field(default=lambda answer: None)
    cancelled: bool = False  # its client has disconnected
    delivered: bool = False

    @property
    def length(self) -> int:
        return self.inputs["input_ids"].shape[1]

    def settle(self, answer: Answer | RequestError) -> None:
        self.delivered = True
        self.deliver(answer)


class Row:
    """The decoding state of a job."""

    def __init__(self, job: Job, vocabulary: Vocabulary, device: torch.device) -> None:
        self.job, self.vocabulary = job, vocabulary
        self.constraint = job.grammar.start() if job.grammar else None
        self.sampling, self.seed, self.generator = job.sampling, None, None
        self.plain = self.constraint is None and self.sampling is None
        if self.sampling:
            seed = self.sampling.seed
            self.seed = secrets.randbelow(SEEDS) if seed is None else seed
            self.generator = torch.Generator(device).manual_seed(self.seed)
        self.tokens: list[int] = []
        self.logprobs: list[float] = []
        self.text = bytearray()

    @property
    def ended(self) -> bool:
        return self.job.delivered or self.job.cancelled

    def apply_grammar(self, scores: torch.Tensor) -> None:
        """Masks scores [vocabulary] in place: -inf for tokens that the grammar does not allow."""
        if self.constraint is None:
            return
        try:
            allowed = torch.from_numpy(self.constraint.allowed()).to(scores.device)
        except ValueError as error:
            self.job.settle(generation_failed(str(error)))
            return
        kept = scores[allowed]
        scores.fill_(-torch.inf)
        scores[allowed] = kept

    def apply_sampling(self, scores: torch.Tensor) -> None:
        """Applies temperature, top_k and top_p to scores [vocabulary] in place."""
        if not self.sampling:
            return
        if self.sampling.temperature != 1:
            scores /= self.sampling.temperature
        if 0 < self.sampling.top_k < len(scores):
            scores[scores < scores.topk(self.sampling.top_k).values[-1]] = -torch.inf
        if self.sampling.top_p < 1:
            ordered, places = scores.sort(descending=True)
            chances = ordered.softmax(0)
            scores[places[chances.cumsum(0) - chances >= self.sampling.top_p]] = -torch.inf

    def append(self, token: int, logprob: float) -> None:
        """Appends a token, and delivers the answer if it was the last."""
        if isnan(logprob):
            self.job.settle(generation_failed("the model computed NaN"))
            return
        self.tokens.append(token)
        self.logprobs.append(logprob)
        if token in self.vocabulary.eos:
            return self.end("eos_token")
        written = self.vocabulary.token_bytes(token)
        self.text += written
        for stop in self.job.stop:
            sequence = stop.encode()
            if sequence in self.text[-len(sequence) - len(written) :]:
                return self.end("stop_sequence")
        if len(self.tokens) >= self.job.max_new_tokens:
            return self.end("length")
        if self.constraint is not None:
            self.constraint.advance(token)

    def end(self, finish: str) -> None:
        text = self.text.decode(errors="replace")
        self.job.settle(Answer(text, self.tokens, self.logprobs, finish, self.seed))


class TokenSelector(LogitsProcessor):
    """Selects a token per row and sets its score to +inf; scores are [rows, vocabulary]."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = rows

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        for number, row in enumerate(self.rows):
            if not row.plain and not row.ended:
                row.apply_grammar(scores[number])
                row.apply_sampling(scores[number])
        logprobs = scores.log_softmax(-1)
        chosen = logprobs.argmax(-1)
        for number, row in enumerate(self.rows):
            if row.generator is not None and not row.ended:
                # the maximum of p/q, with q drawn from Exp(1), is at each token with its probability p
                noise = torch.empty_like(logprobs[number]).exponential_(generator=row.generator)
                chosen[number] = (logprobs[number] - noise.log()).argmax()
        chosen_logprobs = logprobs.gather(1, chosen[:, None])[:, 0].tolist()
        for row, token, logprob in zip(self.rows, chosen.tolist(), chosen_logprobs, strict=True):
            if not row.ended:
                row.append(token, logprob)
        return scores.scatter_(1, chosen[:, None], torch.inf)  # type: ignore[return-value]


class EndOfRows(StoppingCriteria):
    """Tells `generate` which rows have ended: bool [rows]."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = rows

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor, **kwargs: object) -> torch.BoolTensor:
        return torch.tensor([row.ended for row in self.rows], device=input_ids.device)  # type: ignore[return-value]
