"""Which step before a stage gives each column and side table that it needs."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from difflib import SequenceMatcher
from functools import partial
from typing import Any

from slurm.errors import InputError
from slurm.record.plan import Columns, Plan
from stages.core.runner.config import Common
from stages.core.runner.stage import Stage
from stages.core.runner.within import SPAN, has_times

SHOWN = 20  # columns that a message names


class MissingError(InputError):
    """No step gives a column or a side table, `name`; these are `there`."""

    def __init__(self, name: str, message: str, there: Sequence[str]) -> None:
        more = f" and {len(there) - SHOWN} more" if len(there) > SHOWN else ""
        super().__init__(message + (f"; they give {', '.join(there[:SHOWN])}{more}" if there else ""))
        self.name, self.message = name, message


def find_columns(
    stage: Stage, common: Common, config: Any, inputs: Sequence[str], plans: Mapping[str, Plan]
) -> Columns:
    """The nearest step that gives each column and side table that a stage needs. Raises InputError."""
    try:
        return _find_columns(stage, common.step, config, inputs, plans)
    except MissingError as error:
        if error.name not in stage.missing:
            raise
        raise InputError(f"{error.message}: {stage.missing[error.name]}") from error


def _find_columns(stage: Stage, step: str, config: Any, inputs: Sequence[str], plans: Mapping[str, Plan]) -> Columns:
    needs = stage.needs(config) if callable(stage.needs) else stage.needs
    keys = {name: f" ({key})" for name, key in needs.items()} if isinstance(needs, Mapping) else {}
    columns: dict[str, str] = {}
    if stage.kind == "map" or stage.judges:
        item_keys = plans[inputs[0]].keys
        for name in needs:
            columns[name] = find_own(name, inputs, plans, f"{step}{keys.get(name, '')}")
            giver = plans[columns[name]]
            if not tells(giver, name, item_keys):
                raise InputError(
                    f"step {step} needs {name!r} for each {item_keys[0]}; step {columns[name]} gives it for "
                    f"each {giver.key}, which says nothing of that"
                )
        try:
            stage.fits(config, types_of(columns, plans, item_keys[0]))
        except InputError as error:
            raise InputError(f"step {step}: {error}") from error
        more = SPAN if any(is_cut(plans[giver], name, item_keys[0]) for name, giver in columns.items()) else ()
        takes = stage.takes(config) if callable(stage.takes) else stage.takes
        for name in (*takes, *more):
            with suppress(InputError):
                columns[name] = find_own(name, inputs, plans, step, partial(has_one, item_keys))
        for name in stage.takes_lists(config):
            with suppress(InputError):
                columns.setdefault(name, find_giver(name, inputs, plans, step, partial(has_several, item_keys)))
    reads = stage.reads(config) if callable(stage.reads) else stage.reads
    return Columns(columns, {table: find_giver(table, inputs, plans, step, has_table) for table in reads})


def find_own(
    name: str,
    inputs: Sequence[str],
    plans: Mapping[str, Plan],
    step: str,
    gives: Callable[[Plan, str], bool] | None = None,
) -> str:
    """The nearest step that gives a column; of the items themselves rather than of what they were made of.

    Between clips and their length may lie more steps than between clips and the length of their videos.
    """
    gives = gives or has
    nearest = find_giver(name, inputs, plans, step, gives)
    item_keys = plans[inputs[0]].keys
    if plans[nearest].key in item_keys[1:]:
        with suppress(InputError):
            return find_giver(name, inputs, plans, step, lambda plan, of: gives(plan, of) and plan.key == item_keys[0])
    return nearest


def types_of(columns: Mapping[str, str], plans: Mapping[str, Plan], item_key: str) -> dict[str, str]:
    """The type of each column (column → the step that gives it) as an item gets it: a list of several rows' values."""
    found = {}
    for name, giver in columns.items():
        plan, (table, _, column) = plans[giver], name.partition(".")
        kind = plan.gives.get(name) or plan.tables[table][column]
        several = name not in plan.gives or item_key in plan.keys[1:]
        found[name] = f"List({kind})" if several else kind
    return found


def is_cut(giver: Plan, name: str, item_key: str) -> bool:
    """Whether a column is that of a table of which each item has the rows within its own span."""
    table = giver.tables.get(name.partition(".")[0], {})
    return name not in giver.gives and item_key not in table and has_times([*table])


def tells(giver: Plan, name: str, item_keys: Sequence[str]) -> bool:
    """Whether a column of a step, or of a side table, has values that belong to an item."""
    if name not in giver.gives:
        return not giver.tables[name.partition(".")[0]].keys().isdisjoint(item_keys)
    return item_keys[0] in giver.keys or giver.key in item_keys


def has(plan: Plan, name: str) -> bool:
    """Whether a step gives a column, or a column of a side table (`table.column`)."""
    table, dot, column = name.partition(".")
    return name in plan.gives or (bool(dot) and column in plan.tables.get(table, {}))


def has_one(item_keys: Sequence[str], plan: Plan, name: str) -> bool:
    """Whether a step gives a column with one value an item."""
    return has(plan, name) and plan.key in item_keys


def has_several(item_keys: Sequence[str], plan: Plan, name: str) -> bool:
    """Whether a step gives a column with several rows an item."""
    return name in plan.gives and item_keys[0] in plan.keys[1:]


def has_table(plan: Plan, name: str) -> bool:
    return name in plan.tables


def has_number(plan: Plan, name: str) -> bool:
    return plan.gives.get(name, "").startswith(("Int", "UInt", "Float"))


def find_giver(
    name: str, inputs: Sequence[str], plans: Mapping[str, Plan], step: str, gives: Callable[[Plan, str], bool]
) -> str:
    """The nearest step behind `inputs` of which `gives(plan, name)` is true. Raises InputError."""
    queue = list(inputs)
    for candidate in queue:
        if gives(plans[candidate], name):
            return candidate
        queue += [further for further in plans[candidate].inputs if further not in queue]
    there = nearest(name, {other for plan in queue for other in names_in(plans[plan]) if gives(plans[plan], other)})
    raise MissingError(
        name, f"step {step} needs {name!r}, which none of the steps before it gives: {', '.join(queue)}", there
    )


def names_in(plan: Plan) -> Iterator[str]:
    """The columns of a step, its side tables, and their columns."""
    yield from (name for name in plan.gives if not name.startswith("error"))
    for table, columns in plan.tables.items():
        yield from (table, *(f"{table}.{column}" for column in columns))


def nearest(name: str, names: Collection[str]) -> list[str]:
    """The names, the one most like the name first."""
    return sorted(names, key=lambda other: (-SequenceMatcher(None, name, other).ratio(), other))
