"""Merges what is said of the parts of a clip into one consistent description, by a language model.

Reads `raw_caption` (or another column of text) and writes REFINED: without contradictions, and without talk of frames.

    python -m stages.refine run=NAME
    python -m stages.refine run=NAME engine=tgi cluster=slurm pool.gpus=1 pool.model=Qwen/Qwen2.5-7B-Instruct
"""

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from slurm.pool.config import Engine, Pool
from slurm.task.attempt import Output
from stages.core.command_line.start import main
from stages.core.runner.stage import Stage
from stages.core.runner.work import Rows
from stages.core.schema.text import REFINED
from stages.core.schema.types import Row
from stages.core.text.alarms.settings import Alarms
from stages.core.text.alarms.watch import watch

if TYPE_CHECKING:
    from slurm.pool.wire import Reply
    from stages.core.text.caption.form import Judged

Count = Annotated[int, Field(ge=1)]


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Config:
    """Values are in conf/stage/refine.yaml."""

    column: str  # the text that is refined
    words: Count  # of the result, at most
    facts: dict[str, str] | None  # what the prompt is told: name there → column
    facts_tokens: Count
    template: str
    refusals: str
    frame_talk: str  # a file of phrases that the result must not have
    language: str | None
    max_tokens: Count
    pool: Pool
    engine: Engine
    alarms: Alarms


def run(rows: Rows, config: Config) -> Iterator[Output]:
    from stages.core.text.caption.form import Judged
    from stages.core.text.caption.rewording import Rewording, reword
    from stages.core.text.verdict import read_phrases

    how = Rewording(
        config.column,
        "refine",
        config.template,
        config.words,
        config.max_tokens,
        config.facts or {},
        config.facts_tokens,
    )
    judged = Judged(config.language, read_phrases(Path(config.refusals)))
    talk = read_phrases(Path(config.frame_talk), "frame_talk")
    yield from reword(rows, how, partial(read_refined, judged=judged, words=config.words, talk=talk))


def read_refined(reply: "Reply", judged: "Judged", words: int, talk: list[str]) -> Row:
    """The description that is the answer. Raises RejectedError, also if it speaks of frames or parts."""
    from stages.core.text.verdict import RejectedError, whole

    text = " ".join(whole(reply).split())
    judged.check(text, words)
    if said := next((phrase for phrase in talk if phrase in text.casefold()), None):
        raise RejectedError("schema", f"it says {said!r}: tell what happens, not what pictures or captions show")
    return {"refined_caption": text}


def needs(config: Config) -> Mapping[str, str]:
    return {config.column: "column", **{column: f"facts.{name}" for name, column in (config.facts or {}).items()}}


def check(config: Config) -> None:
    """Raises InputError for what can be told before submission."""
    from stages.core.text.caption.rewording import check_rewording
    from stages.core.text.verdict import check_language, read_phrases

    check_rewording(config.template, config.facts or {})
    check_language(config.language)
    read_phrases(Path(config.refusals))
    read_phrases(Path(config.frame_talk), "frame_talk")


def fits(config: Config, types: Mapping[str, str]) -> None:
    from stages.core.text.caption.rewording import check_text

    check_text(config.column, types)


STAGE = Stage(
    name="refine",
    kind="map",
    config=Config,
    run=run,
    gives=REFINED,
    needs=needs,
    fits=fits,
    missing={"raw_caption": "let caption come before it, or name another text: column=NAME"},
    check=check,
    files=lambda config: (config.template, config.refusals, config.frame_talk),
    pool=lambda config: True,
    watch=watch,
)

if __name__ == "__main__":
    main(STAGE)
