"""Measures `ingest` over a catalogue of the shape and size of YouTube-Commons, and a pandas script over the same files.

Every number is that of whole processes, whose memory is that of the largest of them; both read files that are in the
page cache, in turns. These are measurements and no tests: on a busy machine they are larger, and the exit status is 0.
Without a Python that has pandas (see bench_pandas.py) that half is skipped.

    python -m scripts.bench_catalogue [rows=1000000] [pandas=/tmp/pandas/bin/python]
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

ROOT = Path(__file__).parents[1]
ROWS, TIMES, LIMIT_S = 1_000_000, 3, 600
SHARE = 1 / 12  # of YouTube-Commons: 1.9 of 22.7 million rows are in English and of English speech


class Line(NamedTuple):
    what: str
    measured: str
    bar: str
    how: str


class Ran(NamedTuple):
    wall_s: float
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
        found = Ran(wall_s, usage.ru_maxrss / 2**20, out.read())
    if child.returncode:
        raise subprocess.CalledProcessError(child.returncode, words, found.output)
    return found


def measured(folder: Path, rows: int, share: float, pandas: str | None, ways: Sequence[str]) -> Iterator[Line]:
    """`ways` are those of the pandas script, as bench_pandas.py calls them."""
    corpus = folder / "corpus"
    made = ran(sys.executable, "-m", "scripts.bench_corpus", str(corpus), str(rows), str(share)).output.strip()
    ours: list[Ran] = []
    theirs: dict[str, list[Ran]] = {way: [] for way in ways}
    for number in range(TIMES):
        run = (f"run=bench{number}", f"runs={folder / 'runs'}", f"input.path={corpus}")
        ours.append(ran(sys.executable, "-m", "stages.ingest", "source=youtube_commons", *run))
        for way in ways if pandas else ():
            theirs[way].append(ran(str(pandas), "scripts/bench_pandas.py", str(corpus), f"{folder}/out.parquet", way))
    wall_s = median(run.wall_s for run in ours)
    yield Line(f"{rows:,} rows, {share:.0%} kept: ingest", f"{wall_s:.1f} s", "", f"{walls(ours)}; {made}")
    yield Line("… its memory", f"{max(run.peak_gib for run in ours):.2f} GiB", "< 2", "")
    for way, runs in theirs.items():
        if not runs:
            yield Line(f"… pandas, {way}", "skipped", "", "no pandas=PYTHON given: see scripts/bench_pandas.py")
            continue
        pandas_s, peak_gib = median(run.wall_s for run in runs), max(run.peak_gib for run in runs)
        how = f"{walls(runs)}; {peak_gib:.2f} GiB, {runs[0].output.strip()}"
        yield Line(f"… pandas, {way}", f"{pandas_s:.1f} s", "", how)
        yield Line("… how often faster ingest is", f"{pandas_s / wall_s:.1f} ×", "> 8", "")


def walls(runs: list[Ran]) -> str:
    return ", ".join(f"{run.wall_s:.1f}" for run in runs)


def main(words: list[str]) -> int:
    given = dict(word.split("=", 1) for word in words if "=" in word)
    if len(given) < len(words) or given.keys() - {"rows", "pandas"}:
        print(f"unknown words; there are: rows=, pandas= ({' '.join(words)})", file=sys.stderr)
        return 0
    rows, pandas = int(given.get("rows", ROWS)), given.get("pandas")
    if pandas and subprocess.run([pandas, "-c", "import pandas"], capture_output=True, check=False).returncode:
        print(f"{pandas} has no pandas: {pandas} -m pip install pandas pyarrow", file=sys.stderr)
        pandas = None
    table = Table(title=f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", box=SIMPLE_HEAD)
    for title in ("what", "measured", "bar", "of it"):
        table.add_column(title, justify="left" if title in ("what", "of it") else "right")
    both = ("file_by_file", "at_once")
    for count, share, ways in ((rows, SHARE, both), (rows, 0.5, both[:1]), (2 * rows, SHARE, both[:1])):
        with tempfile.TemporaryDirectory(prefix="reelmill-bench-catalogue-") as folder:
            try:
                for line in measured(Path(folder), count, share, pandas, ways):
                    table.add_row(*line)
            except subprocess.CalledProcessError as error:
                table.add_row(f"{count:,} rows, {share:.0%} kept", "failed", "", str(error))
    Console(width=None if sys.stdout.isatty() else 160).print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
