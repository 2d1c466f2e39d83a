"""What a person sees: tables and lines, and the progress of a task or a local run.

Progress is a bar in a terminal, one log line a minute elsewhere.
"""

import logging
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from slurm.credentials import redact

if TYPE_CHECKING:
    from rich.console import RenderableType

LINE_EVERY_S = 60.0

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")  # not tab and newline

log = logging.getLogger("reelmill")

Report = Callable[[int, int, int], None]  # rows finished, rows failed of these, rows in all (0: not known)


@contextmanager
def progress(label: str) -> Iterator[Report]:
    """A function that shows how far the rows are."""
    if not sys.stdout.isatty():
        yield _lines(label)
        return
    from rich import progress as bars  # here, since it takes 40 ms, and the tasks of a cluster write to a log

    columns = [
        bars.TextColumn("{task.description}", style="bold", markup=False),
        bars.BarColumn(),
        bars.MofNCompleteColumn(),
    ]
    columns += [bars.TextColumn("{task.fields[failed]}"), bars.TimeElapsedColumn(), bars.TimeRemainingColumn()]
    with bars.Progress(*columns) as bar:
        row = bar.add_task(label, total=None, failed="")

        def show(rows: int, failed: int, total: int) -> None:
            bar.update(row, completed=rows, total=total or None, failed=f"{failed} failed" if failed else "")

        yield show


def show(what: "RenderableType") -> None:
    """Prints a table or a line, 160 columns wide where there is no terminal."""
    from rich.console import Console  # here, as above

    Console(soft_wrap=True, width=None if sys.stdout.isatty() else 160).print(what, highlight=False)


def visible(text: str) -> str:
    """The text without credentials, and with control characters written out (\\x1b)."""
    return CONTROL.sub(lambda found: ascii(found[0])[1:-1], redact(text))


def literal(text: str) -> str:
    """The text as rich shows it unchanged: without markup, too."""
    from rich.markup import escape  # here, as above

    return escape(visible(text))


class _Redacted(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


def log_to(stream: TextIO, form: str = "%(asctime)s %(message)s", *, force: bool = False) -> None:
    """Has this process log there, where others may read it: without credentials. `force`: there and nowhere else."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_Redacted(form))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=force)
    logging.getLogger("httpx2").setLevel(logging.WARNING)  # huggingface_hub's: it says every request


def _lines(label: str) -> Report:
    start = last = time.monotonic()
    first: int | None = None

    def show(rows: int, failed: int, total: int) -> None:
        nonlocal last, first
        now = time.monotonic()
        first = rows if first is None else first
        if now - last > LINE_EVERY_S:
            last = now
            rate = (rows - first) / (now - start)
            left = f"{(total - rows) / rate:.0f} s left" if rate else "no row finished yet"
            log.info("%s: %d/%d rows, %d failed, %.2f/s, %s", label, rows, total, failed, rate, left)

    return show
