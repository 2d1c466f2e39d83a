"""Measures `ingest` over a catalogue of the shape and size of YouTube-Commons, and a pandas script over the same files.

Every number is that of whole processes, whose memory is that of the largest of them; both read files that are in the
page cache, in turns. These are measurements and no tests: on a busy machine they are larger, and the exit status is 0.
Without a Python that has pandas (see bench_pandas.py) that half is skipped; several are measured one after another.

    python -m scripts.bench.catalogue [rows=1000000] [pandas=/tmp/pandas2/bin/python,/tmp/pandas3/bin/python]
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[2]
ROWS, TIMES, LIMIT_S = 1_000_000, 3, 600
SHARE = 1 / 12  # of YouTube-Commons: 1.9 of 22.7 million rows are in English and of English speech


class Line(NamedTuple):
    what: str
    measured: str
    bar: str
    how: str


class Script(NamedTuple):
    python: str  # one that has pandas
    way: str  # as bench_pandas.py calls it


class Ran(NamedTuple):
    wall_s: float
    cpu_s: float  # of the process and its children
    peak_gib: float  # of the process or of its largest child
    output: str


def ran(*words: str) -> Ran:
    """A command in a new process, from the repository's root; CalledProcessError if it fails or takes too long.

    This process must stay small: Linux counts what it holds as its children's peak.
    """
    before = time.perf_counter()
    with tempfile.TemporaryFile("w+") as out:
        child = subprocess.Popen(["timeout", str(LIMIT_S), *words], cwd=ROOT, stdout=out)
        _, status, usage = os.wait4(child.pid, 0)
        wall_s = time.perf_counter() - before
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        found = Ran(wall_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 2**20, out.read())
    if child.returncode:
        raise subprocess.CalledProcessError(child.returncode, words, found.output)
    return found


def measured(folder: Path, rows: int, share: float, scripts: Sequence[Script]) -> Iterator[Line]:
    corpus = folder / "corpus"
    made = ran(sys.executable, "-m", "scripts.bench.inputs.corpus", str(corpus), str(rows), str(share)).output.strip()
    ours: list[Ran] = []
    theirs: list[list[Ran]] = [[] for _ in scripts]
    for number in range(TIMES):
        run = (f"run=bench{number}", f"runs={folder / 'runs'}", f"input.path={corpus}")
        ours.append(ran(sys.executable, "-m", "stages.ingest", "source=youtube_commons", *run))
        for (python, way), runs in zip(scripts, theirs, strict=True):
            runs.append(ran(python, "scripts/bench/peers/pandas.py", str(corpus), f"{folder}/out.parquet", way))
    wall_s = median(run.wall_s for run in ours)
    yield Line(f"{rows:,} rows, {share:.0%} kept: ingest", f"{wall_s:.1f} s", "", f"{seconds(ours)}; {made}")
    yield Line("… its memory", f"{max(run.peak_gib for run in ours):.2f} GiB", "< 2", "")
    for (_, way), runs in zip(scripts, theirs, strict=True):
        pandas_s, peak_gib = median(run.wall_s for run in runs), max(run.peak_gib for run in runs)
        how = f"{seconds(runs)}; {peak_gib:.2f} GiB, {runs[0].output.strip()}"
        yield Line(f"… pandas, {way}", f"{pandas_s:.1f} s", "", how)
        yield Line("… how often faster ingest is", f"{pandas_s / wall_s:.1f} ×", "> 8", "")


def seconds(runs: list[Ran]) -> str:
    return f"{', '.join(f'{run.wall_s:.1f}' for run in runs)} (CPU {median(run.cpu_s for run in runs):.1f})"


def main(words: list[str]) -> int:
    given = dict(word.split("=", 1) for word in words if "=" in word)
    if len(given) < len(words) or given.keys() - {"rows", "pandas"}:
        print(f"unknown words; there are: rows=, pandas= ({' '.join(words)})", file=sys.stderr)
        return 0
    rows, pythons = int(given.get("rows", ROWS)), []
    for python in filter(None, given.get("pandas", "").split(",")):
        if subprocess.run([python, "-c", "import pandas"], capture_output=True, check=False).returncode:
            print(f"{python} has no pandas: {python} -m pip install pandas pyarrow", file=sys.stderr)
        else:
            pythons.append(python)
    table = Table(title=f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", box=SIMPLE_HEAD)
    for title in ("what", "measured", "bar", "of it"):
        table.add_column(title, justify="left" if title in ("what", "of it") else "right")
    both = ("at_once", "file_by_file")
    for count, share, ways in (
        (rows, SHARE, both),
        (rows, 0.5, both[1:]),
        (2 * rows, SHARE, both[1:]),
        (2 * rows, 0.5, ()),
    ):
        scripts = [Script(python, way) for python in pythons for way in ways]
        with tempfile.TemporaryDirectory(prefix="reelmill-bench-catalogue-") as folder:
            try:
                for line in measured(Path(folder), count, share, scripts):
                    table.add_row(*line)
            except subprocess.CalledProcessError as error:
                table.add_row(f"{count:,} rows, {share:.0%} kept", "failed", "", str(error))
    Console(width=None if sys.stdout.isatty() else 160).print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
