"""Runs for tests: a catalogue of made-up items, the probe stage over it, and what its table must be."""

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import polars as pl

from slurm.control.resume import resume
from slurm.control.resumed import Resumed
from slurm.control.survey import Survey, survey
from slurm.record.manifest import Step
from stages.core.command_line.points import points_of
from stages.core.command_line.words import read_line
from stages.core.runner.pipeline import Wanted, submit_steps

ROOT = Path(__file__).parents[2]
CONF = Path(__file__).parent / "conf"  # of the stage `support.probe`


class ProbeRun:
    """A run with the steps `ingest` and `probe` over `items` made-up items, planned and submitted by `submit`."""

    def __init__(self, folder: Path, items: int, *overrides: str, seconds: float = 0.0, eat_gb: float = 64.0) -> None:
        self.runs, self.folder = folder / "runs", folder / "faults"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.names = [f"item{i:05d}" for i in range(items)]
        self.catalogue = folder / "items.csv"
        pl.DataFrame({"video_id": self.names, "path": [f"{name}.mp4" for name in self.names]}).write_csv(self.catalogue)
        self.overrides = [f"runs={self.runs}", "run=r", *overrides]
        self.seconds, self.eat_gb = seconds, eat_gb

    @property
    def run(self) -> Path:
        return self.runs / "r"

    @property
    def step(self) -> Step:
        return Step(self.run, "probe")

    def wanted(self, *more: str) -> list[Wanted]:
        own = [f"steps.probe.{k}={v}" for k, v in (("folder", self.folder), ("seconds", self.seconds))]
        words = [*self.overrides, *more, f"input.path={self.catalogue}", *own, f"steps.probe.eat_gb={self.eat_gb}"]
        return planned("pipeline=probe", f"--config-dir={CONF}", *words)

    def submit(self, *more: str) -> int:
        return submit_steps(self.wanted(*more))

    def chain(self, *, align: bool = True, n: int | None = None, overwrite: bool = False) -> list[Wanted]:
        """A second probe behind the first one, chunk by chunk unless told otherwise."""
        order = self.wanted()
        chunks = replace(order[1].common.chunks, n=n, align=align)
        common = replace(order[1].common, step="second", after="probe", chunks=chunks, overwrite=overwrite)
        (self.folder / "second").mkdir(exist_ok=True)
        config = replace(order[1].config, folder=str(self.folder / "second"))
        return [*order, Wanted(order[1].stage, common, config)]

    def submit_chain(self, *, align: bool = True, n: int | None = None) -> int:
        return submit_steps(self.chain(align=align, n=n))

    def resume(self, **more: object) -> dict[str, Resumed]:
        return resume(self.run, **more)  # type: ignore[arg-type]

    def survey(self) -> Survey:
        return survey(Step(self.run, "probe"))

    def order(self, item: int, fault: str, *, once: bool = False) -> None:
        """Makes an item misbehave, see probe.py."""
        (self.folder / f"{self.names[item]}.{fault}").write_text("once" if once else "")

    def calls(self, item: int) -> list[tuple[int, int]]:
        """(worker pid, task pid) of each time the item was begun."""
        path = self.folder / "calls" / self.names[item]
        return (
            [(int(a), int(b)) for a, b in (line.split() for line in path.read_text().splitlines())]
            if path.exists()
            else []
        )

    def begun(self) -> int:
        """The number of items that were begun at least once."""
        return len(list((self.folder / "calls").glob("*"))) if (self.folder / "calls").exists() else 0

    def table(self) -> pl.DataFrame:
        rows = Step(self.run, "probe").scan()
        assert rows is not None
        return rows.collect()

    def expected(self) -> pl.DataFrame:
        """The main table of an undisturbed run."""
        empty = pl.lit(None, pl.String)
        values = [hashlib.sha256(name.encode()).hexdigest() for name in self.names]
        return pl.DataFrame({"video_id": self.names, "value": values}).with_columns(error=empty, error_detail=empty)

    def letters(self) -> pl.DataFrame:
        rows = Step(self.run, "probe").scan("letters")
        assert rows is not None
        return rows.collect()


def planned(*words: str) -> list[Wanted]:
    """The steps that `python -m stages` would submit for these words."""
    return points_of(read_line(words))[0].order


def until(what: Callable[[], object], seconds: float = 90.0, every: float = 0.3) -> None:
    """Waits until something is true; fails the test if it does not become so."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, f"waited {seconds:.0f} s in vain"
        time.sleep(every)


def command(*words: str, cwd: Path = ROOT, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Runs `python -m …` as a user would."""
    return subprocess.run(
        [sys.executable, "-m", *words],
        cwd=cwd,
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
