"""A condition over the fields of a row as a person writes it: youtube_view_count > 99 and "music" not in youtube_tags.

Names, texts, numbers, lists, comparisons, `in`, `and`, `or`, `not`; a dot goes into a struct. It is read, never run:
nothing else has a meaning. A comparison with what is not known is false.
"""

import ast
import operator
from collections.abc import Callable, Collection, Mapping
from typing import Any

from slurm.errors import InputError

COMPARED: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda value, values: value in values,
    ast.NotIn: lambda value, values: value not in values,
}


def read_condition(text: str, key: str, names: Collection[str]) -> ast.expr:
    """The condition. Raises InputError, which names the config's `key`, unless it is one over these names."""
    try:
        condition = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise InputError(f"{key}={text!r} cannot be read: {error}") from error
    for node in ast.walk(condition):
        if isinstance(node, ast.Name) and node.id not in names:
            raise InputError(f"{key}={text!r}: there is no field {node.id!r}; there are: {', '.join(names)}")
        if not isinstance(node, READ):
            what = ast.unparse(node) if isinstance(node, ast.expr) else type(node).__name__
            raise InputError(f"{key}={text!r}: {what} is none of fields, values, comparisons, in, and, or, not")
    return condition


READ = (
    *(ast.BoolOp, ast.And, ast.Or, ast.UnaryOp, ast.Not, ast.USub, ast.Compare, *COMPARED),
    *(ast.Name, ast.Attribute, ast.Load, ast.Constant, ast.List, ast.Tuple),
)


def holds(condition: ast.expr, row: Mapping[str, Any]) -> bool:
    """Whether a condition that was read holds for a row."""
    return bool(value_of(condition, row))


def value_of(node: ast.expr, row: Mapping[str, Any]) -> Any:
    found: Any
    match node:
        case ast.BoolOp(op=ast.And()):
            found = all(value_of(part, row) for part in node.values)
        case ast.BoolOp():
            found = any(value_of(part, row) for part in node.values)
        case ast.UnaryOp(op=ast.Not()):
            found = not value_of(node.operand, row)
        case ast.UnaryOp():
            found = -value_of(node.operand, row)
        case ast.Compare():
            found = compare(node, row)
        case ast.Attribute():
            inside = value_of(node.value, row)
            found = inside.get(node.attr) if isinstance(inside, Mapping) else None
        case ast.List() | ast.Tuple():
            found = [value_of(part, row) for part in node.elts]
        case ast.Name():
            found = row.get(node.id)
        case ast.Constant():
            found = node.value
    return found


def compare(node: ast.Compare, row: Mapping[str, Any]) -> bool:
    values = [value_of(part, row) for part in (node.left, *node.comparators)]
    if None in values:
        return False
    try:
        return all(COMPARED[type(op)](a, b) for op, a, b in zip(node.ops, values, values[1:], strict=False))
    except TypeError:  # a text and a number
        return False
