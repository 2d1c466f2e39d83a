"""A storm over runs on the dev cluster: faults at random, plain resumes, then everything is held against its bar.

Kills, cancels, requeues, preempts, suspends and stops tasks, loses nodes and daemons, fills the disk, tears and deletes
files, gives commands twice; see tasks.py, files.py and services.py. The same seed gives the same kinds in the same
order, as far as there is something to do them to.

    python -m scripts.bench storm seed=1 minutes=30 [without=tear_part,tear_side] [folder=DIR]

The report (every fault, every end, every trouble) lies in the folder as storm-SEED.json.
"""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from random import Random

from scripts.bench.lines import ROOT, Line
from scripts.bench.storm import files, services, tasks
from scripts.bench.storm.causes import Seen
from scripts.bench.storm.report import Report, judged
from scripts.bench.storm.runs import Command, Size, StormRun, environment, new_run
from scripts.bench.storm.seen import ask
from scripts.bench.storm.seen import tasks as queued
from scripts.bench.storm.state import Fault, Kind, Storm

KINDS: dict[str, Kind] = {**tasks.KINDS, **files.KINDS, **services.KINDS}
EVERY_S = 1.0  # between two faults, on the mean
RESUME_S = (10.0, 20.0)  # between two resumes of a run
BUSY = 14  # tasks that run or could: with fewer, another run begins
IN_VAIN = 6  # resumes in a row after which nothing runs or could: the run needs a hand
DISK_MIB = 400


SMALL = Size(items=12, chunks=4, poisons=("crash", "bad"), runs=1, finish_s=120.0)


def measure(
    folder: Path, *, seed: int = 1, minutes: float = 30.0, without: str = "", small: bool = False
) -> Iterator[Line]:
    minutes, size = (0.3, SMALL) if small else (minutes, Size())
    left_out = [name for name in without.split(",") if name]
    if unknown := [name for name in left_out if name not in KINDS]:
        raise SystemExit(f"without={unknown[0]}: no such kind of fault; there are: {', '.join(KINDS)}")
    folder = Path(folder).absolute()
    up = subprocess.run([ROOT / "scripts" / "devcluster", "up"], capture_output=True, text=True, check=False)
    if up.returncode:
        yield Line("storm", "skipped", how=up.stderr.strip().rpartition("\n")[2])
        return
    state = Path(up.stdout.rpartition("SLURM_CONF=")[2].strip()).parent
    environment(state)
    place = folder / f"storm-{seed}-{os.getpid()}"
    place.mkdir(parents=True)
    print(f"storm seed={seed} minutes={minutes:g}, on {state}", flush=True)
    disk = small_disk(place / "disk")
    storm, seen = Storm(state, disk, Random(f"{seed} targets")), Seen()
    try:
        began = time.time()
        kinds = in_turn(Random(f"{seed} kinds"), left_out)
        rage(storm, seen, place, kinds=kinds, minutes=minutes, size=size)
        raged_s = time.time() - began
        calm(storm, seen, size.finish_s)
        report = Report(seed, raged_s, storm, seen, KINDS)
        lines = list(report.lines())
        report.write(folder / f"storm-{seed}.json")
        if judged(lines) and disk:
            shutil.copytree(disk, place / "runs", dirs_exist_ok=True)
    finally:
        storm.heal(all_of_it=True)  # of one that was interrupted
        if disk:
            subprocess.run(["umount", "-l", disk], check=False)
    yield from lines
    if not small and (broken := judged(lines)):
        raise SystemExit(f"seed={seed}: bars that do not hold: {'; '.join(broken)}; see {folder}/storm-{seed}.json")


