"""What a benchmark measured, a line each, and how: in fresh processes, whose time, CPU and memory are taken."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from statistics import median
from typing import NamedTuple

from rich.box import SIMPLE_HEAD
from rich.table import Table

ROOT = Path(__file__).parents[2]
LIMIT_S = 900  # of one process
TIMED_OUT = 124  # exit status of timeout(1)


class Line(NamedTuple):
    """A figure beside its bar; `against` is the bar of its ratio to another commit's figure, where there is one."""

    what: str
    measured: float | str
    unit: str = ""
    bar: float | str | None = None  # at most, or `at_least`; a text is to be met as it stands
    how: str = ""  # parts of it, or why it was not measured
    at_least: bool = False
    against: float | None = None

    def cells(self) -> tuple[str, str, str, str, str, str]:
        """What, figure, unit, bar, verdict, how."""
        if self.bar is None or (isinstance(self.measured, str) and not isinstance(self.bar, str)):
            return self.what, shown(self.measured), self.unit, "", "", self.how
        if isinstance(self.bar, str) or isinstance(self.measured, str):
            return (
                self.what,
                shown(self.measured),
                self.unit,
                str(self.bar),
                verdict(self.measured == self.bar),
                self.how,
            )
        good = self.measured >= self.bar if self.at_least else self.measured <= self.bar
        bar = f"{'>=' if self.at_least else '<='} {self.bar:.3g}"
        return self.what, shown(self.measured), self.unit, bar, verdict(good), self.how


def verdict(good: bool) -> str:
    return "[green]ok[/]" if good else "[red]short[/]"


def shown(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:,.2f}" if abs(value) >= 10 else f"{value:,.3f}"


def shared(folder: Path) -> Path:
    """The folder of what is made once, for all benchmarks and trees, by the folder of one of them."""
    return folder.parents[1] / "shared"


def empty_table(title: str, *columns: str) -> Table:
    """A table whose figures stand right."""
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
    for column in columns:
        table.add_column(column, justify="left" if column in ("what", "unit", "", "of it") else "right")
    return table


class Ran(NamedTuple):
    wall_s: float
    cpu_s: float  # user and system, of the process and of all that it waited for
    peak_gib: float  # of the process or of the largest that it waited for
    output: str
    errors: str


def ran(*words: str | Path, env: Mapping[str, str] | None = None, statuses: Collection[int] = (0,)) -> Ran:
    """A command in a new process, from the repository's root; `-m` stands for `python -m`.

    Raises CalledProcessError if it ends with another status or takes more than LIMIT_S. This process must stay small:
    Linux counts what it holds as its children's peak.
    """
    command = [*((sys.executable,) if str(words[0]).startswith("-") else ()), *map(str, words)]
    before = time.perf_counter()
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
        child = subprocess.Popen(
            ["timeout", str(LIMIT_S), *command], cwd=ROOT, env={**os.environ, **(env or {})}, stdout=out, stderr=errors
        )
        _, status, usage = os.wait4(child.pid, 0)
        wall_s = time.perf_counter() - before
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        errors.seek(0)
        run = Ran(wall_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 2**20, out.read(), errors.read())
    if child.returncode not in statuses:
        error = subprocess.CalledProcessError(child.returncode, command, run.output, run.errors)
        error.add_note(run.errors[-2000:])
        raise error
    return run


def costs(
    what: str, runs: list[Ran], bar_s: float | None = None, bar_gib: float | None = None, against: float | None = None
) -> list[Line]:
    """The medians of wall clock and CPU of a command that was run several times, and its largest memory.

    `against` is the bar of the CPU's ratio, since of a busy machine the clock tells little.
    """
    wall, cpu, peak = ([getattr(run, name) for run in runs] for name in ("wall_s", "cpu_s", "peak_gib"))
    return [
        Line(what, median(wall), "s", bar_s, "wall clock: " + each(wall)),
        Line(f"… CPU of {what}", median(cpu), "s", None, each(cpu), against=against),
        Line(f"… memory of {what}", max(peak), "GiB", bar_gib),
    ]


def each(values: list[float]) -> str:
    return ", ".join(f"{value:.2f}" for value in values)
