"""What a person says of a dataset that is published; values are in conf/stage/publish.yaml."""

from datetime import date
from typing import Annotated

from pydantic import BeforeValidator, ConfigDict, Field, StringConstraints
from pydantic.dataclasses import dataclass

STRICT = ConfigDict(extra="forbid")


def read_language(code: object) -> object:
    """YAML takes an unquoted `no` for false: of a language it can only be Norwegian."""
    return "no" if code is False else code


def read_version(name: object) -> object:
    """Of a number the end may be lost on the way: 1.10 comes as 1.1."""
    if isinstance(name, float):
        raise ValueError(f"{name} is read as a number, as which 1.10 is 1.1: say v{name}, or {name}.0")
    return str(name) if isinstance(name, int) else name


Language = Annotated[str, BeforeValidator(read_language), StringConstraints(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]+)*$")]
Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


@dataclass(frozen=True, config=STRICT)
class Version:
    name: Annotated[
        str, BeforeValidator(read_version), StringConstraints(pattern=r"^[0-9A-Za-z][0-9A-Za-z.+-]*$", max_length=40)
    ]
    date: date | None
    change: Words


@dataclass(frozen=True, config=STRICT)
class Card:
    draft: bool
    folder: str
    biases: str
    terms: str | None
    title: Words | None
    summary: Words | None
    licence: Annotated[str, StringConstraints(pattern=r"^[a-z0-9.-]+$")] | None
    language: list[Language] | None
    tasks: list[str]
    tags: list[str]
    authors: list[str]
    contact: Words | None


@dataclass(frozen=True, config=STRICT)
class Sample:
    rows: Annotated[int, Field(ge=0)]
    seed: int