def small_disk(folder: Path) -> Path | None:
    """A small disk of its own for the runs; None where nothing may be mounted."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode == 0:
        return folder
    print("nothing may be mounted here: the storm leaves the full disk out", flush=True)
    return None


def rage(storm: Storm, seen: Seen, place: Path, *, kinds: Iterator[Kind], minutes: float, size: Size) -> None:
    """Begins runs, resumes them as `watch` would, and does a fault every second or so, until the time is over."""
    end = time.time() + 60 * minutes
    last_run = end - min(90.0, 20 * minutes)  # so that not too much is left then
    next_fault = time.time() + 3.0
    looked = 0.0
    while (now := time.time()) < end:
        storm.heal()
        if now < storm.silent_until:
            time.sleep(0.5)
            continue
        tasks.note_eaten(storm)
        if now - looked > 3.0:
            looked = now
            if now < last_run:
                keep_busy(storm, place, size)
            tasks.start_requeued()
            resume_due(storm, seen)
        if now >= next_fault:
            next_fault = now + storm.chance.expovariate(1 / EVERY_S)
            fault = befall(storm, next(kinds))
            if fault is not None:
                storm.faults.append(fault)
                note(fault, place / "faults.jsonl")
        time.sleep(max(0.05, min(0.5, next_fault - time.time())))


def in_turn(chance: Random, without: list[str]) -> Iterator[Kind]:
    """Kinds of faults, one after another for ever, each as often as its share says."""
    kinds = [kind for name, kind in KINDS.items() if name not in without]
    while True:
        yield chance.choices(kinds, [kind.share for kind in kinds])[0]


def befall(storm: Storm, kind: Kind) -> Fault | None:
    """Does a fault, unless one of the whole cluster lasts and this would be another."""
    if kind.alone and time.time() < storm.busy_until:
        return None
    return kind.act(storm)


def note(fault: Fault, log: Path) -> None:
    """Writes a fault down at once: the report comes in the end, and a storm may be interrupted."""
    with log.open("a") as file:
        print(json.dumps(asdict(fault)), file=file)


def keep_busy(storm: Storm, place: Path, size: Size) -> None:
    """Begins another run when few tasks are left that could run."""
    unfinished = [run for run in storm.runs if not run.complete]
    could = [task for task in queued("RUNNING,PENDING,SUSPENDED") if task.reason != "Dependency"]
    starting = any(not run.step("third").exists for run in unfinished)
    if len(could) < BUSY and len(unfinished) < size.runs and not starting:
        runs, faults = (storm.disk or place) / "runs", place / "faults"
        run = new_run(len(storm.runs), size, storm.chance, runs=runs, place=faults, commands=storm.commands)
        storm.runs.append(run)
        run.submit()
        run.next_resume = time.time() + RESUME_S[1]


def resume_due(storm: Storm, seen: Seen) -> None:
    """Resumes the runs whose turn it is, at most two at once; notes what Slurm and the runs tell before."""
    note_ends(storm.commands)
    for run in storm.runs:
        running = sum(command.process.poll() is None for command in storm.commands)
        if run.complete or running > 1 or time.time() < run.next_resume:
            continue
        look(run, seen)
        if not run.complete:
            run.resume()
        run.next_resume = time.time() + storm.chance.uniform(*RESUME_S)


def look(run: StormRun, seen: Seen) -> None:
    """Notes why attempts ended, as far as it can be told now, and whether the run is finished, or rests unfinished."""
    surveys = run.surveys()
    seen.note(run, surveys)
    run.complete = len(surveys) == 4 and all(s.complete() and not s.redone for s in surveys.values())
    states = {state for found in surveys.values() for state in found.active.values()}
    waits = all("Held" in state or "Dependency" in state for state in states)  # for ever, if nobody lends a hand
    rests = not run.complete and waits and all(found.queue_known for found in surveys.values())
    run.rested = run.rested + 1 if rests else 0


def note_ends(commands: list[Command]) -> None:
    """Keeps what commands that have ended said."""
    for command in commands:
        if command.status is None and command.process.poll() is not None:
            command.said = command.process.communicate()[0]
            command.status = command.process.returncode


def calm(storm: Storm, seen: Seen, finish_s: float) -> None:
    """Heals everything, resumes what is unfinished until all is done or the time is over, then cleans."""
    storm.heal(all_of_it=True)
    time.sleep(max(0.0, storm.busy_until - time.time()))
    subprocess.run([ROOT / "scripts" / "devcluster", "up"], check=True, stdout=subprocess.DEVNULL)
    for command in storm.commands:
        command.process.wait()
    end = time.time() + finish_s
    for run in storm.runs:  # those that seem to be finished, too: only a resume looks at the sizes of files
        look(run, seen)
        run.resume().process.wait()
        run.complete, run.rested = False, 0
    note_ends(storm.commands)
    while time.time() < end and (left := [run for run in storm.runs if not run.complete and run.rested < IN_VAIN]):
        tasks.start_requeued()
        tasks.note_eaten(storm)
        for run in left:
            look(run, seen)  # before the resume: afterwards its chunks are in the queue again
            if not run.complete:
                run.resume().process.wait()
                note_ends(storm.commands)
        time.sleep(3)
    for task in queued("RUNNING,PENDING,SUSPENDED"):
        ask("scancel", task.id)
    time.sleep(7)  # their processes have KillWait to end
    for run in storm.runs:
        run.send("slurm", "clean").process.wait()
    note_ends(storm.commands)
