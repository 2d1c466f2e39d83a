"""A stage: what it is (`Stage`), and how its config becomes the plan of a step."""

import hashlib
import importlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter
from pydantic.dataclasses import dataclass as checked

from slurm.errors import InputError
from slurm.record import chunks
from slurm.record.manifest import Plan, Step, fingerprint
from slurm.scheduler.cluster import Cluster, Count, Size, Whole
from stages.core.schema.types import Schema

STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True)
class Stage:
    """What is done to rows.

    map     `run(rows, config)` yields Outputs: every item (a row of its input) once, with its rows in each table
    reduce  `run(steps, config, folder)` gives its tables from those of whole steps
    """

    name: str
    kind: Literal["map", "reduce"]
    config: type
    run: Callable[..., Any]
    gives: Schema  # columns that it adds to the keys of its input
    needs: Sequence[str] | Callable[[Any], Sequence[str]] = ()  # columns of its input, or which ones a config asks for
    reads: Sequence[str] = ()  # side tables of steps before it
    key: str | None = None  # the column that names a row it gives; None: the one that names its items
    tables: Mapping[str, Schema] = field(default_factory=dict)  # side tables
    check: Callable[[Any], None] = lambda config: None  # raises InputError for what can be told before submission
    files: Callable[[Any], Sequence[str]] = (
        lambda config: ()
    )  # whose content decides the result, as a config names them
    ways: Sequence[str] = ()  # keys of its config that decide no result, only how it is reached
    # whether a config asks model servers; it has `pool` and `engine` then, of which only the model decides a result
    pool: Callable[[Any], bool] = lambda config: False
    shows: str | None = None  # a file in the step's folder that a person wants to open
    version: int = 1  # raised when the same config gives another result


@checked(frozen=True, config=STRICT)
class Chunks:
    size: Count  # items a chunk
    n: Count | None  # number of chunks, instead of size
    ahead: Count  # number of chunks where the input is not there yet when the step is submitted
    per_task: Count  # chunks that one array task does
    align: bool  # take over the chunks of the input
    cost: str | None  # column of the input by which chunks are balanced; null: by count
    max_error_share: Annotated[float, Field(ge=0, le=1)]  # a chunk with a larger share of failed items fails
    min_errors: Whole  # … but not with fewer failed items than this
    flush_s: Annotated[float, Field(ge=0)]  # finished rows are on disk after so many seconds


@checked(frozen=True, config=STRICT)
class Items:
    timeout_s: Size
    at_once: Count  # items that a worker process works on at the same time, in threads
    workers: Count | None  # worker processes of a task; null: cluster.cpus
    mem_gb: Size | None  # of a worker; null: a share of cluster.mem_gb


@checked(frozen=True, config=STRICT)
class Retry:
    max_attempts: Count
    breaker: Count  # chunks that fail alike before the rest of a submission is not tried


@checked(frozen=True, config=STRICT)
class Common:
    """The keys that every stage has. None of them decides a result."""

    run: str
    runs: str
    step: str
    after: str | list[str] | None  # steps that it reads; "all": every step of the run
    dry_run: bool
    overwrite: bool | list[str]  # of steps that exist: all of these, or those that it names
    extend: bool  # read the source again and add what is new
    chunks: Chunks
    items: Items
    retry: Retry
    cluster: Cluster


# settings of a step that may change while it stands
WAYS = ("max_error_share", "min_errors", "flush_s", *Retry.__dataclass_fields__, *Items.__dataclass_fields__)


def load(name: str) -> Stage:
    """The stage of this name, or of a module anywhere on PYTHONPATH; its heavy rooms are not imported."""
    stage: Stage = importlib.import_module(name if "." in name else f"stages.{name}").STAGE
    return stage


def main(stage: Stage) -> None:
    """The command `python -m stages.<name>`: exits with 0 (done or submitted), 1 (chunks failed) or 2 (bad input)."""
    from stages.core.runner.command import command  # here, since tasks and their workers need no Hydra

    command(stage.name)


