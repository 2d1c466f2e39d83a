"""The format number that every record bears, so that records outlive the version that wrote them.

A record is one JSON object with `"format": 1` beside its own fields. Fields that this version does not know are ignored
when it is read and kept when it is written again; another format is refused. FORMAT goes up when a field that older
versions need is taken away, or means something else.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json

from slurm.errors import InputError
from slurm.record.files import write_json

FORMAT = 1
MADE_BY = {0: "a Reelmill of before records had a format number (commit 0549889 or older)"}

T = TypeVar("T")


class OlderFormatError(InputError):
    """A record of a format that is not read any more."""


class DamagedError(InputError):
    """A record that cannot be read as one: torn, or with a value missing or mistyped."""


def read_record(path: Path, kind: type[T], mend: str = "") -> T:
    """The record as a `kind`, a dataclass or a NamedTuple; fields that it does not have are ignored.

    Raises OlderFormatError (with `mend` at its end), InputError for a newer format, DamagedError, all with the path;
    FileNotFoundError if there is no such file.
    """
    content = check_format(path, _load(path), mend)
    adapted: Any = kind
    try:
        record: T = _adapter(adapted).validate_python(_known(kind, content))
    except ValidationError as error:
        wrong = error.errors()[0]
        where = ".".join(str(part) for part in wrong["loc"])
        raise DamagedError(f"{path} is damaged: {where}: {wrong['msg']}") from None
    return record


def write_record(path: Path, value: Any) -> None:
    """Writes a dataclass or a NamedTuple as a record, whole or not at all.

    Fields of the record that it replaces stay in it if they are unknown here; what is damaged or of an older format
    is replaced whole. Raises an InputError if a newer version wrote what is there.
    """
    old: dict[str, Any] = {}
    with suppress(FileNotFoundError, OlderFormatError, DamagedError):
        old = check_format(path, _load(path))
    kind: Any = type(value)
    own = {name: getattr(value, name) for name in _kinds(kind)}
    plain = {name: asdict(v) if is_dataclass(v) and not isinstance(v, type) else v for name, v in own.items()}
    write_json(path, {**_with_unknown(kind, plain, old), "format": FORMAT})


def check_format(path: Path, content: Any, mend: str = "") -> dict[str, Any]:
    """The content of a record, if this version reads its format; an InputError otherwise."""
    if content is None or content == {}:
        raise DamagedError(f"{path} is damaged: {content!r} is no record")
    number = content.get("format", 0) if isinstance(content, dict) else 0  # records were not always JSON objects
    then = f": {mend}" if mend else ""
    if type(number) is not int or number < 0:
        raise DamagedError(f"{path} is damaged: format {number!r} is not a number")
    if number > FORMAT:
        raise InputError(
            f"{path} was made by a newer Reelmill (record format {number}, this one reads {FORMAT}): "
            f"use that version, or update this one (git pull)"
        )
    if number < FORMAT:
        raise OlderFormatError(f"{path} was made by {MADE_BY[number]}, and this one reads format {FORMAT}{then}")
    return dict(content)


def _load(path: Path) -> Any:
    try:
        return from_json(path.read_bytes())
    except ValueError as error:
        raise DamagedError(f"{path} is damaged: {error}") from None


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


@cache
def _kinds(kind: Any) -> Mapping[str, Any]:
    """The fields of a dataclass or NamedTuple, with their types; none for any other type."""
    if not isinstance(kind, type) or not (is_dataclass(kind) or hasattr(kind, "_fields")):
        return {}
    names = [field.name for field in fields(kind)] if is_dataclass(kind) else kind._fields
    hints = get_type_hints(kind)
    return {name: hints[name] for name in names}


def _known(kind: Any, content: Any) -> Any:
    """The content without fields that `kind`, and what is nested in it, does not have."""
    kinds = _kinds(kind)
    if not kinds or not isinstance(content, dict):
        return content
    return {name: _known(kinds[name], value) for name, value in content.items() if name in kinds}


def _with_unknown(kind: Any, new: Any, old: Any) -> Any:
    """The new content, with those fields of the old one that `kind`, and what is nested in it, does not have."""
    kinds = _kinds(kind)
    if not kinds or not isinstance(old, dict) or not isinstance(new, dict):
        return new
    kept = {name: value for name, value in old.items() if name not in kinds}
    return kept | {name: _with_unknown(kinds[name], value, old.get(name)) for name, value in new.items()}
