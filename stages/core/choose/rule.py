"""What a filter may ask of a row: a rule over a column, or a group of rules of which any or all must pass.

A rule that contradicts itself is refused as it is read; whether it fits its column, `fit.py` tells.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import fields
from datetime import date
from difflib import get_close_matches
from math import isfinite
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, model_serializer, model_validator
from pydantic.dataclasses import dataclass
from pydantic_core import PydanticCustomError

REDUCTIONS = ("mean", "min", "max", "first", "last", "all", "any")
DATE = re.compile(r"\d{4}-\d\d-\d\d")
ALWAYS = ("column", "reduce", "min", "max", "above", "per")  # keys that a plan holds even where they say nothing
LIMITS = ("min", "max", "above", "below")

Limit = float | date
Wanted = str | bool | int | float


def refuse(message: str) -> PydanticCustomError:
    """The error for a value that fits no rule, which is told beside its key."""
    return PydanticCustomError("rule", message.replace("{", "{{").replace("}", "}}"))


def read_reduction(value: str) -> str:
    if value in REDUCTIONS or (quantile(value) is not None):
        return value
    names = ", ".join(repr(name) for name in REDUCTIONS[:-1])
    raise refuse(f"Input should be {names} or {REDUCTIONS[-1]!r}, or 'quantile(q)' with q from 0 to 1")


def quantile(reduction: str) -> float | None:
    """The q of `quantile(q)`; None for another reduction, or a q that is not from 0 to 1."""
    match = re.fullmatch(r"quantile\((\d*\.?\d+|\d+\.)\)", reduction)
    return q if match and 0 <= (q := float(match[1])) <= 1 else None


def read_limit(value: object) -> Limit:
    if isinstance(value, date):
        return value
    try:
        if isinstance(value, str) and DATE.fullmatch(value):
            return date.fromisoformat(value)
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise refuse("Input should be a number, or a date (2024-01-31)") from None
    if not isfinite(number):
        raise refuse("Input should be a finite number (null: no limit)")
    return number


def read_wanted(value: object) -> Wanted:
    if isinstance(value, date):
        return value.isoformat()
    if not isinstance(value, Wanted) or (isinstance(value, float) and not isfinite(value)):
        raise refuse("Input should be a text, true, false, a finite number or a date (2024-01-31)")
    return value


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Rule:
    """Limits of a number, null is none; or what a value must equal; or a group, which has `any` or `all` alone.

    `column` null is the rule's name. `min` and `max` let their own value pass, `above` and `below` do not. `reduce`
    makes a list one value, or asks all or any of its elements; a single value is its own reduction. `per` is a column
    by which the number is divided. A row without a value is dropped unless `on_null` is pass; with all or any this
    holds for each element, and for an empty list.
    """

    column: str | None = None
    reduce: Annotated[str, AfterValidator(read_reduction)] = "mean"
    min: Annotated[Limit, BeforeValidator(read_limit)] | None = None
    max: Annotated[Limit, BeforeValidator(read_limit)] | None = None
    above: Annotated[Limit, BeforeValidator(read_limit)] | None = None
    per: str | None = None
    below: Annotated[Limit, BeforeValidator(read_limit)] | None = None
    equals: Annotated[Any, BeforeValidator(read_wanted)] | None = None
    one_of: list[Annotated[Any, BeforeValidator(read_wanted)]] | None = Field(default=None, alias="in")
    not_null: bool = False
    on_null: Literal["drop", "pass"] = "drop"
    any: "dict[str, Rule] | None" = None
    all: "dict[str, Rule] | None" = None

    @property
    def members(self) -> "dict[str, Rule] | None":
        """The rules of a group; None: it is a rule over a column."""
        return self.all if self.any is None else self.any

    @property
    def joins(self) -> str | None:
        """Whether any or all of its members must pass."""
        return "any" if self.any is not None else "all" if self.all is not None else None

    @property
    def limits(self) -> dict[str, Limit]:
        """The limits that it has."""
        return {name: limit for name in LIMITS if (limit := getattr(self, name)) is not None}

    @property
    def wanted(self) -> list[Any] | None:
        """The values of which it wants one; None: any will do."""
        return self.one_of if self.equals is None else [self.equals]

    @property
    def of_elements(self) -> bool:
        """Whether it asks each element of a list."""
        return self.reduce in ("all", "any")

    @property
    def averages(self) -> bool:
        """Whether what it makes of a list need be none of its elements."""
        return self.reduce == "mean" or quantile(self.reduce) is not None

    @model_validator(mode="before")
    @classmethod
    def _check_keys(cls, said: Any) -> Any:
        if said is None:
            raise refuse("null is no rule; ~ before its key takes one away: ~rules.NAME")
        if isinstance(said, dict) and (unknown := [str(key) for key in said if key not in KEYS]):
            near = get_close_matches(unknown[0], KEYS, 1)
            meant = f" (did you mean {near[0]}?)" if near else ""
            raise refuse(f"unknown key {unknown[0]}{meant}; a rule has {', '.join(KEYS)}")
        return said

    @model_validator(mode="after")
    def _check(self) -> "Rule":
        said = [name for name, value in self._said().items() if value is not None]
        if {"any", "all"} & {*said}:
            if len(said) > 1:
                raise refuse(f"a group has `any` or `all` and no other key: not {' and '.join(said)}")
            if not self.members:
                raise refuse(f"the group {said[0]} is empty: no rule is in it")
            return self
        if self.one_of == []:
            raise refuse("in: [] is empty, so no row passes")
        wants = [name for name in ("equals", "in") if name in said]
        others = [*wants[1:], *self.limits]
        if wants and others:
            raise refuse(f"{wants[0]} says which values pass: {others[0]} has no place beside it")
        if self.not_null and self.on_null == "pass":
            raise refuse("not_null=true and on_null=pass contradict each other")
        self._check_limits()
        return self

    def _check_limits(self) -> None:
        """Raises an error for limits between which nothing lies."""
        if len({type(limit) for limit in self.limits.values()}) > 1:
            raise refuse(f"{' and '.join(self.limits)}: one is a number, another a date")
        for low, high in (("min", "max"), ("min", "below"), ("above", "max"), ("above", "below")):
            least, most = self.limits.get(low), self.limits.get(high)
            if least is None or most is None:
                continue
            if least > most or (least == most and (low, high) != ("min", "max")):  # type: ignore[operator]
                raise refuse(f"{low}={shown(least)} and {high}={shown(most)}: nothing lies between them, no row passes")

    def _said(self) -> dict[str, Any]:
        """Its keys as a config spells them, those at their defaults as None; and the ones that every plan holds."""
        group = self.any is not None or self.all is not None
        found: dict[str, Any] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            name = "in" if field.name == "one_of" else field.name
            default = {"reduce": "mean", "not_null": False, "on_null": "drop"}.get(name)
            if value != default or (name in ALWAYS and not group):
                found[name] = value
        return found

    @model_serializer(mode="plain")
    def _dump(self) -> dict[str, Any]:
        """What of it a plan holds: a key more for rules has to change no plan that does not say it."""
        return self._said()


def shown(limit: Limit) -> str:
    return limit.isoformat() if isinstance(limit, date) else f"{limit:g}"


KEYS = tuple("in" if field.name == "one_of" else field.name for field in fields(Rule))


class Node(NamedTuple):
    """A rule or a group by the key under which it stands below `rules`: `sharp`, or `sized.any.wide` in a group."""

    key: str
    name: str
    rule: Rule

    @property
    def column(self) -> str:
        return self.rule.column or self.name


def walk(rules: Mapping[str, Rule], above: str = "") -> Iterator[Node]:
    """Every group and rule in the order of the config, a group before its members."""
    for name, rule in rules.items():
        yield Node(above + name, name, rule)
        if rule.members is not None:
            yield from walk(rule.members, f"{above}{name}.{rule.joins}.")


def leaves(rules: Mapping[str, Rule]) -> list[Node]:
    """The rules over columns."""
    return [node for node in walk(rules) if node.rule.members is None]
