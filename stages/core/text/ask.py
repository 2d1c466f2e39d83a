"""Questions about the rows of a chunk, put to its pool: the pattern of every stage that writes words.

Such a stage is a prompt (`prompts.py`), the form of an answer and a verdict (`verdict.py`): it makes a `Question` of
each row, and a row of each `Answer`. What was not accepted is asked again with the reason, and counted.
"""

from collections.abc import Iterable, Iterator

from stages.core.runner.work import Rows
from stages.core.text.client import Answer, Question, ask_all


def ask(rows: Rows, questions: Iterable[Question], prefix: str = "", *, slow: bool = False) -> Iterator[Answer]:
    """The answers as they arrive, each with the key of its question; `prefix` begins the names of their counters.

    `slow`: making a question takes long (pictures), so a thread does it.
    """

    def note(**figures: float) -> None:
        rows.note(**{prefix + name: figure for name, figure in figures.items()})

    stops = {"stopping": lambda: rows.stopping, "leaving": lambda: rows.leaving}
    yield from ask_all(questions, rows.pool, **stops, note=note, slow=slow)
