"""What a step is (`Plan`): what decides its result, and how it is run."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from slurm.credentials import masked


@dataclass(frozen=True)
class Chunking:
    """How the rows of the input become chunks, where the step does not take over those of its input."""

    size: int  # rows a chunk
    n: int | None  # number of chunks, instead of size
    ahead: int  # number of chunks where the input is not finished when the step is submitted
    cost: str | None  # column of the input by which chunks are balanced; None: by count


@dataclass(frozen=True)
class Policy:
    """How chunks are tried. It cannot change a result, and may change while the step stands."""

    per_task: int  # chunks that one array task does
    max_error_share: float  # a chunk with a larger share of failed items fails …
    min_errors: int  # … once so many failed
    flush_s: float  # finished rows are on disk after so many seconds
    max_attempts: int
    breaker: int  # chunks that fail alike before the rest of a submission is not tried
    points: int = 1  # points of a sweep that one array task does


@dataclass(frozen=True)
class Items:
    """How the items of a chunk are worked on. It cannot change a result, and may change while the step stands."""

    timeout_s: float
    at_once: int  # items that a worker process works on at the same time, in threads
    workers: int | None  # worker processes of a task; None: cluster.cpus
    mem_gb: float | None  # of a worker; None: its share of cluster.mem_gb


@dataclass(frozen=True)
class Columns:
    """The steps that give what a step reads."""

    columns: dict[str, str]  # column, or table.column of a side table → step
    tables: dict[str, str]  # side table → step


@dataclass(frozen=True)
class Plan:
    """What a step is. `fingerprint` covers `identity`, all that decides its result; the rest is how it is run."""

    stage: str
    kind: str  # "map" or "reduce"
    entry: str  # "module:callable" that turns a Step into the work of its tasks
    n: int  # chunks, extensions included; in step.json those of the first layout
    inputs: list[str]  # steps that it reads; of a map step, the first one's kept rows are its items
    input_chunks: dict[str, int]  # input → its number of chunks when the step was planned
    aligned: bool  # chunk i reads chunk i of the first input
    keys: list[str]  # columns that name a row and the rows that it was made of: frame_id, clip_id, video_id
    item_keys: list[str]  # the keys of its items, the rows of its input
    gives: dict[str, str]  # column → polars type of the main table
    tables: dict[str, dict[str, str]]  # side table → column → polars type
    identity: dict[str, Any]
    fingerprint: str
    chunking: Chunking
    policy: Policy
    items: Items
    columns: Columns
    config: dict[str, Any] = field(default_factory=dict)
    runtime_keys: list[str] = field(default_factory=list)  # keys of config outside the fingerprint
    pool: str | None = None  # of model servers that its tasks ask
    continues: bool = False  # a reduce step that adds a chunk for what is new, instead of being made again
    without_unfinished: bool = False  # a reduce step that is made of the steps that are finished, if others cannot be
    media: str | None = None  # the column that names the files which a row has in the step's media folder

    @property
    def key(self) -> str:
        """The column that names a row; "item" of a step whose rows have no names."""
        return self.keys[0] if self.keys else "item"

    @property
    def item_key(self) -> str:
        """The column that names an item; "item" of a reduce step, whose one item is all that it reads."""
        return self.item_keys[0] if self.item_keys else "item"

    def with_changes(self, other: "Plan | Changes") -> "Plan":
        """The plan with those values of another one that cannot change a result."""
        config = {key: value for key, value in other.config.items() if key in self.runtime_keys}
        return replace(self, config=self.config | config, policy=other.policy, items=other.items, pool=other.pool)


@dataclass(frozen=True)
class Changes:
    """Later values of what cannot change a result, for tasks that start from now on."""

    fingerprint: str  # of the plan that they belong to
    config: dict[str, Any]
    policy: Policy
    items: Items
    pool: str | None


class Layout(NamedTuple):
    """Chunks that were laid out together: the first ones of a step, or those that an extension added."""

    number: int  # 0, then that of the extension
    first: int  # chunk
    end: int  # the chunk behind its last one
    inputs: dict[str, int]  # input → the number of its chunks that this layout and those before it cover


def fingerprint(identity: Mapping[str, Any]) -> str:
    """16 hex digits that differ whenever a field of `identity` does."""
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """One line for each field that two identities do not share: `config.min_s: 2.0 → 3.0`."""
    old, new = masked(old), masked(new)
    return [
        f"{name}: {old.get(name, '(absent)')!r} → {new.get(name, '(absent)')!r}"
        for name in sorted(old.keys() | new.keys())
        if old.get(name, ...) != new.get(name, ...)
    ]


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested keys joined by dots."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        nested = isinstance(value, Mapping) and value
        flat |= flatten(value, f"{prefix}{key}.") if nested else {f"{prefix}{key}": value}
    return flat
