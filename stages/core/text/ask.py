"""Questions about the rows of a chunk, put to its pool: the pattern of every stage that writes words.

Such a stage is a prompt (`prompts.py`), the form of an answer and a verdict (`verdict.py`): it makes a `Question` of
each row, and a row of each `Answer`. What was not accepted is asked again with the reason, and counted.
"""

from collections.abc import Iterable, Iterator

from stages.core.runner.work import Rows
from stages.core.schema.types import INT, REAL, TEXT, Row, Schema
from stages.core.text.client import Answer, Question, ask_all

SOURCE: Schema = {  # by what and from what a text was made; after the name of the text
    "model": TEXT,
    "revision": TEXT,
    "prompt": TEXT,  # hash of the template
    "tokens_in": INT,  # of all tries
    "tokens_out": INT,
    "tries": INT,
    "latency_s": REAL,  # of the last try
    "replica": TEXT,  # Slurm job of the server
}


def ask(rows: Rows, questions: Iterable[Question], prefix: str = "") -> Iterator[Answer]:
    """The answers as they arrive, each with the key of its question; `prefix` begins the names of their counters."""

    def note(**figures: float) -> None:
        rows.note(**{prefix + name: figure for name, figure in figures.items()})

    yield from ask_all(questions, rows.pool, stopping=lambda: rows.stopping, leaving=lambda: rows.leaving, note=note)


def source_columns(name: str) -> Schema:
    """The columns of SOURCE for a text of this name: `caption_model`, …"""
    return {f"{name}_{column}": kind for column, kind in SOURCE.items()}


def source_of(name: str, answer: Answer, prompt: str) -> Row:
    """The values of these columns; `prompt` is the hash of the template."""
    values = {
        "model": answer.model,
        "revision": answer.revision,
        "prompt": prompt,
        "tokens_in": answer.tokens_in,
        "tokens_out": answer.tokens_out,
        "tries": answer.tries,
        "latency_s": answer.latency_s,
        "replica": answer.replica,
    }
    return {f"{name}_{column}": value for column, value in values.items()}
