"""Runs of the sizes that the runner's benchmarks measure, made by the commands that a user types.

All that the benchmarks know of how a run is laid out stands here: a chunk's files are named by its six digits, in a
folder of its thousand (`many`).
"""

import os
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from scripts.bench.lines import Ran, ran

CONF = Path(__file__).parents[1] / "conf"
PATTERN = 20  # chunks that are really tried; the others are copies of these
KINDS = {3: "corrupt", 12: "odd", 13: "odd", 14: "odd"}  # … of which so many fail; 15 seems to run still
RUNNING = 15
HOUR_S = 3600.0


def ingested(folder: Path, items: int, path: Callable[[int], str] = str) -> Path:
    """A run with a done `ingest` of so many made-up videos between 1 kB and 1 GB; its folder."""
    listed = folder / "items.csv"
    with listed.open("w") as out:
        out.write("video_id,path,bytes\n")
        for n in range(items):
            out.write(f"video-{n:07d},/data/videos/{path(n)}.mp4,{(n * 2654435761 % 1_000_003 + 1) * 1000}\n")
    ran("-m", "stages.ingest", "run=bench", f"runs={folder}", f"input.path={listed}")
    return folder / "bench"


def command(folder: Path, *words: str) -> tuple[str, ...]:
    """The words after `python` for the step `noop` behind `ingest`."""
    own = ("--config-dir", str(CONF), "run=bench", f"runs={folder}", "chunks.align=false")
    return ("-m", "scripts.bench.inputs.noop", *own, *words)


def noop(folder: Path, *words: str, statuses: tuple[int, ...] = (0,)) -> Ran:
    return ran(*command(folder, *words), statuses=statuses)


def many(folder: Path, chunks: int) -> None:
    """A run with a step of so many chunks: of twenty, sixteen are done, three were set aside, one seems to run.

    The first twenty are really tried, twice where they fail; then the task is stopped and the rest are made their
    copies, since to do a hundred thousand takes an hour.
    """

    def path(n: int) -> str:
        return f"{'stop' if n == PATTERN else KINDS.get(n, 'good')}-{n}"

    ingested(folder, chunks, path)
    words = ("items.workers=1", f"chunks.n={chunks}", f"chunks.per_task={chunks}", "retry.breaker=100")
    noop(folder, *words, statuses=(0, 1))
    for _ in range(2):  # the second one finds that the odd ones failed alike
        ran("-m", "slurm", "resume", "run=bench", f"runs={folder}", "step=noop", statuses=(0, 1))
    step = folder / "bench" / "noop"
    begun(step)
    for stopped in named(step, PATTERN):
        shutil.rmtree(stopped)
    age_events(step)
    copied(step, chunks)
    age_folders(step)


def age_events(step: Path) -> None:
    """Makes what befell the attempts an hour old: one that ended a moment ago is looked at again by the next look."""
    for events in step.rglob("*.jsonl"):
        text = events.read_text()
        events.write_text(re.sub(r'(?<="t": )[\d.]+', lambda time_s: f"{float(time_s[0]) - HOUR_S:.3f}", text))


def age_folders(step: Path) -> None:
    """Makes the step's folders an hour old: what changed a moment ago no look trusts to stay as it is."""
    hour_ago = time.time() - HOUR_S
    for folder in (path for path in step.rglob("*") if path.is_dir()):
        os.utime(folder, (hour_ago, hour_ago))


def name(chunk: int) -> str:
    return f"{chunk // 1000:03d}/{chunk:06d}"


def named(step: Path, chunk: int) -> list[Path]:
    """The files and folders of a chunk."""
    return sorted(path for path in step.rglob(f"{chunk:06d}*") if not path.name.startswith("."))


def begun(step: Path) -> None:
    """Makes a chunk that is done one that is worked on, by a process that lives: number 1."""
    for path in named(step, RUNNING):
        if path.is_dir():
            for events in path.glob("*.jsonl"):
                lines = [line for line in events.read_text().splitlines() if '"event": "end"' not in line]
                events.write_text(re.sub(r'"pid": \d+', '"pid": 1', "\n".join(lines) + "\n"))
        else:
            path.unlink()


def copied(step: Path, chunks: int) -> None:
    """Copies the first PATTERN chunks' files until there are so many chunks; tables are linked."""
    pattern: list[tuple[int, str, str | None]] = []  # chunk, file, its text
    for chunk in range(PATTERN):
        for path in named(step, chunk):
            for file in path.rglob("*") if path.is_dir() else [path]:
                text = None if file.suffix == ".parquet" else file.read_text()
                pattern.append((chunk, str(file.relative_to(step)), text))
    for first in range(PATTERN, chunks, PATTERN):
        for chunk, below, text in pattern:
            number = first + chunk
            if number >= chunks:
                continue
            target = step / below.replace(name(chunk), name(number))
            target.parent.mkdir(parents=True, exist_ok=True)
            if text is None:
                os.link(step / below, target)
            else:
                moved = text.replace(name(chunk), name(number))
                moved = re.sub(r'"source": "[^"]*"', '"source": ""', moved)  # a copy reads other rows: not known which
                target.write_text(re.sub(rf'"chunk": {chunk}\b', f'"chunk": {number}', moved))
