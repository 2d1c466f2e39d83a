"""What the rules of a filter say of a row: the number that each saw, its limits, and which it fails."""

import operator
from collections.abc import Mapping
from typing import Any, NamedTuple

import polars as pl

from slurm.explain.walk import CHUNK
from slurm.record.done import Done
from slurm.record.manifest import Step

VALUES = "values"  # the side table with a row a row and rule
FAILS = {
    "min": operator.lt,
    "max": operator.gt,
    "above": operator.le,
    "below": operator.ge,
    "equals": operator.ne,
}
NO_LIMITS = ("column", "reduce", "per", "on_null")  # keys of a rule that say what it looks at
GROUPS = ("any", "all")  # keys under which a group has its members


class Verdict(NamedTuple):
    """What one rule or group says; `fails` is what of it the row fails (min, null, any, …), None if it passes."""

    rule: str
    value: float | str | None
    fails: str | None
    looks_at: dict[str, Any]
    limits: dict[str, Any]
    members: "list[Verdict]"  # of a group

    def __str__(self) -> str:
        """`motion.min: 0.0011, limit 0.002`, or `motion: 0.5, min 0.002` of one that passes; of a group its members."""
        if self.members:
            shown = [member for member in self.members if member.fails or not self.fails]
            return f"{self.rule}: {' and '.join(map(str, shown))}"
        number = "no value" if self.value is None else show_number(self.value)
        limits = [f"{name} {show_number(limit)}" for name, limit in self.limits.items()]
        if self.fails in self.limits:
            limits = [f"limit {show_number(self.limits[self.fails])}"]
        words = {"reduce": "", "column": "of ", "per": "per "}
        how = " ".join(f"{word}{self.looks_at[key]}" for key, word in words.items() if key in self.looks_at)
        of = f"{self.rule}.{self.fails}" if self.fails else self.rule
        return f"{of}: {', '.join([f'{number} ({how})' if how else number, *limits])}"


def judges(step: Step) -> bool:
    """Whether a step has rules whose values it tells."""
    return "drop_reason" in step.plan.gives and {"rule", "value"} <= step.plan.tables.get(VALUES, {}).keys()


def verdicts(step: Step, done: Mapping[int, Done], rows: pl.DataFrame) -> dict[str, list[Verdict]]:
    """The verdicts of all rules over rows of finished chunks, in the rules' order, by the key of the row's item."""
    seen: dict[str, dict[str, dict[str, Any]]] = {}  # item → rule → its row
    rules, key = step.plan.config.get("rules", {}), step.plan.item_key
    reasons = dict(rows.select(key, "drop_reason").iter_rows())
    for chunk in rows[CHUNK].unique().sort():
        if VALUES in done[chunk].tables:
            path = step.paths.part(done[chunk].part, VALUES)
            table = pl.scan_parquet(path, glob=False, hive_partitioning=False)
            for row in table.filter(pl.col(key).is_in([*reasons])).collect().iter_rows(named=True):
                seen.setdefault(row[key], {})[row["rule"]] = row
    return {
        item: [_verdict(name, rule or {}, own, reasons[item] or "") for name, rule in rules.items() if name in own]
        for item, own in seen.items()
    }


def _verdict(name: str, rule: Mapping[str, Any], rows: Mapping[str, Mapping[str, Any]], drop_reason: str) -> Verdict:
    """The verdict of a rule or a group, which stands below `rules` under this name (`lively`, `lively.any.motion`)."""
    row = rows[name]
    limits = {key: limit for key, limit in rule.items() if limit is not None and key not in (*NO_LIMITS, *GROUPS)}
    looks_at = {key: rule[key] for key in NO_LIMITS if rule.get(key) is not None}
    value = row["value"] if row["value"] is not None else row.get("text")
    if "failed" in row:
        fails = row["failed"]
    elif drop_reason.startswith(f"{name}."):
        fails = drop_reason
    else:
        fails = _fails(row["value"], rule)
    below = ((f"{name}.{joins}.{of}", one) for joins in GROUPS for of, one in (rule.get(joins) or {}).items())
    members = [_verdict(of, one or {}, rows, "") for of, one in below if of in rows]
    return Verdict(name, value, fails and fails.removeprefix(f"{name}."), looks_at, limits, members)


def _fails(value: float | None, rule: Mapping[str, Any]) -> str | None:
    """What of a rule a value fails, where the table does not say it: of `all` and `any` it is a share."""
    if value is None:
        return None if rule.get("on_null") == "pass" else "null"
    if rule.get("reduce") in ("all", "any"):
        return str(rule["reduce"]) if value < 1 and (rule["reduce"] == "all" or value <= 0) else None
    known = ((what, rule.get(what), fails) for what, fails in FAILS.items())
    return next((what for what, limit, fails in known if limit is not None and fails(value, limit)), None)


def show_number(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
