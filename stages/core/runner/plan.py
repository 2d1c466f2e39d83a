"""How a stage's config becomes the plan of a step."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from slurm.credentials import decisive, masked
from slurm.errors import InputError
from slurm.record.plan import Chunking, Items, Plan, Policy, fingerprint, flatten
from stages.core.runner.columns import find_columns, find_giver, has_number
from stages.core.runner.config import Common
from stages.core.runner.stage import Stage


def make_plan(stage: Stage, common: Common, config: Any, inputs: Sequence[str], plans: Mapping[str, Plan]) -> Plan:
    """The plan of a step behind its inputs, the one whose rows are its items first; `plans` are those before it.

    Its number of chunks is left open (0) where that depends on the rows of its input. Raises InputError.
    """
    values = TypeAdapter(stage.config).dump_python(config, mode="json")
    if "engine" in values:
        values["engine"]["env"] = {}  # of the servers' commands, which read them from the pool's own record
    asks = stage.pool(config)
    runtime_keys = [*stage.runtime_keys, *(key for key in ("pool", "engine", "alarms") if key in values)]
    identity = make_identity(stage, config, {k: v for k, v in values.items() if k not in runtime_keys})
    if asks:
        own = {key: values["pool"][key] for key in ("max_tokens", "thinking") if values["pool"][key] is not None}
        own |= {key: values["pool"][key] for key in ("model", "revision")}
        identity |= {f"config.pool.{key}": value for key, value in own.items()}
    identity |= {f"upstream.{name}": plans[name].fingerprint for name in inputs}
    has_items = stage.kind == "map" or stage.judges
    base = plans[inputs[0]] if has_items and inputs else None
    if has_items and base is None:
        raise InputError(f"step {common.step} needs an input: say after=STEP")
    is_map = base is not None and stage.kind == "map"
    aligned = is_map and common.chunks.align and plans[inputs[0]].kind == "map" and common.chunks.n is None
    if is_map and not aligned and common.chunks.cost:
        find_giver(common.chunks.cost, inputs, plans, f"{common.step} (chunks.cost, a number)", has_number)
    item_keys = base.keys if base else []
    keys = keys_of(stage, item_keys, [plans[name] for name in inputs])
    gives = dict.fromkeys(keys, "String") | {name: str(kind) for name, kind in stage.columns(config).items()}
    side_keys = dict.fromkeys(item_keys if is_map else [], "String")
    side = {name: side_keys | named(schema) for name, schema in stage.tables.items()}
    chunks = common.chunks
    return Plan(
        stage=stage.name,
        kind=stage.kind,
        entry="stages.core.runner.work:Work",
        n=1 if stage.kind == "reduce" else 0,
        inputs=list(inputs),
        input_chunks={},
        aligned=aligned,
        keys=keys,
        item_keys=item_keys,
        gives=gives | {"error": "String", "error_detail": "String"},
        tables=side,
        identity=identity,
        fingerprint=fingerprint(identity),
        chunking=Chunking(chunks.size, chunks.n, chunks.ahead, chunks.cost),
        policy=Policy(
            chunks.per_task,
            chunks.max_error_share,
            chunks.min_errors,
            chunks.flush_s,
            **asdict(common.retry),
            points=chunks.points,
        ),
        items=Items(**asdict(common.items)),
        columns=find_columns(stage, common, config, inputs, plans),
        config=values,
        runtime_keys=runtime_keys,
        pool=config.pool.name if asks else None,
        continues=stage.continues,
        without_unfinished=stage.without_unfinished,
        media=stage.media,
    )


def make_identity(stage: Stage, config: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """What decides the step's result, but for the steps before it; without credentials."""
    shown = flatten(masked(values))
    named_by = {value: f"{key}={value}" for key, value in flatten(values).items() if isinstance(value, str)}
    return {
        "stage": stage.name,
        "version": stage.version,
        **{f"config.{key}": decisive(value, shown[key]) for key, value in flatten(values).items()},
        **{f"file.{path}": hash_content(path, named_by.get(path, path)) for path in stage.files(config)},
    }


def keys_of(stage: Stage, item_keys: list[str], inputs: Sequence[Plan]) -> list[str]:
    """The columns that name a row of a step: its own, then those of what the row was made of."""
    if stage.kind == "map" or stage.judges:
        return [*([stage.key] if stage.key and stage.key not in item_keys else []), *item_keys]
    if stage.key is None:
        return []
    chain = next((plan.keys for plan in inputs if stage.key in plan.keys), [stage.key])
    return chain[chain.index(stage.key) :]


def named(schema: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(kind) for name, kind in schema.items()}


def hash_content(path: str, shown: str) -> str:
    """16 hex digits of a file that the config names; an InputError if it cannot be read."""
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:16]
    except OSError as error:
        raise InputError(f"{shown} cannot be read: {error.strerror} (seen from {Path.cwd()})") from error
