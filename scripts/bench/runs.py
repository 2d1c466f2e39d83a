"""Runs of the sizes that bench_slurm.py measures, and what is measured inside a process.

Reads and writes FOLDER/bench/{ingest,noop}; prints what it measured, in seconds, as one line of JSON.

    python -m scripts.bench.runs FUNCTION FOLDER
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from time import perf_counter
from typing import Any
from unittest.mock import patch

import polars as pl
import submitit

from scripts.bench.inputs import noop as bench_noop
from slurm.control.resume import resume, save_cluster
from slurm.control.submit import freeze, submit
from slurm.record.files import bucket, chunk_name, write_table
from slurm.record.manifest import Done, Step
from slurm.task.attempt import Attempt
from stages.core.runner.pipeline import Wanted, plan_all, start
from stages.core.runner.points import points_of
from stages.core.runner.words import read_line
from stages.core.schema.catalogue import CATALOGUE

CONF = Path(__file__).parent / "conf"  # of the stage `noop`
ITEMS, CHUNKS, STATUS_CHUNKS, OVERHEAD_ITEMS = 1_000_000, 10_000, 100_000, 10_000
TASKS, ROUNDS = 1_000, 3  # few, since MaxJobCount (10,000 as shipped) counts cancelled tasks too, for five minutes
Seconds = dict[str, float]


def wanted(stage: str, *words: str) -> Wanted:
    """A step by the words of `python -m <stage>`; what it is behind must be there."""
    return points_of(read_line([f"--config-dir={CONF}", "run=bench", *words], stage))[0].order[-1]


def noop(folder: Path, *words: str) -> Wanted:
    """The step `noop` behind `ingest`; it has only the keys that every stage has."""
    return wanted(bench_noop.STAGE.name, f"runs={folder}", *words)


def planned(asked: Wanted) -> Step:
    """The step, on disk."""
    step = Step(asked.run, asked.name)
    step.create(plan_all([asked])[asked.name])
    save_cluster(step, asked.common.cluster)
    return step


def record(step: Step, chunk: int, rows: int, **other: Any) -> Done:
    """The done record of a chunk, as its attempt would have written it."""
    part = f"{bucket(chunk)}/{chunk_name(chunk)}.1234_{chunk}_0.parquet"
    about: dict[str, Any] = {"rows_in": rows, "rows_out": rows, "rows_kept": rows, "rows_failed": 0, "errors": {}}
    times: dict[str, Any] = {"seconds": 61.7, "wasted_s": 0.0, "ended": time.time(), "cpus": 2, "gpus": 0}
    where: dict[str, Any] = {"attempt": f"1234_{chunk}_0", "host": os.uname().nodename, "part": part, "tables": []}
    return Done(**{"chunk": chunk, "fingerprint": step.plan.fingerprint, **about, **times, **where, **other})


def catalogue(folder: Path, items: int = ITEMS) -> Seconds:
    """A done `ingest` of that many made-up videos between 1 kB and 1 GB."""
    source = wanted("stages.ingest", f"runs={folder}", "input.path=/data/videos.parquet")
    step = planned(source)
    freeze(step, [[0]], source.common.cluster, seen=0, size=1, why={})
    size = (pl.int_range(items, eager=True).hash(1) % 1_000_000 + 1).cast(pl.Int64) * 1000
    name = pl.int_range(items, eager=True).cast(pl.String).str.zfill(7)
    filled = {"bytes": size, "video_id": "video-" + name, "path": "/data/videos/" + name + ".mp4"}
    done = record(step, 0, items)
    write_table(
        step.part_path(done.part), pl.concat([pl.DataFrame(schema=CATALOGUE), pl.DataFrame(filled)], how="diagonal")
    )
    step.finish(done)
    return {}


def plan(folder: Path) -> Seconds:
    """The plan, the borders of its chunks, and a frozen submission of a task a chunk."""
    times = {"start": perf_counter()}
    asked = noop(folder, f"chunks.size={ITEMS // CHUNKS}", "chunks.cost=bytes")
    times["config"] = perf_counter()
    step = planned(asked)
    times["plan"] = perf_counter()
    cut = step.borders().borders
    times["borders"] = perf_counter()
    freeze(step, [[c] for c in range(step.plan.n)], asked.common.cluster, seen=0, size=TASKS, why={})
    times["freeze"] = perf_counter()
    assert (len(cut), cut[-1]) == (CHUNKS + 1, ITEMS)
    return {after: times[after] - times[before] for before, after in pairwise(times)}


def step_of_many(folder: Path) -> Seconds:
    """A step of STATUS_CHUNKS chunks: of twenty, twelve done, three failed, one active, four pending."""
    catalogue(folder, ITEMS)
    asked = noop(folder, f"chunks.n={STATUS_CHUNKS}", "chunks.cost=bytes")
    step = planned(asked)
    freeze(step, [[c] for c in range(STATUS_CHUNKS)], asked.common.cluster, seen=0, size=TASKS, why={})
    rows = pl.DataFrame({"video_id": ["video-0"], "same": ["x"], "error": [None], "error_detail": [None]})
    for chunk in range(STATUS_CHUNKS):
        kind = chunk % 20
        if kind < 12:
            done = record(step, chunk, 10, rows_failed=kind == 0, errors={"corrupt": 1} if kind == 0 else {})
            if chunk % 1000 == 0:
                first = step.part_path(done.part)
                write_table(first, rows)
            else:
                os.link(first, step.part_path(done.part))
            step.finish(done)
            tried(step, chunk, 0, "done", "")
        elif kind == 12:
            tried(step, chunk, 0, "exception", f"RuntimeError: item {chunk} is odd")
            tried(step, chunk, 1, "exception", f"RuntimeError: item {chunk} is odd")
        elif kind < 15:
            tried(step, chunk, 0, "out_of_memory", "MemoryError: ")
        elif kind == 15:
            tried(step, chunk, 0, None, "")
    return {}


def tried(step: Step, chunk: int, restart: int, cause: str | None, detail: str) -> None:
    """The events of an attempt, with twenty heartbeats; one without a cause runs still (it is process 1)."""
    attempt = Attempt(step, chunk, f"local{chunk:08x}_{chunk}_{restart}", {})
    here = {"job": "local", "restart": 0, "host": os.uname().nodename, "node": os.uname().nodename, "pid": 1}
    log = str(step.root / "logs" / "0000" / f"{chunk}_0_log.out")
    why = {"submission": "0000", "index": chunk, "fingerprint": step.plan.fingerprint, "log": log, "end": None}
    attempt.event("start", **here, **why)
    attempt.event("items", items=20, before=0)
    lines = "".join(f'{{"event": "beat", "t": {time.time():.3f}, "rows": {i}, "failed": 0}}\n' for i in range(20))
    with attempt.events_path.open("a") as file:
        file.write(lines)
    if cause is not None:
        attempt.event("end", cause=cause, detail=detail, rows=19)


def behind(folder: Path) -> Seconds:
    """A second step of STATUS_CHUNKS chunks, aligned with the first, with nothing tried."""
    planned(noop(folder, "step=behind", "after=noop", "chunks.align=true"))
    return {}


def resuming(folder: Path) -> Seconds:
    """What `python -m slurm resume` does of each step before it submits: the call that submits is left out."""
    steps, before = ["ingest", "noop", *(["behind"] if (folder / "bench" / "behind").exists() else [])], perf_counter()
    with patch("slurm.control.resume.submit", return_value=[]):
        results = resume(folder / "bench", steps, {"executor": "slurm"})
    assert len(results["noop"].submitted) == STATUS_CHUNKS * 6 // 20
    return {"resume": perf_counter() - before}


def submission(folder: Path) -> Seconds:
    """An array of TASKS held tasks, by us and by submitit in turn; all are cancelled again."""
    catalogue(folder, TASKS)
    asked = noop(folder, f"chunks.n={TASKS}", "cluster=devcluster", "+cluster.extra.hold=true")
    step, cluster, tasks = planned(asked), asked.common.cluster, [[chunk] for chunk in range(TASKS)]
    os.environ.update(cluster.env)
    found: Seconds = {}
    for number in range(ROUNDS):
        before = perf_counter()
        jobs = [w.job for w in submit(step, tasks, cluster, after=lambda window: None, seen=number, why={})]
        found[f"ours {number}"] = perf_counter() - before
        subprocess.run(["scancel", *jobs], check=True)
        before = perf_counter()
        theirs = submitit.SlurmExecutor(folder / f"submitit{number}")
        theirs.update_parameters(time=cluster.minutes, mem="2G", additional_parameters={"hold": True})
        made = theirs.map_array(bench_noop.idle, range(TASKS))
        found[f"submitit {number}"] = perf_counter() - before
        subprocess.run(["scancel", made[0].job_id.split("_")[0]], check=True)
    return found


def overhead(folder: Path) -> Seconds:
    """One chunk of OVERHEAD_ITEMS items through two worker processes, in a local task."""
    catalogue(folder, OVERHEAD_ITEMS)
    asked = noop(folder, "chunks.n=1")
    start([asked], plan_all([asked]))
    done = Step(asked.run, asked.name).done(0)
    assert done is not None
    assert done.rows_kept == OVERHEAD_ITEMS
    return {"chunk": done.seconds}


FUNCTIONS: list[Callable[[Path], Seconds]] = [catalogue, plan, step_of_many, behind, resuming, submission, overhead]

if __name__ == "__main__":
    function = next(f for f in FUNCTIONS if f.__name__ == sys.argv[1])
    print(json.dumps(function(Path(sys.argv[2]))))
