"""The files that the page loads: scripts that hand one JSON text to the function `take`, since a page that is read from
disk may load nothing else; and columns as arrays in base64.
"""

import json
from base64 import b64encode
from math import isfinite
from pathlib import Path
from typing import Any

import polars as pl

PER_FOLDER = 1000


def chunk_path(kind: str, number: int) -> str:
    """The place of a chunk below the folder `data`: no folder holds more than a thousand."""
    return f"{kind}/{number // PER_FOLDER:03d}/{number:06d}.js"


def column_path(column: int, chunk: int) -> str:
    return f"columns/{chunk:03d}/{column:06d}.js"


def write_chunk(path: Path, value: object) -> None:
    write_json(path, dump(value))


def write_json(path: Path, text: str) -> None:
    """Writes a chunk of a value that is JSON already."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"take({json.dumps(text, ensure_ascii=False)});\n", encoding="utf-8")


def dump(value: object) -> str:
    """The value as JSON in which all characters but those of control stand as they are; no number (NaN) is null."""
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except ValueError:
        return json.dumps(without_nan(value), ensure_ascii=False, separators=(",", ":"))


def without_nan(value: Any) -> Any:
    if isinstance(value, float):
        return value if isfinite(value) else None
    if isinstance(value, dict):
        return {key: without_nan(each) for key, each in value.items()}
    return [without_nan(each) for each in value] if isinstance(value, list | tuple) else value


def pack(values: pl.Series) -> str:
    """The values as little-endian numbers of their type, in base64; null is NaN."""
    floats = values.dtype.is_float()
    numbers = (values.fill_null(float("nan")) if floats else values.fill_null(0)).to_numpy()
    return b64encode(numbers.astype(numbers.dtype.newbyteorder("<")).tobytes()).decode()
