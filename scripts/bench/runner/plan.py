"""A step of 1,000,000 items in 10,000 chunks that are balanced by bytes: its plan, and until its first item is done."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from scripts.bench.inputs.runs import command, ingested, noop
from scripts.bench.lines import LIMIT_S, ROOT, Line, costs, each


def measure(folder: Path, *, items: int = 1_000_000, times: int = 3, small: bool = False) -> Iterator[Line]:
    items, times = (500, 1) if small else (items, times)
    n = max(1, items // 100)
    if not (folder / "bench").exists():
        ingested(folder, items)
    words = (f"chunks.n={n}", f"chunks.per_task={n}", "chunks.cost=bytes", "items.workers=1")
    plans = [noop(folder, *words, "dry_run=true") for _ in range(times)]
    assert f"{n} chunks" in plans[0].output, plans[0].output
    yield from costs(f"plan {items:,} items in {n:,} chunks (dry_run)", plans, 10.0, 2.0)
    before = len(list((folder / "bench").iterdir()))  # every step needs a name of its own
    first_s = [until_first(folder, f"step=noop{before + turn}", *words) for turn in range(times)]
    yield Line("… until its first item is done", median(first_s), "s", None, each(first_s))


def until_first(folder: Path, *words: str) -> float:
    """Seconds from the command to the first item that is done; the command is then interrupted."""
    mark = folder / "first"
    mark.unlink(missing_ok=True)
    start_s = time.perf_counter()
    whole = [sys.executable, *command(folder, f"first={mark}", *words)]
    step = subprocess.Popen(whole, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True)
    try:
        while not mark.exists():
            if step.poll() is not None or time.perf_counter() - start_s > LIMIT_S:
                said = step.stderr.read().decode() if step.stderr else ""
                raise subprocess.CalledProcessError(step.poll() or 1, whole, stderr=said)
            time.sleep(0.005)
        return time.perf_counter() - start_s
    finally:
        os.killpg(step.pid, signal.SIGKILL)
        step.wait()
