"""Texts made of texts: a question per row about the text in one of its columns, and the row of its answer."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from slurm.errors import InputError, ItemError
from slurm.pool.wire import Prompt, Reply
from slurm.task.attempt import Output
from stages.core.runner.work import Rows
from stages.core.schema.types import Row
from stages.core.text.ask import ask
from stages.core.text.caption.facts import describe_facts
from stages.core.text.caption.making import made_by
from stages.core.text.client import Question
from stages.core.text.prompts import Prompts

NAMES = ("text", "words", "facts")  # in prompts


class Rewording(NamedTuple):
    """What is made of which column, and how; the facts are those of `describe_facts`."""

    column: str
    prefix: str  # of the columns that tell how it was made
    template: str
    words: int
    max_tokens: int
    facts: Mapping[str, str]
    facts_tokens: int


def reword(rows: Rows, how: Rewording, read: Callable[[Reply], Row]) -> Iterator[Output]:
    """Each row with the columns that `read` makes of its answer; a row without a text fails."""
    prompts, items = Prompts(Path(how.template)), {}
    for row in rows.table.to_dicts():
        if str(row[how.column] or "").strip():
            items[str(row[rows.keys[0]])] = row
        else:
            yield rows.failed(row, ItemError("no_words", f"{how.column} is empty"))
    questions = (Question(key, make_prompt(row, how, prompts), read) for key, row in items.items())
    for answer in ask(rows, questions):
        row = items[answer.key]
        if answer.error:
            yield rows.failed(row, answer.error)
            continue
        own: Row = {name: row[name] for name in rows.keys}
        made = made_by(how.prefix, [answer], prompts.hash)
        yield Output([answer.key], {"rows": [{**own, **answer.value, **made}]})


def make_prompt(row: Mapping[str, Any], how: Rewording, prompts: Prompts) -> Prompt:
    facts = describe_facts(dict(row), how.facts, how.facts_tokens)
    named = {name: facts.get(name, "") for name in how.facts}
    values = {**named, "text": str(row[how.column]).strip(), "words": how.words, "facts": facts}
    messages = [("system", prompts.system_message(values)), ("user", prompts.user_message(values))]
    return Prompt(messages, how.max_tokens)


def check_rewording(template: str, facts: Mapping[str, str]) -> None:
    """Raises InputError for a template that cannot be read, or names what is not there."""
    Prompts(Path(template)).check_names({*NAMES, *facts}, "a column gets a name there by facts={NAME: COLUMN}")


def check_text(column: str, types: Mapping[str, str]) -> None:
    """Raises InputError for a column that holds no texts; `types`: of each column the text of its polars type."""
    if types[column] != "String":
        raise InputError(f"column={column} holds {types[column]}, and no texts: name a column of texts")
