"""How the rows of a batch take their tokens: a grammar, a temperature and an end for each, whatever its mates do.

`model.generate` is told to be greedy, and `Chooser` decides: it leaves one token a row. So greedy and sampled rows,
with and without a grammar, share a batch; a row is answered when it ends, not when the last of its batch does.
"""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import isnan
from typing import NamedTuple

import torch
from transformers import LogitsProcessor, StoppingCriteria

from stages.core.models.embedded.api import RefusedError, Sampling, failed
from stages.core.models.embedded.grammar import Compiled
from stages.core.models.embedded.vocabulary import Vocabulary

SEEDS = 1 << 32


class Answer(NamedTuple):
    """What was generated. `logprobs`: of each token as it was drawn, that is within its grammar and temperature."""

    text: str
    tokens: list[int]
    logprobs: list[float]
    finish: str  # length, eos_token or stop_sequence
    seed: int | None


@dataclass(eq=False)
class Job:
    """A prompt as tensors of one row, what is wanted of it, and who waits for it."""

    inputs: dict[str, torch.Tensor]
    max_new_tokens: int
    sampling: Sampling | None
    stop: tuple[str, ...]
    grammar: Compiled | None
    deliver: Callable[[Answer | RefusedError], object] = field(default=lambda answer: None)
    gone: bool = False  # nobody waits for it any more
    delivered: bool = False

    @property
    def length(self) -> int:
        return self.inputs["input_ids"].shape[1]

    def settle(self, answer: Answer | RefusedError) -> None:
        self.delivered = True
        self.deliver(answer)


class Row:
    """A job as it is answered."""

    def __init__(self, job: Job, vocabulary: Vocabulary, device: torch.device) -> None:
        self.job, self.vocabulary = job, vocabulary
        self.constraint = job.grammar.begin() if job.grammar else None
        self.sampling, self.seed, self.generator = job.sampling, None, None
        self.plain = self.constraint is None and self.sampling is None
        if self.sampling:
            given = self.sampling.seed
            self.seed = secrets.randbelow(SEEDS) if given is None else given
            self.generator = torch.Generator(device).manual_seed(self.seed)
        self.tokens: list[int] = []
        self.logprobs: list[float] = []
        self.text = bytearray()

    @property
    def ended(self) -> bool:
        return self.job.delivered or self.job.gone

    def allow(self, scores: torch.Tensor) -> None:
        """Leaves of one row of scores only what the grammar allows."""
        if self.constraint is None:
            return
        try:
            allowed = torch.from_numpy(self.constraint.allowed()).to(scores.device)
        except ValueError as error:
            self.job.settle(failed(str(error)))
            return
        kept = scores[allowed]
        scores.fill_(-torch.inf)
        scores[allowed] = kept

    def warp(self, scores: torch.Tensor) -> None:
        """Temperature, top_k and top_p on one row of scores."""
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

    def take(self, token: int, logprob: float) -> None:
        """Writes a token down, and delivers the answer if it was the last."""
        if isnan(logprob):
            self.job.settle(failed("the model gave no numbers"))
            return
        self.tokens.append(token)
        self.logprobs.append(logprob)
        if token in self.vocabulary.eos:
            return self.end("eos_token")
        written = self.vocabulary.written(token)
        self.text += written
        for stop in self.job.stop:
            sought = stop.encode()
            if sought in self.text[-len(sought) - len(written) :]:
                return self.end("stop_sequence")
        if len(self.tokens) >= self.job.max_new_tokens:
            return self.end("length")
        if self.constraint is not None:
            self.constraint.advance(token)

    def end(self, finish: str) -> None:
        text = self.text.decode(errors="replace")
        self.job.settle(Answer(text, self.tokens, self.logprobs, finish, self.seed))


class Chooser(LogitsProcessor):
    """Scores in which one token a row is the highest: the one that its row has taken."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = rows

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        for number, row in enumerate(self.rows):
            if not row.plain and not row.ended:
                row.allow(scores[number])
                row.warp(scores[number])
        logprobs = scores.log_softmax(-1)
        chosen = logprobs.argmax(-1)
        for number, row in enumerate(self.rows):
            if row.generator is not None and not row.ended:
                # the largest p/q, with q drawn from Exp(1), falls on each token with its probability p
                noise = torch.empty_like(logprobs[number]).exponential_(generator=row.generator)
                chosen[number] = (logprobs[number] - noise.log()).argmax()
        taken = logprobs.gather(1, chosen[:, None])[:, 0].tolist()
        for row, token, logprob in zip(self.rows, chosen.tolist(), taken, strict=True):
            if not row.ended:
                row.take(token, logprob)
        return scores.scatter_(1, chosen[:, None], torch.inf)  # type: ignore[return-value]


class Ends(StoppingCriteria):
    """Which rows have ended."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = rows

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor, **kwargs: object) -> torch.BoolTensor:
        return torch.tensor([row.ended for row in self.rows], device=input_ids.device)  # type: ignore[return-value]
