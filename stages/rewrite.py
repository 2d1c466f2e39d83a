"""Turns descriptions of clips into concise prompts that fit a text encoder, by a language model.

Reads `refined_caption` (or another column of text) and writes REWRITTEN. Tokens are counted by the encoder's own
tokenizer; a prompt with more of them is asked for again, shorter, and what stays too long fails as `truncated`.

    python -m stages.rewrite run=NAME                        # CLIP, 77 tokens
    python -m stages.rewrite run=NAME encoder=t5             # T5, 226 tokens; encoder.max_tokens=512
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from slurm.pool.config import Engine, Pool
from slurm.task.attempt import Output
from stages.core.command_line.start import main
from stages.core.models.needed import Needed
from stages.core.runner.stage import Stage
from stages.core.runner.work import Rows
from stages.core.schema.text import REWRITTEN
from stages.core.schema.types import Row
from stages.core.text.alarms.settings import Alarms
from stages.core.text.alarms.watch import watch

if TYPE_CHECKING:
    from slurm.pool.wire import Reply
    from stages.core.text.caption.form import Judged

Count = Annotated[int, Field(ge=1)]
WORDS_PER_TOKEN = 0.7  # of English by CLIP's and T5's tokenizers; the prompt asks for so many words


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Encoder:
    """A text encoder: the model whose tokenizer counts, and the most tokens that it reads, its marks included."""

    model: str
    revision: str | None
    max_tokens: Count


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Config:
    """Values are in conf/stage/rewrite.yaml."""

    column: str  # the text that is rewritten
    encoder: Encoder
    facts: dict[str, str] | None  # what the prompt is told: name there → column
    facts_tokens: Count
    template: str
    refusals: str
    language: str | None
    max_tokens: Count  # of an answer, by the language model's own tokenizer
    pool: Pool
    engine: Engine
    alarms: Alarms


def run(rows: Rows, config: Config) -> Iterator[Output]:
    from stages.core.text.caption.encoder import TokenCounter
    from stages.core.text.caption.form import Judged
    from stages.core.text.caption.rewording import Rewording, reword
    from stages.core.text.verdict import read_phrases

    words = most_words(config)
    how = Rewording(
        config.column, "rewrite", config.template, words, config.max_tokens, config.facts or {}, config.facts_tokens
    )
    judged = Judged(config.language, read_phrases(Path(config.refusals)))
    count = TokenCounter(config.encoder.model, config.encoder.revision)
    most = config.encoder.max_tokens
    yield from reword(rows, how, partial(read_rewritten, judged=judged, words=words, count=count, most=most))


def read_rewritten(reply: "Reply", judged: "Judged", words: int, count: Callable[[str], int], most: int) -> Row:
    """The prompt that is the answer, and its tokens. Raises RejectedError, also if these are too many."""
    from stages.core.text.verdict import RejectedError, whole

    text = " ".join(whole(reply).split()).strip("\"'")
    judged.check(text, words)
    if (tokens := count(text)) > most:
        raise RejectedError("truncated", f"it has {tokens} tokens, the most (encoder.max_tokens) is {most}: be shorter")
    return {"rewritten_caption": text, "rewritten_tokens": tokens}


def most_words(config: Config) -> int:
    return max(1, int(config.encoder.max_tokens * WORDS_PER_TOKEN))


def models(config: Config) -> list[Needed]:
    encoder = config.encoder
    return [Needed("encoder.model=", encoder.model, encoder.revision, tokenizer=True)]


def needs(config: Config) -> Mapping[str, str]:
    return {config.column: "column", **{column: f"facts.{name}" for name, column in (config.facts or {}).items()}}


def check(config: Config) -> None:
    """Raises InputError for what can be told before submission."""
    from stages.core.text.caption.rewording import check_rewording
    from stages.core.text.verdict import check_language, read_phrases

    check_rewording(config.template, config.facts or {})
    check_language(config.language)
    read_phrases(Path(config.refusals))


def fits(config: Config, types: Mapping[str, str]) -> None:
    from stages.core.text.caption.rewording import check_text

    check_text(config.column, types)


STAGE = Stage(
    name="rewrite",
    kind="map",
    config=Config,
    run=run,
    gives=REWRITTEN,
    needs=needs,
    fits=fits,
    missing={"refined_caption": "let refine come before it, or name another text: column=raw_caption"},
    check=check,
    files=lambda config: (config.template, config.refusals),
    models=models,
    pool=lambda config: True,
    watch=watch,
)

if __name__ == "__main__":
    main(STAGE)
