"""The attempts at a chunk, as their events tell them; see attempt.py for who writes these."""

import json
import os
import re
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, NamedTuple

from pydantic_core import from_json

from slurm.record.files import names
from slurm.record.manifest import Step
from slurm.record.paths import bucket, chunk_name

TASK = re.compile(r"(\d+_\d+)_(\d+)\.jsonl")  # the file of an attempt in Slurm: array job, index and restart
STARTS = {"event", "job", "restart", "host", "pid", "log", "fingerprint", "node"}  # what its first event tells


class Past(NamedTuple):
    """What the events of an attempt tell; `cause` is None while it runs, and for ever if it was killed."""

    name: str
    job: str  # Slurm's id of the array task, e.g. "123_4"; "local" outside Slurm
    restart: int
    host: str
    pid: int
    started: float
    last: float  # time of the last event
    rows: int
    cause: str | None
    detail: str
    log: str
    fingerprint: str  # "": not known
    node: str
    items: int = 0  # of the chunk; 0 before they were read
    before: int = 0  # of these, items that earlier attempts had finished
    counters: dict[str, float] | None = None  # of the stage's work on the rows that it kept

    @property
    def finished(self) -> int:
        """Items of the chunk that are finished, by it and by attempts before it."""
        return self.before + self.rows

    @property
    def headline(self) -> str:
        """What ended it, in one line."""
        return ": ".join(filter(None, [self.cause or "lost", self.detail.partition("\n")[0]]))

    @property
    def seconds(self) -> float:
        return self.last - self.started

    @property
    def wasted_s(self) -> float:
        """The time of an attempt that ended and kept no row."""
        return 0.0 if self.rows or self.cause in ("done", None) else self.seconds


def history(step: Step, chunk: int) -> list[Past]:
    """The attempts at a chunk of the step as it is now (same fingerprint), oldest first."""
    # text, since where thousands failed making paths costs more than reading them
    folder = f"{step.paths.attempts}/{bucket(chunk)}/{chunk_name(chunk)}"
    past = [read_attempt(folder, name) for name in names(folder)]
    ours = (p for p in past if p and p.fingerprint in ("", step.plan.fingerprint))
    return sorted(ours, key=lambda p: (p.started, p.name))


def histories(step: Step, chunks: Iterable[int]) -> dict[int, list[Past]]:
    """The history of each of these chunks that was tried."""
    return {chunk: past for chunk in chunks if (past := history(step, chunk))}


def _events(path: str) -> list[dict[str, Any]]:
    """The first two and the last three events of an attempt, in order; torn lines are left out."""
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123
        lines = file.read().split(b"\n")[:-1]  # what follows the last newline is torn
    lines = lines[:2] + lines[max(2, len(lines) - 3) :]
    events: list[Any] = []
    try:
        events = from_json(b"[" + b",".join(lines) + b"]")  # at once is faster than line by line
    except ValueError:
        for line in lines:
            with suppress(ValueError):
                events.append(json.loads(line))
    return [event for event in events if type(event) is dict and type(event.get("t")) in (float, int)]


def read_attempt(folder: str, name: str) -> Past | None:
    """An attempt by its file of events; None if that tells nothing, and its name is not that of a task in Slurm."""
    path = f"{folder}/{name}"
    events = _events(path)
    if not events or not events[0].keys() >= STARTS:
        if not (task := TASK.fullmatch(name)):
            return None
        when = events[0]["t"] if events else os.stat(path).st_mtime  # noqa: PTH116
        about = {
            "job": task[1],
            "restart": int(task[2]),
            "host": "",
            "pid": 0,
            "log": "",
            "fingerprint": "",
            "node": "",
        }
        events = [{"event": "start", "t": when, **about}, *events]  # a full disk took its first line
    start, second = events[0], events[min(1, len(events) - 1)]
    last = next((event for event in events[:-4:-1] if event.get("event") == "end"), events[-1])
    return Past(
        name=name.removesuffix(".jsonl"),
        job=start["job"],
        restart=start["restart"],
        host=start["host"],
        pid=start["pid"],
        started=start["t"],
        last=last["t"],
        rows=last.get("rows", 0),
        items=second.get("items", 0),
        before=second.get("before", 0),
        cause=last.get("cause"),
        detail=last.get("detail", ""),
        log=start["log"],
        fingerprint=start["fingerprint"],
        node=start["node"],
        counters=last.get("counters"),
    )


def alive(host: str, pid: int) -> bool | None:
    """Whether a process on this machine lives; None for another machine's, which only heartbeats tell."""
    return os.path.exists(f"/proc/{pid}") if host == os.uname().nodename else None  # noqa: PTH110 (asked of thousands)
