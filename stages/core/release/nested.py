"""Values out of JSON as an explicit Arrow type: an empty list keeps its type, a field that is none is left out."""

import types
from typing import Any, Union, get_args, get_origin

import pyarrow as pa
from pydantic import BaseModel

SCALARS = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}


def arrow_type(kind: Any) -> pa.DataType:
    """The type of a pydantic model, or of what its fields are: texts, numbers, lists, other models."""
    if kind in SCALARS:
        return SCALARS[kind]
    if get_origin(kind) is list:
        return pa.list_(arrow_type(get_args(kind)[0]))
    if get_origin(kind) in (Union, types.UnionType):
        return arrow_type(next(one for one in get_args(kind) if one is not type(None)))
    assert issubclass(kind, BaseModel), kind
    return pa.struct([(name, arrow_type(field.annotation)) for name, field in kind.model_fields.items()])


def fit(value: Any, kind: pa.DataType, where: str = "") -> Any:
    """The value as one of this type. Raises ValueError, which names its place, where it cannot be one."""
    if value is None:
        return None
    if pa.types.is_struct(kind):
        if not isinstance(value, dict):
            raise ValueError(f"{where or 'it'} is no object: {value!r:.80}")
        inside = f"{where}." if where else ""
        return {field.name: fit(value.get(field.name), field.type, f"{inside}{field.name}") for field in kind}
    if pa.types.is_list(kind):
        if not isinstance(value, list):
            raise ValueError(f"{where} is no list: {value!r:.80}")
        return [fit(one, kind.value_type, f"{where}[{number}]") for number, one in enumerate(value)]
    if isinstance(value, dict | list):
        raise ValueError(f"{where} is no {kind}: {value!r:.80}")
    if pa.types.is_string(kind):
        return (value if isinstance(value, str) else str(value)).encode(errors="replace").decode()
    try:
        number = float(value)
        whole = value if isinstance(value, int) else round(number)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{where} is no {kind}: {value!r:.80}") from error
    if pa.types.is_floating(kind):
        return number
    if (whole != number and whole is not value) or not -(2**63) <= whole < 2**63:
        raise ValueError(f"{where} is no {kind}: {value!r:.80}")
    return whole
