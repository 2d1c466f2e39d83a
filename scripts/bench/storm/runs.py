"""The runs that the storm falls on: `ingest`, then three steps of made-up items whose right tables are known.

`second` follows `first` chunk by chunk, `third` stands behind a barrier, on the other partition, with other resources.
"""

import hashlib
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import NamedTuple

from scripts.bench.lines import ROOT
from slurm.control.survey import Survey, survey
from slurm.errors import ReelmillError
from slurm.record.manifest import Step
from slurm.record.paths import ROWS

CONF = ROOT / "scripts" / "bench" / "conf"
STEPS = ("first", "second", "third")
TIMEOUT_S = 20.0  # of an item, which takes a second; one that eats memory 6 s, three times as long on a busy machine
MOST_ATTEMPTS = 40  # before a chunk may be set aside: more than the storm can charge to one
POISONS = {"crash": "item_crashed", "hang": "item_timeout", "bad": "corrupt"}  # what an item is told → its row's error

# How runs differ: the words of each, after those that all have.
SHAPES: dict[str, tuple[str, ...]] = {
    "plain": (),
    "two workers": ("items.workers=2", "cluster.cpus=2"),
    "two items at once": ("items.at_once=2",),
    "two chunks a task": ("chunks.per_task=2",),
    "little time": ("chunks.n=4", "cluster.minutes=1", "cluster.signal_delay_s=30"),
    "little memory": ("items.mem_gb=16",),
}


class Size(NamedTuple):
    """How much there is to do."""

    items: int = 120  # of a run
    chunks: int = 8  # of its first two steps
    poisons: tuple[str, ...] = ("crash", "hang", "bad")  # of each step's items one each always does this
    runs: int = 5  # unfinished at once
    finish_s: float = 600.0  # after the storm plain resumes have so long to finish everything


@dataclass
class Command:
    """A command of a user's that runs beside the storm, and what became of it."""

    words: list[str]
    began: float
    process: subprocess.Popen[str]
    status: int | None = None
    said: str = ""


@dataclass
class StormRun:
    """A run, and what the storm did to its rows."""

    name: str
    shape: str
    items: list[str]
    chunks: int
    runs: Path
    folder: Path  # outside the disk that is filled: faults ordered, begins noted
    commands: list[Command]
    by_design: dict[str, dict[str, set[str]]] = field(default_factory=dict)  # step → item → errors that it may have
    redone: dict[str, dict[str, int]] = field(default_factory=dict)  # step → item → begins that the storm asked for
    next_resume: float = 0.0
    complete: bool = False
    rested: int = 0  # looks in a row that found it unfinished, with nothing in the queue
    aside: dict[tuple[str, int], str] = field(default_factory=dict)  # chunks that a resume set aside, and why

    @property
    def path(self) -> Path:
        return self.runs / self.name

    def step(self, name: str) -> Step:
        return Step(self.path, name)

    def send(self, *words: str) -> Command:
        """Starts a command on this run."""
        whole = ["-m", *words, f"run={self.name}", f"runs={self.runs}"]
        process = subprocess.Popen(
            [sys.executable, *whole], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        command = Command(whole, time.time(), process)
        self.commands.append(command)
        return command

    def submit(self) -> Command:
        """`python -m stages storm run=…`, the same words each time."""
        own = (f"input.path={self.folder / 'items.csv'}", f"folder={self.folder}", "cluster=devcluster")
        sizes = (f"chunks.n={self.chunks}", "chunks.flush_s=1", "cluster.cpus=1", "cluster.mem_gb=1", "items.workers=1")
        other = ("steps.third.cluster.partition=gpu", "steps.third.cluster.mem_gb=1.5")
        policy = (f"items.timeout_s={TIMEOUT_S}", f"retry.max_attempts={MOST_ATTEMPTS}", "cluster.parallel=8")
        times = ("cluster.minutes=3", "cluster.signal_delay_s=20")  # Slurm does not see that a step's daemon is gone
        words = (f"--config-dir={CONF}", *own, *sizes, *other, *policy, *times, *SHAPES[self.shape])
        return self.send("stages", "storm", *words)

    def resume(self) -> Command:
        """A plain resume; of a run whose first command was interrupted, that command again."""
        return self.send("slurm", "resume") if self.step(STEPS[-1]).exists else self.submit()

    def order(self, step: str, item: str, fault: str, once: bool) -> Path:
        """Makes an item misbehave, see tests/support/probe.py; the file that it takes away when it does so once."""
        file = self.folder / step / f"{item}.{fault}"
        file.write_text("once" if once else "")
        allowed = {POISONS[fault]} if fault in POISONS and (not once or fault == "hang") else set()
        self.by_design.setdefault(step, {}).setdefault(item, set()).update(allowed)
        return file

    def begins(self, step: str, item: str) -> list[tuple[int, int]]:
        """(worker, task) of each time that an item was begun."""
        try:
            lines = (self.folder / step / "calls" / item).read_text().splitlines()
        except FileNotFoundError:
            return []
        return [(int(worker), int(task)) for worker, task in (line.split() for line in lines)]

    def ask_again(self, step: str, items: list[str]) -> None:
        """Notes that the storm destroyed rows of these items: each has to be begun once more."""
        begins = self.redone.setdefault(step, {})
        for item in items:
            begins[item] = begins.get(item, 0) + 1

    def surveys(self) -> dict[str, Survey]:
        """What a look at each step tells now; nothing of one that cannot be looked at."""
        found: dict[str, Survey] = {}
        for name in ("ingest", *STEPS):
            try:
                found[name] = survey(self.step(name), found)
            except (ReelmillError, FileNotFoundError):
                continue
        return found


def value_of(item: str) -> str:
    """What the probe gives for an item."""
    return hashlib.sha256(item.encode()).hexdigest()


def new_run(number: int, size: Size, chance: Random, *, runs: Path, place: Path, commands: list[Command]) -> StormRun:
    """A run that is written down and not submitted yet, with some items that always misbehave."""
    name = f"storm{number:03d}"
    folder = place / name
    names = [f"item{number:03d}{i:04d}" for i in range(size.items)]
    shape = list(SHAPES)[number % len(SHAPES)]
    run = StormRun(name, shape, names, size.chunks, runs, folder, commands)
    for step in STEPS:
        (folder / step / "calls").mkdir(parents=True)
    lines = [f"{item},{item}.mp4" for item in names]
    (folder / "items.csv").write_text("\n".join(["video_id,path", *lines]) + "\n")
    for step in STEPS:
        for fault in size.poisons:
            run.order(step, chance.choice(names), fault, once=False)
    return run


def rows_in(run: StormRun, file: Path, column: str) -> list[str]:
    """The keys of the items whose rows a table holds; none of one that cannot be read."""
    import polars as pl

    try:
        return [str(key) for key in pl.read_parquet(file, columns=[column], glob=False)[column].unique()]
    except (pl.exceptions.PolarsError, OSError):
        return []


def part_of(run: StormRun, step: str, chunk: int, table: str = ROWS) -> Path | None:
    """The file of a table of a finished chunk; None if it is not finished or has no such table."""
    done = run.step(step).done(chunk)
    return run.step(step).paths.part(done.part, table) if done and table in (ROWS, *done.tables) else None


def environment(state: Path) -> None:
    """Has this process, and those that it starts, find the dev cluster and the stage of the tests."""
    os.environ["SLURM_CONF"] = str(state / "slurm.conf")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
