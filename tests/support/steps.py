"""Steps made by hand, with finished chunks in them: for tests below the stage runner."""

import time
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, cast

import polars as pl
from omegaconf import OmegaConf

from slurm.record.done import Done
from slurm.record.files import write_table
from slurm.record.manifest import Step
from slurm.record.paths import ROWS, bucket, chunk_name
from slurm.record.plan import Chunking, Columns, Items, Plan, Policy, fingerprint
from slurm.scheduler.cluster import Cluster
from slurm.scheduler.signals import Stop
from stages.core.runner.work import Work

CONF = Path(__file__).parents[2] / "conf"

CHUNKING = Chunking(size=64, n=None, ahead=8, cost=None)
POLICY = Policy(per_task=1, max_error_share=0.5, min_errors=10, flush_s=5.0, max_attempts=6, breaker=5)
ITEMS = Items(timeout_s=60.0, at_once=1, workers=1, mem_gb=None)


def cluster(**changes: Any) -> Cluster:
    """conf/cluster/slurm.yaml with changes."""
    read = OmegaConf.to_container(OmegaConf.load(CONF / "cluster" / "slurm.yaml"), resolve=True)
    return Cluster(**{**dict(read), **changes})  # type: ignore[arg-type]


def plan(**changes: Any) -> Plan:
    """A map step of `n` chunks without inputs; `identity` decides its fingerprint.

    `cost` is its chunking's; keys of its policy may be given by their names.
    """
    identity = changes.get("identity", {"stage": "made", "config.level": 1})
    policy = {field.name: changes.pop(field.name) for field in fields(Policy) if field.name in changes}
    made: dict[str, Any] = {
        "stage": "made",
        "kind": "map",
        "entry": "none:none",
        "n": 4,
        "inputs": [],
        "input_chunks": {},
        "aligned": False,
        "keys": ["video_id"],
        "item_keys": ["video_id"],
        "gives": {"video_id": "String", "value": "String", "error": "String", "error_detail": "String"},
        "tables": {},
        "identity": identity,
        "fingerprint": fingerprint(identity),
        "chunking": replace(CHUNKING, cost=changes.pop("cost", None)),
        "policy": replace(POLICY, **policy),
        "items": ITEMS,
        "columns": Columns({}, {}),
    }
    return Plan(**{**made, **changes})


def made_step(run: Path, name: str = "made", **changes: Any) -> Step:
    """A new step with `plan(**changes)`, over all chunks that its inputs have."""
    step = Step(run, name)
    counts = {source: Step(run, source).plan.n for source in changes.get("inputs", []) if Step(run, source).exists}
    step.create(plan(**{"input_chunks": counts, **changes}))
    return step


def rows_of(step: Step, chunk: int = 0) -> list[dict[str, Any]]:
    """The rows that the step's stage gives for a chunk, with a worker process of its own; nothing is written."""
    work = Work(step, Stop(), cluster(cpus=1, gpus=0))
    try:
        return [row for output in work.run(work.items(chunk)) for row in cast(Any, output.tables[ROWS])]
    finally:
        work.close()


def finish(step: Step, chunk: int, rows: pl.DataFrame, attempt: str = "1_0_0", **tables: pl.DataFrame) -> Done:
    """Makes a chunk done with these rows, as a task does it."""
    part = f"{bucket(chunk)}/{chunk_name(chunk)}.{attempt}.parquet"
    for name, table in {**tables, ROWS: rows}.items():
        write_table(step.paths.part(part, name), table)
    failed = rows.filter(pl.col("error").is_not_null()) if "error" in rows.columns else rows.clear()
    dropped = rows["drop_reason"].count() if "drop_reason" in rows.columns else 0
    done = Done(
        chunk=chunk,
        fingerprint=step.plan.fingerprint,
        part=part,
        tables=sorted(tables),
        sizes=[step.paths.part(part, name).stat().st_size for name in (ROWS, *sorted(tables))],
        rows_in=len(rows),
        rows_out=len(rows),
        rows_kept=len(rows) - len(failed) - dropped,
        rows_failed=len(failed),
        errors={str(code): int(n) for code, n in failed.group_by("error").len().iter_rows()} if len(failed) else {},
        seconds=1.0,
        wasted_s=0.0,
        cpus=1,
        gpus=0,
        attempt=attempt,
        host="here",
        ended=time.time(),
    )
    step.finish(done)
    return done
