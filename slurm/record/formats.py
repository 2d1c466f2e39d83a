"""The format number that every record bears, so that records outlive the version that wrote them.

A record is one JSON object with `"format": 1` beside its own fields. Fields that this version does not know are ignored
when it is read and kept when it is written again; another format is refused. FORMAT goes up when a field that older
versions need is taken away, or means something else.

A record has *** in place of secrets (see slurm/credentials.py), which are in .<name>.secret beside it: only its owner
can read them. Of another user's record (see slurm/owner.py) nothing is taken over that is his alone to say.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json

from slurm import owner
from slurm.credentials import MASK, hidden, masked, put_back, take_out
from slurm.errors import InputError
from slurm.record.files import write_json, write_once

FORMAT = 1
MADE_BY = {0: "a Reelmill of before records had a format number (commit 0549889 or older)"}

T = TypeVar("T")


class OlderFormatError(InputError):
    """A record of a format that is not read any more."""


class DamagedError(InputError):
    """A record that cannot be read as one: torn, or with a value missing or mistyped."""


def read_record(path: Path, kind: type[T], mend: str = "", *, decides: bool = True) -> T:
    """The record as a `kind`, a dataclass or a NamedTuple; fields that it does not have are ignored.

    Raises OlderFormatError (with `mend` at its end), InputError for a newer format, DamagedError, all with the path;
    FileNotFoundError if there is no such file. Unless the record decides (`decides`) nothing of what is executed, an
    UntrustedError if it is of a user whom the caller does not trust.
    """
    content = check_format(path, load(path, decides=decides), mend)
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
    with suppress(FileNotFoundError, OlderFormatError, DamagedError, owner.UntrustedError):
        old = check_format(path, load(path))
    kind: Any = type(value)
    own = {name: getattr(value, name) for name in _kinds(kind)}
    plain = {name: asdict(v) if is_dataclass(v) and not isinstance(v, type) else v for name, v in own.items()}
    save(path, {**_with_unknown(kind, plain, old), "format": FORMAT}, old)


def create_record(path: Path, value: Any) -> None:
    """Writes a dataclass as a record, unless there is one already."""
    shown, secrets = _apart({**asdict(value), "format": FORMAT})
    if path.exists():
        return
    _secrets_of(path).unlink(missing_ok=True)
    if secrets:
        write_json(_secrets_of(path), secrets, mode=0o600)
    write_once(path, shown)


def save(path: Path, content: dict[str, Any], old: dict[str, Any]) -> None:
    """Writes the content of a record, its secrets apart and before it; `old` is what it replaces."""
    shown, secrets = _apart(content)
    if secrets:
        write_json(_secrets_of(path), secrets, mode=0o600)
    write_json(path, shown)
    if not secrets and (hidden(old) or masked(old) is not old):
        _secrets_of(path).unlink(missing_ok=True)


def _apart(content: dict[str, Any]) -> tuple[dict[str, Any], list[Any]]:
    """The content as it may be shown, and its secrets: where they stand in it, and what."""
    shown: dict[str, Any] = masked(content)
    return shown, list(take_out(content, shown))


def _secrets_of(path: Path) -> Path:
    return path.with_name(f".{path.name}.secret")


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


def load(path: Path, *, decides: bool = True) -> Any:
    """What a record holds, its secrets included as far as the caller may read them."""
    text = owner.read(path, decides=decides)
    try:
        content = from_json(text.content)
    except ValueError as error:
        raise DamagedError(f"{path} is damaged: {error}") from None
    if MASK.encode() in text.content and text.obeyed:
        with suppress(OSError, ValueError, owner.UntrustedError):
            for at, secret in from_json(owner.read(_secrets_of(path)).content):
                put_back(content, at, secret)
    return content if text.own else _of_another(content, {} if text.obeyed else {"env": {}, "env_file": None})


def _of_another(content: Any, more: Mapping[str, Any]) -> Any:
    """Another user's record without whom he trusts, and without `more` of where he runs tasks and engines."""
    if isinstance(content, list):
        return [_of_another(inner, more) for inner in content]
    if not isinstance(content, dict):
        return content
    kept = {"trust": [], **more} if {"executor", "dialect"} & content.keys() else {}
    return {name: kept[name] if name in kept else _of_another(value, more) for name, value in content.items()}


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
