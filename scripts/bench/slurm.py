"""Measures what Reelmill itself costs at size: planning, status, resume, submission, start-up, time an item.

Every number is that of fresh processes, whose memory is that of the largest of them; prints one table, each line
against its bar. These are measurements and no tests: on a busy machine they are larger, and the exit status is 0.

    python -m scripts.bench.slurm [plan|status|submit|startup|overhead|all]
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import NamedTuple

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[2]
TIMES = 3
LIMIT_S = 600  # of one process; on a busy disk a step of 100,000 chunks takes minutes to make
ROOM = 3_000  # of MaxJobCount (10,000 as shipped) the arrays that are submitted take 6,000
TIMED_OUT = 124  # exit status of timeout(1)
HEAVY = ("torch", "transformers", "av", "cv2", "decord", "scenedetect", "altair")


class Ran(NamedTuple):
    wall_s: float
    peak_gib: float  # of the process or of its largest child
    output: str
    errors: str


class Line(NamedTuple):
    what: str
    measured: float | str
    unit: str
    bar: float | str
    how: str = ""  # parts of it, or why it was not measured

    @property
    def verdict(self) -> str:
        if not self.bar or self.measured == "skipped":
            return ""
        good = self.measured == self.bar if isinstance(self.bar, str) else float(self.measured) < self.bar
        return "[green]ok[/]" if good else "[red]short[/]"


def ran(*words: str, **env: str) -> Ran:
    """`python words…` in a new process, from the repository's root; CalledProcessError if it fails or takes too long.

    This process must stay small: Linux counts what it holds as its children's peak.
    """
    before = time.perf_counter()
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
        child = subprocess.Popen(
            ["timeout", str(LIMIT_S), sys.executable, *words],
            cwd=ROOT,
            env={**os.environ, **env},
            stdout=out,
            stderr=errors,
        )
        _, status, usage = os.wait4(child.pid, 0)
        wall_s = time.perf_counter() - before
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        errors.seek(0)
        found = Ran(wall_s, usage.ru_maxrss / 2**20, out.read(), errors.read())
    if child.returncode:
        raise subprocess.CalledProcessError(child.returncode, words, found.output, found.errors)
    return found


def inside(function: str, folder: Path) -> tuple[Ran, dict[str, float]]:
    """A function of bench_runs.py in a new process, and the seconds that it measured."""
    run = ran("-m", "scripts.bench.runs", function, str(folder))
    seconds: dict[str, float] = json.loads(run.output.splitlines()[-1])
    return run, seconds


def parts(seconds: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.2f}" for name, value in seconds.items())


def plan(folder: Path) -> Iterator[Line]:
    runs = []
    for number in range(TIMES):
        inside("catalogue", folder / str(number))
        runs.append(inside("plan", folder / str(number)))
    wall_s = median(run.wall_s for run, _ in runs)
    yield Line("plan 1,000,000 items in 10,000 chunks", wall_s, "s", 10, parts(runs[-1][1]))
    yield Line("… its memory", max(run.peak_gib for run, _ in runs), "GiB", 2)


def status(folder: Path) -> Iterator[Line]:
    inside("step_of_many", folder)
    command = ("-m", "slurm", "status", "run=bench", f"runs={folder}")
    warm = [ran(*command) for _ in range(TIMES + 1)][1:]
    yield Line("status of 100,000 chunks, warm", median(run.wall_s for run in warm), "s", 2, "whole process")
    yield Line("… its memory", max(run.peak_gib for run in warm), "GiB", 1)
    yield Line("resume of 100,000 chunks, not submitted", resuming(folder), "s", 5)
    inside("behind", folder)
    yield Line("… with as many aligned behind it", resuming(folder), "s", 10)


def resuming(folder: Path) -> float | str:
    try:
        return median(inside("resuming", folder)[1]["resume"] for _ in range(TIMES))
    except subprocess.CalledProcessError as error:
        if error.returncode != TIMED_OUT:
            raise
        return f"> {LIMIT_S}"


def submit(folder: Path) -> Iterator[Line]:
    what = "submit an array of 1,000: ours / submitit's"
    cluster = subprocess.run([ROOT / "scripts" / "devcluster", "up"], capture_output=True, text=True, check=False)
    reason = cluster.stderr.strip().rpartition("\n")[2] if cluster.returncode else crowded(cluster.stdout)
    if reason:
        yield Line(what, "skipped", "", 1.5, reason)
        return
    run, seconds = inside("submission", folder)
    ours = median(value for name, value in seconds.items() if name.startswith("ours"))
    theirs = median(value for name, value in seconds.items() if name.startswith("submitit"))
    rounds = len(seconds) // 2
    yield Line(
        what, ours / theirs, "", 1.5, f"medians of {rounds}: {ours:.2f} s, {theirs:.2f} s; {run.peak_gib:.2f} GiB"
    )


def crowded(cluster: str) -> str:
    """Why the cluster has no room for all the arrays: it counts cancelled tasks for MinJobAge, too; else nothing."""
    env = {**os.environ, "SLURM_CONF": cluster.rpartition("SLURM_CONF=")[2].strip()}
    squeue = subprocess.run(["squeue", "-h", "-r", "-t", "all"], env=env, capture_output=True, text=True, check=True)
    tasks = squeue.stdout.count("\n")
    return f"Slurm remembers {tasks:,} tasks; again in five minutes" if tasks > ROOM else ""


def startup(folder: Path) -> Iterator[Line]:
    loaded: set[str] = set()
    peak_gib = 0.0
    words = ("run=x", "dry_run=true", f"runs={folder}")
    for last in (("--help",), words, (*words, "cluster=devcluster")):
        command = ("-m", "stages.analyze", *last)
        shown = "stages.analyze " + " ".join(word for word in last if not word.startswith("runs="))
        try:
            runs = [ran(*command, VIDEOS=str(folder)) for _ in range(TIMES)]
            imports = ran("-X", "importtime", *command, VIDEOS=str(folder)).errors
        except subprocess.CalledProcessError as error:
            yield Line(shown, "skipped", "s", 1.5, error.stderr.strip().splitlines()[-1])
            continue
        loaded |= {name for line in imports.splitlines() if (name := line.rpartition("|")[2].strip()) in HEAVY}
        peak_gib = max(peak_gib, *(run.peak_gib for run in runs))
        yield Line(shown, median(run.wall_s for run in runs), "s", 1.5)
    yield Line("heavy modules that these import", ", ".join(sorted(loaded)) or "none", "", "none", ", ".join(HEAVY))
    yield Line("… their memory", peak_gib, "GiB", "")


def overhead(folder: Path) -> Iterator[Line]:
    runs = [inside("overhead", folder / str(number)) for number in range(TIMES)]
    chunk_s = median(seconds["chunk"] for _, seconds in runs)
    how = f"10,000 items that do nothing, one chunk, two workers: {chunk_s:.2f} s"
    yield Line("time an item", chunk_s / 10, "ms", 1, how)
    yield Line("… its memory", max(run.peak_gib for run, _ in runs), "GiB", "")


BENCHMARKS = {function.__name__: function for function in (plan, status, submit, startup, overhead)}


def shown(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:,.2f}" if value >= 0.1 else f"{value:,.3f}"


def main(words: list[str]) -> int:
    if unknown := [word for word in words if word not in (*BENCHMARKS, "all")]:
        print(f"unknown benchmark {unknown[0]!r}; there are: {', '.join((*BENCHMARKS, 'all'))}", file=sys.stderr)
        return 0
    table = Table(title=f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", box=SIMPLE_HEAD)
    for title in ("what", "measured", "unit", "bar", "", "of it"):
        table.add_column(title, justify="right" if title in ("measured", "bar") else "left")
    for name in BENCHMARKS if not words or "all" in words else words:
        with tempfile.TemporaryDirectory(prefix=f"reelmill-bench-{name}-") as folder:
            try:
                for line in BENCHMARKS[name](Path(folder)):
                    bar = f"< {line.bar:g}" if isinstance(line.bar, int | float) else line.bar
                    table.add_row(line.what, shown(line.measured), line.unit, bar, line.verdict, line.how)
            except subprocess.CalledProcessError as error:
                said = error.stderr.strip().splitlines() or [str(error)]
                table.add_row(name, "failed", "", "", "[red]short[/]", said[-1])
    Console(width=None if sys.stdout.isatty() else 160).print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
