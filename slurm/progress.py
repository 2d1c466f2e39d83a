"""Progress of a task or a local run: a bar in a terminal, one log line a minute elsewhere."""

import logging
import sys
import time
from typing import Protocol

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

LINE_EVERY_S = 60.0

log = logging.getLogger("reelmill")


class Report(Protocol):
    def __call__(self, rows: int, failed: int, *, over: bool = False) -> None: ...


def progress(label: str, total: int, before: int = 0) -> Report:
    """A function that shows how many of `total` rows are finished and how many of these failed."""
    if sys.stdout.isatty():
        return _bar(label, total, before)
    start = last = time.monotonic()

    def line(rows: int, failed: int, *, over: bool = False) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last > LINE_EVERY_S and not over:
            last = now
            rate = rows / (now - start)
            left_s = (total - before - rows) / rate if rate else float("inf")
            log.info("%s: %d/%d, %d failed, %.2f/s, %.0f s left", label, before + rows, total, failed, rate, left_s)

    return line


def _bar(label: str, total: int, before: int) -> Report:
    columns = (
        "[bold]{task.description}",
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[failed]} failed"),
    )
    bar = Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn())
    row = bar.add_task(label, total=total, completed=before, failed=0)
    bar.start()

    def show(rows: int, failed: int, *, over: bool = False) -> None:
        bar.update(row, completed=before + rows, failed=failed)
        if over:
            bar.stop()

    return show
