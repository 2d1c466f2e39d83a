"""Steps made by hand, with finished chunks in them: for tests below the stage runner."""

import time
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from slurm.record.files import bucket, chunk_name, write_table
from slurm.record.manifest import ROWS, Done, Plan, Step, fingerprint
from slurm.scheduler.cluster import Cluster

CONF = Path(__file__).parents[2] / "conf"

SETTINGS: dict[str, Any] = {
    "columns": {},
    "reads": {},
    "cost": None,
    "per_task": 1,
    "max_error_share": 0.5,
    "min_errors": 10,
    "flush_s": 5.0,
    "max_attempts": 6,
    "breaker": 5,
    "timeout_s": 60.0,
    "at_once": 1,
    "workers": 1,
    "mem_gb": None,
}


def cluster(**changes: Any) -> Cluster:
    """conf/cluster/slurm.yaml with changes."""
    return Cluster(**{**yaml.safe_load((CONF / "cluster" / "slurm.yaml").read_text()), **changes})


def plan(settings: dict[str, Any] | None = None, **changes: Any) -> Plan:
    """A map step of `n` chunks without inputs; `identity` decides its fingerprint."""
    identity = changes.get("identity", {"stage": "made", "config.level": 1})
    made: dict[str, Any] = {
        "stage": "made",
        "kind": "map",
        "entry": "none:none",
        "n": 4,
        "inputs": [],
        "aligned": False,
        "key": "video_id",
        "item_key": "video_id",
        "gives": {"video_id": "String", "value": "String", "error": "String", "error_detail": "String"},
        "tables": [],
        "identity": identity,
        "fingerprint": fingerprint(identity),
        "settings": {**SETTINGS, **(settings or {})},
    }
    return Plan(**{**made, **changes})


def made_step(run: Path, name: str = "made", **changes: Any) -> Step:
    """A new step with `plan(**changes)`."""
    step = Step(run, name)
    step.create(plan(**changes))
    return step


def finish(step: Step, chunk: int, rows: pl.DataFrame, attempt: str = "1_0_0", **tables: pl.DataFrame) -> Done:
    """Makes a chunk done with these rows, as a task does it."""
    part = f"{bucket(chunk)}/{chunk_name(chunk)}.{attempt}.parquet"
    for name, table in {**tables, ROWS: rows}.items():
        write_table(step.part_path(part, name), table)
    failed = rows.filter(pl.col("error").is_not_null()) if "error" in rows.columns else rows.clear()
    dropped = rows["drop_reason"].count() if "drop_reason" in rows.columns else 0
    done = Done(
        chunk=chunk,
        fingerprint=step.plan.fingerprint,
        part=part,
        tables=sorted(tables),
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
