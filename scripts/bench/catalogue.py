"""Measures `ingest` over a catalogue of the shape and size of YouTube-Commons, and a pandas script over the same files.

Every number is that of whole processes, whose memory is that of the largest of them; both read files that are in the
page cache, in turns. Without a Python that has pandas (see peers/pandas.py) that half is left out; several are measured
one after another: `pandas=/tmp/pandas2/bin/python,/tmp/pandas3/bin/python`.
"""

import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

from scripts.bench.lines import Line, Ran, costs, each, ran, shared

SHARE = 1 / 12  # of YouTube-Commons: 1.9 of 22.7 million rows are in English and of English speech


class Script(NamedTuple):
    python: str  # one that has pandas
    way: str  # as peers/pandas.py calls it


def measure(
    folder: Path, *, rows: int = 1_000_000, pandas: str = "", times: int = 3, small: bool = False
) -> Iterator[Line]:
    pythons = []
    for python in filter(None, pandas.split(",")):
        if subprocess.run([python, "-c", "import pandas"], capture_output=True, check=False).returncode:
            print(f"{python} has no pandas: {python} -m pip install pandas pyarrow", file=sys.stderr)
        else:
            pythons.append(python)
    both = ("at_once", "file_by_file")
    cases: list[tuple[int, float, Sequence[str]]] = [(1_000, SHARE, both)]
    if not small:
        cases = [(rows, SHARE, both), (rows, 0.5, both[1:]), (2 * rows, SHARE, both[1:]), (2 * rows, 0.5, ())]
    for count, share, ways in cases:
        scripts = [Script(python, way) for python in pythons for way in ways]
        yield from case(folder, count, share, scripts, 1 if small else times)


def case(folder: Path, rows: int, share: float, scripts: Sequence[Script], times: int) -> Iterator[Line]:
    """Ours and the scripts in turns over a corpus of so many rows, of which a share is kept."""
    corpus = shared(folder) / f"catalogue_{rows}_{share:.2f}"
    made = ""
    if not corpus.exists():
        made = ran("-m", "scripts.bench.inputs.corpus", corpus, str(rows), str(share)).output.strip()
    ours: list[Ran] = []
    theirs: list[list[Ran]] = [[] for _ in scripts]
    for _ in range(times):
        shutil.rmtree(folder / "runs", ignore_errors=True)
        run = ("run=bench", f"runs={folder / 'runs'}", f"input.path={corpus}")
        ours.append(ran("-m", "stages.ingest", "source=youtube_commons", *run))
        for (python, way), runs in zip(scripts, theirs, strict=True):
            runs.append(ran(python, "scripts/bench/peers/pandas.py", corpus, f"{folder}/out.parquet", way))
    what = f"ingest of {rows:,} rows, {share:.0%} kept"
    yield from costs(what, ours, None, 2.0)
    yield Line(f"… corpus of {what}", made or "made before")
    for (python, way), runs in zip(scripts, theirs, strict=True):
        pandas_s = [run.wall_s for run in runs]
        how = f"{each(pandas_s)} s; {max(run.peak_gib for run in runs):.2f} GiB, {runs[0].output.strip()}, {python}"
        times_faster = median(pandas_s) / median(run.wall_s for run in ours)
        yield Line(f"… how often faster than pandas {way} by {python}: {what}", times_faster, "", 8.0, how, True)
