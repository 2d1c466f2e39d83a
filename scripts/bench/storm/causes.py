"""Which attempts the faults ended, and what `explain` says of each."""

import io
import os
import re
import time
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

from rich.console import Console

from scripts.bench.storm.runs import STEPS, StormRun
from scripts.bench.storm.state import Fault, Kind, Storm
from slurm.control.retry import FREE
from slurm.control.status import explain
from slurm.control.submit import load_windows, submissions
from slurm.control.survey import Survey
from slurm.errors import ReelmillError
from slurm.record.history import Past, read_attempt
from slurm.scheduler.accounting import Ended, ended

EARLY_S = 2.0  # by so much the clocks of Slurm's whole seconds and ours may differ
END_WITHIN_S = 300.0  # a task that a fault hit is over by then: one whose slurmstepd is gone lasts to its time limit

OUT_OF_TIME = r"stopped: (SIGUSR2|deadline)"
FILES = r"rows_removed|gated"  # what the storm did to its files had ended it before
ACCOUNTED_S = 20.0  # after its end a task's state is in Slurm's accounting


class Place(NamedTuple):
    """Where a task's work is written down."""

    run: StormRun
    step: str
    chunks: list[int]


class Hit(NamedTuple):
    """A run of a task that a fault, or several, ended or kept from starting."""

    attempt: str
    place: Place
    faults: list[Fault]
    slurm: str  # what sacct says of it
    ended: float


class Told(NamedTuple):
    """What a survey said of an attempt's end, and when."""

    cause: str  # "lost": it did not know
    words: str
    at: float


class Seen:
    """What surveys said of attempts while their chunks were not finished, the last time each."""

    def __init__(self) -> None:
        self.told: dict[tuple[str, str, int, str], Told] = {}

    def note(self, run: StormRun, surveys: dict[str, Survey]) -> None:
        accounted = ended(["1"], dict(os.environ)) is not None  # without accounting nobody can know
        for name, found in surveys.items():
            for chunk, past in found.past.items() if accounted else ():
                if chunk not in found.active and found.queue_known:
                    for attempt in past:
                        told = Told(attempt.cause or "lost", f"{attempt.cause}: {attempt.detail}", time.time())
                        self.told[run.name, name, chunk, attempt.name] = told

    def of(self, hit: Hit) -> list[Told]:
        keys = [(hit.place.run.name, hit.place.step, chunk, hit.attempt) for chunk in hit.place.chunks]
        return [self.told[key] for key in keys if key in self.told]


def places(runs: list[StormRun]) -> dict[str, Place]:
    """Task → where its work is written down."""
    found: dict[str, Place] = {}
    for run in runs:
        for name in ("ingest", *STEPS):
            step = run.step(name)
            for submission in submissions(step) if step.exists else ():
                for window in load_windows(step, submission):
                    for index, chunks in enumerate(window.tasks):
                        found[f"{window.job}_{index}"] = Place(run, name, chunks)
    return found


def hits(storm: Storm, kinds: dict[str, Kind]) -> list[Hit]:
    """The runs of tasks that faults ended; one that finished its chunks in spite of them is none."""
    where = places(storm.runs)
    lives = ended(sorted({task.partition("_")[0] for task in where}), dict(os.environ)) or {}
    by_attempt: dict[tuple[str, int], list[Fault]] = defaultdict(list)
    for fault in storm.faults:
        for task in fault.hit if kinds[fault.kind].cause else ():
            ends = lives_of(task, lives)
            until = max(fault.over, fault.at + EARLY_S)
            for number, life in enumerate(ends):
                began = life.began or life.ended
                if began <= until and fault.at - EARLY_S <= life.ended <= fault.at + END_WITHIN_S:
                    by_attempt[task, number].append(fault)
                    break
    found = []
    for (task, number), faults in sorted(by_attempt.items()):
        if task in where:
            life = lives_of(task, lives)[number]
            hit = Hit(f"{task}_{number}", where[task], faults, life.state, life.ended)
            if hit.slurm != "COMPLETED" and not finished(hit):
                found.append(hit)
    return found


def lives_of(task: str, lives: dict[str, list[Ended]]) -> list[Ended]:
    return lives.get(task) or lives.get(task.removesuffix("_0")) or []


def finished(hit: Hit) -> bool:
    """Whether an attempt got to an end of its own at all chunks of its task, or had when it was hit."""
    step, at = hit.place.run.step(hit.place.step), min(fault.at for fault in hit.faults)
    past = [read(step.paths.attempts_at(chunk), f"{hit.attempt}.jsonl") for chunk in hit.place.chunks]
    ended = [found is not None and found.cause is not None and found.last < at for found in past]
    begun = [found for found in past if found is not None]
    return any(ended) or (bool(begun) and all(found.cause in ("done", "gated") for found in begun))


def read(folder: Path, name: str) -> Past | None:
    """An attempt as it wrote itself down."""
    try:
        return read_attempt(str(folder), name)
    except FileNotFoundError:
        return None


def explained(hit: Hit) -> list[str]:
    """What `explain` says of an attempt's end, for each chunk of its task where it names the attempt."""
    said: list[str] = []
    for chunk in hit.place.chunks:
        screen = Console(file=io.StringIO(), width=4000)
        try:
            screen.print(explain(hit.place.run.path, hit.place.step, chunk))
        except ReelmillError as error:
            screen.print(f"{error}")
        assert isinstance(screen.file, io.StringIO)
        for line in screen.file.getvalue().splitlines():
            cells = [cell.strip() for cell in line.strip("│").split("│")]
            if cells[0] == hit.attempt and len(cells) > 6:
                said.append(f"{cells[5]}: {cells[6]}")
    return said


def is_named(hit: Hit, said: list[str], kinds: dict[str, Kind]) -> bool:
    """Whether one of the faults that ended it is what `explain` names."""
    if any(re.search(f"{OUT_OF_TIME}|{FILES}", words) for words in said):
        return True  # it had been told to stop before, and was about to
    return any(re.search(kinds[fault.kind].cause, words) for words in said for fault in hit.faults)


def is_charged(hit: Hit, seen: Seen, kinds: dict[str, Kind]) -> str | None:
    """The cause with which an attempt counted against its chunk though only the cluster ended it; else None.

    Accounting may take some seconds; what nobody could name later either is charged. A kill -9 may be charged, whoever
    sent it.
    """
    if not all(kinds[fault.kind].by_cluster for fault in hit.faults):
        return None
    known = [told for told in seen.of(hit) if told.cause != "lost" or told.at > hit.ended + ACCOUNTED_S]
    return next((told.cause for told in known if told.cause not in FREE | {"killed"}), None)
