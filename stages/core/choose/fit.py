"""Whether rules fit the columns that they look at, told before anything is submitted: by the columns' types alone."""

from collections.abc import Iterator, Mapping
from datetime import date
from itertools import combinations
from math import ceil, floor, inf, isinf, nextafter

from slurm.errors import InputError
from stages.core.choose.kind import Kind, as_value, compared, kind_of
from stages.core.choose.rule import Node, Rule, leaves, shown, walk

TEXT_REDUCTIONS = ("first", "last", "all", "any")


def check_fit(rules: Mapping[str, Rule], types: Mapping[str, str]) -> None:
    """Raises InputError, which names the key, for a rule that makes no sense of its column or can never pass.

    `types`: of each column that the rules look at, the text of its polars type; List(…) where a row has several values.
    """
    over = leaves(rules)
    for node in over:
        kind = kind_of(types[node.column])
        check_kind(node, kind)
        if node.rule.per:
            check_divisor(node, kind, kind_of(types[node.rule.per]))
        check_wanted(node, kind)
        check_possible(node, kind)
    check_together(rules, types)


def check_kind(node: Node, kind: Kind) -> None:
    """Raises InputError for limits or a reduction that the values of a column do not have."""
    rule, column = node.rule, f"column {node.column!r}, which holds {kind.shown}"
    if kind.values == "other" and (rule.limits or rule.wanted):
        name = next(iter(rule.limits), "equals")
        raise InputError(f"rules.{node.key}.{name}: of {column}, a rule can only ask whether it is there (not_null)")
    for name, limit in rule.limits.items():
        if kind.values == "text":
            raise InputError(
                f"rules.{node.key}.{name}={shown(limit)} is a limit of numbers, for {column}: it takes equals, in or "
                f"not_null"
            )
        if isinstance(limit, date) != (kind.values == "date"):
            wants = "a date (2024-01-31)" if kind.values == "date" else "a number"
            raise InputError(f"rules.{node.key}.{name}={shown(limit)} has to be {wants}, for {column}")
    makes_nothing = f"rules.{node.key}.reduce={rule.reduce} makes nothing of {column}"
    if kind.depth and (rule.limits or rule.wanted):
        if kind.values == "text" and rule.reduce not in TEXT_REDUCTIONS:
            raise InputError(f"{makes_nothing}: say first, last, all or any")
        if kind.values == "date" and rule.averages:
            raise InputError(f"{makes_nothing}: say min, max, first, last, all or any")


def check_divisor(node: Node, kind: Kind, per: Kind) -> None:
    """Raises InputError if the values of a rule cannot be divided by what its `per` names."""
    if not kind.is_number:
        raise InputError(f"rules.{node.key}.per: column {node.column!r} holds {kind.shown}, which cannot be divided")
    if not per.is_number or per.depth:
        raise InputError(f"rules.{node.key}.per={node.rule.per} holds {per.shown}: a rule divides by one number a row")


def check_wanted(node: Node, kind: Kind) -> None:
    """Raises InputError for a value that no value of the column equals."""
    for one in node.rule.wanted or ():
        if as_value(one, compared(node.rule, kind)) is None:
            name = "in" if node.rule.equals is None else "equals"
            hint = f"; as text it is written '\"{str(one).lower()}\"'" if kind.values == "text" else ""
            raise InputError(
                f"rules.{node.key}.{name}: column {node.column!r} holds {kind.shown}, and none of them is {one!r}{hint}"
            )


def check_possible(node: Node, kind: Kind) -> None:
    """Raises InputError for limits between which there is no value of the column's type."""
    low, high = span(node.rule, compared(node.rule, kind))
    if low > high:
        kinds = "true (1) nor false (0)" if kind.values == "flag" else "whole number"
        said = " ".join(f"{name}={shown(limit)}" for name, limit in node.rule.limits.items())
        raise InputError(f"rules.{node.key}: no row passes, since no {kinds} is within {said}")


def check_together(rules: Mapping[str, Rule], types: Mapping[str, str]) -> None:
    """Raises InputError for two rules that must both pass and that no value passes."""
    scopes = [("", rules), *((f"{node.key}.all.", node.rule.all) for node in walk(rules) if node.rule.all)]
    for above, scope in scopes:
        for one, other in combinations(must_pass(scope, above), 2):
            kind = kind_of(types[one.column])
            same_value = one.rule.reduce == other.rule.reduce != "any" if kind.depth else True
            same_column = (one.column, one.rule.per) == (other.column, other.rule.per)
            if same_column and same_value and not overlap(one.rule, other.rule, compared(one.rule, kind)):
                raise InputError(f"rules.{one.key} and rules.{other.key} contradict each other: no row passes both")


def must_pass(rules: Mapping[str, Rule], above: str) -> Iterator[Node]:
    """The rules over columns that a row has to pass, each of them, and that a null does not pass."""
    for name, rule in rules.items():
        if rule.all is not None:
            yield from must_pass(rule.all, f"{above}{name}.all.")
        elif rule.any is None and rule.on_null == "drop":
            yield Node(above + name, name, rule)


def overlap(one: Rule, other: Rule, kind: Kind) -> bool:
    """Whether a value may pass both rules."""
    (low, high), (other_low, other_high) = span(one, kind), span(other, kind)
    if one.wanted is None and other.wanted is None:
        return max(low, other_low) <= min(high, other_high)
    wanted = {as_value(value, kind) for value in one.wanted or other.wanted or ()}
    if one.wanted is not None and other.wanted is not None:
        return bool(wanted & {as_value(value, kind) for value in other.wanted})
    low, high = max(low, other_low), min(high, other_high)
    return any(low <= as_number(value) <= high for value in wanted) if kind.values != "text" else True


def span(rule: Rule, kind: Kind) -> tuple[float, float]:
    """The least and the largest value that is within a rule's limits; of dates their ordinals."""
    low, high = -inf, inf
    step = 1 if kind.values == "date" else 0
    for name, limit in rule.limits.items():
        number = as_number(limit)
        if name in ("min", "above"):
            strict = number + 1 if step else nextafter(number, inf)
            low = max(low, strict if name == "above" else number)
        else:
            strict = number - 1 if step else nextafter(number, -inf)
            high = min(high, strict if name == "below" else number)
    if kind.values in ("integer", "flag"):
        low, high = (low if isinf(low) else ceil(low)), (high if isinf(high) else floor(high))
    return (max(low, 0), min(high, 1)) if kind.values == "flag" else (low, high)


def as_number(value: float | date) -> float:
    return float(value.toordinal()) if isinstance(value, date) else value
