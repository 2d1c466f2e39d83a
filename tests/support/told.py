"""A step whose tasks squeue and sacct tell of by hand: for what a real Slurm does rarely, or after a long time."""

import json
import time
from pathlib import Path

from support.steps import cluster, made_step

from slurm.control.submit import freeze
from slurm.control.survey import survey
from slurm.record.formats import write_record
from slurm.record.submission import Jobs


class Told:
    """A step with a submission, job 7, and what squeue and sacct say of it."""

    def __init__(self, folder: Path, *tasks: list[int]) -> None:
        self.folder, self.step = folder, made_step(folder / "r", n=sum(map(len, tasks)))
        name = freeze(self.step, list(tasks), cluster(), seen=0, size=9, why={})
        write_record(self.step.paths.jobs(name), Jobs([("7", 0, 9)]))
        for program in ("squeue", "sacct", "scancel"):
            (folder / program).write_text(
                f"#!/bin/sh\necho $* >> {folder}/{program}.asked\ncat {folder}/{program}.txt\n"
            )
            (folder / program).chmod(0o755)
            self.say(program)

    def say(self, program: str, *lines: str, more: bool = False) -> None:
        """What a program prints; with `more` after what it prints already."""
        with (self.folder / f"{program}.txt").open("a" if more else "w") as said:
            said.writelines(f"{line}\n" for line in lines)

    def asked(self, program: str) -> list[str]:
        """The words with which a program was called."""
        return (self.folder / f"{program}.asked").read_text().split()

    def tried(
        self, chunk: int, name: str, cause: str | None, *, ago_s: float = 0.0, log: str = "", detail: str = ""
    ) -> None:
        """An attempt that began 10 s before that time, and has ended then if it has a cause."""
        job, _, restart = name.rpartition("_")
        about = {"job": job, "restart": int(restart), "host": "far", "node": "n1", "log": log, "pid": 1}
        last_s = time.time() - ago_s
        events = [
            {"event": "start", "t": last_s - 10, **about, "fingerprint": self.step.plan.fingerprint},
            {"event": "end", "t": last_s, "cause": cause, "detail": detail, "rows": 1}
            if cause
            else {"event": "beat", "t": last_s},
        ]
        path = self.step.paths.attempts_at(chunk) / f"{name}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(event) + "\n" for event in events))

    def causes(self, chunk: int) -> list[str | None]:
        return [past.cause for past in survey(self.step).past.get(chunk, [])]
