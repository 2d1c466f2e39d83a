"""A stage: what it is (`Stage`), how its command starts (`main`), and how its config becomes the plan of a step."""

import difflib
import hashlib
import importlib
import logging
import os
import re
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import hydra
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException
from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked

from slurm import chunks
from slurm.cluster import Cluster
from slurm.errors import InputError, ReelmillError
from slurm.manifest import Plan, Step, fingerprint
from stages.core.schema import Schema

CONF = str(Path(__file__).parents[2] / "conf")
FREE_KEYS = r"^(steps\.|cluster\.extra\b|cluster\.env\b)"  # Hydra knows no keys below these; what reads them checks
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
    shows: str | None = None  # a file in the step's folder that a person wants to open
    version: int = 1  # raised when the same config gives another result


@checked(frozen=True, config=STRICT)
class Chunks:
    size: int  # items a chunk
    n: int | None  # number of chunks, instead of size
    ahead: int  # number of chunks where the input is not there yet when the step is submitted
    per_task: int  # chunks that one array task does
    align: bool  # take over the chunks of the input
    cost: str | None  # column of the input by which chunks are balanced; null: by count
    max_error_share: float  # a chunk with a larger share of failed items fails
    min_errors: int  # … but not with fewer failed items than this
    flush_s: float  # finished rows are on disk after so many seconds


@checked(frozen=True, config=STRICT)
class Items:
    timeout_s: float
    at_once: int  # items that a worker process works on at the same time, in threads
    workers: int | None  # worker processes of a task; null: cluster.cpus
    mem_gb: float | None  # of a worker; null: a share of cluster.mem_gb


@checked(frozen=True, config=STRICT)
class Retry:
    max_attempts: int
    breaker: int  # chunks that fail alike before the rest of a submission is not tried


@checked(frozen=True, config=STRICT)
class Common:
    """The keys that every stage has. None of them decides a result."""

    run: str
    runs: str
    step: str
    after: str | list[str] | None  # steps that it reads; "all": every step of the run
    dry_run: bool
    overwrite: bool
    chunks: Chunks
    items: Items
    retry: Retry
    cluster: Cluster


# settings of a step that may change while it stands
WAYS = ("max_error_share", "min_errors", "flush_s", *Retry.__dataclass_fields__, *Items.__dataclass_fields__)


def common_key(override: str) -> str | None:
    """The common key that a word of the command line sets: `chunks` of `chunks.size=2`; None if it is another."""
    key = override.lstrip("+~").partition("=")[0].partition(".")[0].partition("@")[0]
    return key if key in Common.__dataclass_fields__ else None


def load(name: str) -> Stage:
    """The stage of this name, or of a module anywhere on PYTHONPATH; its heavy rooms are not imported."""
    stage: Stage = importlib.import_module(name if "." in name else f"stages.{name}").STAGE
    return stage


def main(stage: Stage) -> None:
    """The command `python -m stages.<name>`: exits with 0 (done or submitted), 1 (chunks failed) or 2 (bad input)."""
    command(stage.name, lambda cfg: launch(stage, cfg))


def command(config_name: str, do: Callable[[DictConfig], int]) -> None:
    """Composes the config and does something with it; every error that is the user's to mend is one message."""
    sys.argv[1:] = [re.sub(FREE_KEYS, r"++\1", word) for word in sys.argv[1:]]
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    os.environ["HYDRA_FULL_ERROR"] = "1"  # errors come here instead of Hydra's own report
    OmegaConf.register_new_resolver("cpu_count", lambda: len(os.sched_getaffinity(0)), replace=True)
    status = 0

    def run(cfg: DictConfig) -> None:
        nonlocal status
        with told() as refused:  # here, so that Hydra does not report it in its own way first
            status = max(status, do(cfg))
        status = max(status, refused())

    with told() as refused:
        hydra.main(config_path=CONF, config_name=config_name, version_base="1.3")(run)()
    sys.exit(max(status, refused()))


@contextmanager
def told() -> Iterator[Callable[[], int]]:
    """Prints an error that is the user's to mend; gives a function that tells the exit status: 2 if there was one."""
    status = 0
    try:
        yield lambda: status
    except (ReelmillError, HydraException, OmegaConfBaseException) as error:
        print(f"error: {explained(error)}", file=sys.stderr)
        status = 2
    except PermissionError as error:
        print(f"error: no permission to write {error.filename}: choose another place with runs=DIR", file=sys.stderr)
        status = 2


def explained(error: BaseException) -> str:
    """What a person reads: our own words as they stand; of Hydra's, which key is unknown and which are valid."""
    if isinstance(error, ReelmillError):
        return str(error)
    cause = error if isinstance(error, OmegaConfBaseException) else error.__cause__
    if isinstance(cause, ConfigKeyError | ConfigAttributeError) and isinstance(cause.parent_node, DictConfig):
        valid = [str(key) for key in cause.parent_node if key != "hydra"]
        near = difflib.get_close_matches(str(cause.key), valid, 1)
        meant = f" (did you mean {near[0]}?)" if near else ""
        return f"unknown key {cause.full_key}{meant}; valid there: {', '.join(valid)}"
    text = str(error).strip()
    return f"{text}: {cause}" if isinstance(error, HydraException) and cause and str(cause) not in text else text


def read(stage: Stage, cfg: DictConfig) -> tuple[Common, Any]:
    """The keys that every stage has, and the stage's own as its config class."""
    try:
        plain = OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        raise InputError(f"{error.full_key}: no value; say {error.full_key}=…") from error
    assert isinstance(plain, dict)
    names = set(Common.__dataclass_fields__)
    own = {str(k): v for k, v in plain.items() if k not in names}
    common = validate(Common, {str(k): v for k, v in plain.items() if k in names}, stage.name)
    if not common.run or "/" in common.run or common.run.startswith("."):
        raise InputError(f"run={common.run!r} is not the name of a directory in {common.runs}/")
    return common, validate(stage.config, own, stage.name)


def validate(kind: type, values: dict[str, Any], where: str) -> Any:
    try:
        return TypeAdapter(kind).validate_python(values)
    except ValidationError as error:
        lines = [f"{'.'.join(str(p) for p in e['loc'])}: {e['msg']}, got {e['input']!r}" for e in error.errors()]
        raise InputError(f"config of {where}: " + "; ".join(lines)) from error


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
    item_key = base.key if base else "item"
    keys = [*({stage.key} if stage.key else ()), *(k for k in ("clip_id", "video_id") if base and k in base.gives)]
    gives = {**dict.fromkeys(keys, "String"), **{k: str(v) for k, v in stage.gives.items()}}
    gives |= {"error": "String", "error_detail": "String"}
    values = TypeAdapter(stage.config).dump_python(config, mode="json")
    identity = {
        "stage": stage.name,
        "version": stage.version,
        **{f"config.{k}": v for k, v in flat({k: v for k, v in values.items() if k not in stage.ways}).items()},
        **{f"file.{path}": content_hash(path) for path in stage.files(config)},
        **{f"upstream.{name}": plan.fingerprint for name, plan in upstream.items()},
    }
    return Plan(
        stage=stage.name,
        kind=stage.kind,
        entry="stages.core.work:Work",
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
        },
        ways=[*stage.ways, *WAYS],
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


def launch(stage: Stage, cfg: DictConfig) -> int:
    """Plans one step, brings along what it needs and the run does not have, and submits."""
    from stages.core.pipeline import Wanted, submit_steps, with_missing

    return submit_steps(with_missing(Wanted(stage, *read(stage, cfg))))
