"""Progress of a task or a local run: a bar in a terminal, one log line a minute elsewhere."""

import logging
import sys
import time
from typing import Protocol

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

LINE_EVERY_S = 60.0

log = logging.getLogger("reelmill")


class Report(Protocol):
    """Shows how many of `total` rows are finished, and how many of these failed; `over` at the end."""

    def __call__(self, rows: int, failed: int, total: int, *, over: bool = False) -> None: ...


def progress(label: str) -> Report:
    return _bar(label) if sys.stdout.isatty() else _lines(label)


def _lines(label: str) -> Report:
    start = last = time.monotonic()
    first: int | None = None

    def show(rows: int, failed: int, total: int, *, over: bool = False) -> None:
        nonlocal last, first
        now = time.monotonic()
        first = rows if first is None else first
        if now - last > LINE_EVERY_S and not over:
            last = now
            rate = (rows - first) / (now - start)
            left = f"{(total - rows) / rate:.0f} s left" if rate else "no row finished yet"
            log.info("%s: %d/%d rows, %d failed, %.2f/s, %s", label, rows, total, failed, rate, left)

    return show


def _bar(label: str) -> Report:
    columns = ("[bold]{task.description}", BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[failed]}"))
    bar = Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn())
    row = bar.add_task(label, total=None, failed="")
    bar.start()

    def show(rows: int, failed: int, total: int, *, over: bool = False) -> None:
        bar.update(row, completed=rows, total=total or None, failed=f"{failed} failed" if failed else "")
        if over:
            bar.stop()

    return show