def make_plan(stage: Stage, common: Common, config: Any, inputs: Sequence[str], plans: Mapping[str, Plan]) -> Plan:
    """The plan of a step behind its inputs (the one whose rows are its items first); `plans` are those before it."""
    upstream = {name: plans[name] for name in inputs}
    run = (Path(common.runs) / common.run).absolute()
    base = next(iter(upstream.values()), None) if stage.kind == "map" else None
    if stage.kind == "map" and base is None:
        raise InputError(f"step {common.step} needs an input: say after=STEP")
    aligned = base is not None and common.chunks.align and base.kind == "map" and common.chunks.n is None
    needs = stage.needs(config) if callable(stage.needs) else stage.needs
    columns = {c: giver(c, inputs, plans, common.step, lambda plan: plan.gives) for c in needs} if base else {}
    reads = {t: giver(t, inputs, plans, common.step, lambda plan: plan.tables) for t in stage.reads}
    if base and not aligned and common.chunks.cost:
        giver(common.chunks.cost, inputs, plans, f"{common.step} (chunks.cost, a number)", numbers)
    item_key = base.key if base else "item"
    keys = [*({stage.key} if stage.key else ()), *(k for k in ("clip_id", "video_id") if base and k in base.gives)]
    gives = {**dict.fromkeys(keys, "String"), **{k: str(v) for k, v in stage.gives.items()}}
    gives |= {"error": "String", "error_detail": "String"}
    values = TypeAdapter(stage.config).dump_python(config, mode="json")
    asks = stage.pool(config)
    model = {key: values["pool"][key] for key in ("model", "revision")} if asks else {}
    ways = [*stage.ways, *(key for key in ("pool", "engine") if key in values)]
    identity = {
        "stage": stage.name,
        "version": stage.version,
        **{f"config.{k}": v for k, v in flat({k: v for k, v in values.items() if k not in ways}).items()},
        **{f"config.pool.{k}": v for k, v in model.items()},
        **{f"file.{path}": content_hash(path) for path in stage.files(config)},
        **{f"upstream.{name}": plan.fingerprint for name, plan in upstream.items()},
    }
    return Plan(
        stage=stage.name,
        kind=stage.kind,
        entry="stages.core.runner.work:Work",
        n=chunk_count(stage, common, aligned, run, upstream),
        inputs=list(upstream),
        aligned=aligned,
        key=stage.key or item_key,
        item_key=item_key,
        gives=gives,
        identity=identity,
        fingerprint=fingerprint(identity),
        config=values,
        tables=sorted(stage.tables),
        settings={
            "columns": columns,
            "reads": reads,
            **{
                key: getattr(common.chunks, key)
                for key in ("cost", "per_task", "max_error_share", "min_errors", "flush_s")
            },
            **asdict(common.retry),
            **asdict(common.items),
            "pool": config.pool.name if asks else None,
        },
        ways=[*ways, *WAYS, "pool"],
    )


def content_hash(path: str) -> str:
    """16 hex digits of a file that the config names; an InputError if it cannot be read."""
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:16]
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror} (seen from {Path.cwd()})") from error


def giver(
    name: str, inputs: Sequence[str], plans: Mapping[str, Plan], step: str, has: Callable[[Plan], Collection[str]]
) -> str:
    """The nearest step behind `inputs` that gives a column or table."""
    queue = list(inputs)
    for candidate in queue:
        if name in has(plans[candidate]):
            return candidate
        queue += [further for further in plans[candidate].inputs if further not in queue]
    raise InputError(f"step {step} needs {name!r}, which none of the steps before it gives: {', '.join(queue)}")


def numbers(plan: Plan) -> list[str]:
    """The columns of a step that hold numbers."""
    return [column for column, kind in plan.gives.items() if kind.startswith(("Int", "UInt", "Float"))]


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested keys joined by dots."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        found |= flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) and value else {f"{prefix}{key}": value}
    return found


def chunk_count(stage: Stage, common: Common, aligned: bool, run: Path, upstream: Mapping[str, Plan]) -> int:
    if stage.kind == "reduce":
        return 1
    name, base = next(iter(upstream.items()))
    if aligned:
        return base.n
    if common.chunks.n is not None:
        return common.chunks.n
    done = Step(run, name).all_done() if (run / name / "step.json").exists() else []
    known = len(done) == base.n
    return chunks.count(sum(d.rows_kept for d in done), common.chunks.size) if known else common.chunks.ahead
