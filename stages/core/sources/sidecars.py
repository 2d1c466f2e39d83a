"""What yt-dlp wrote about a video beside it: NAME.info.json of NAME.mp4, with title, description, channel, views, tags.

What of a sidecar cannot be read is null; it costs its video nothing else, is counted by reason, and the first is named.
"""

import json
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from stat import S_ISREG
from typing import NamedTuple

import polars as pl

from slurm.errors import ItemError
from stages.core.fetch.about import NAMES, Info, about_values
from stages.core.schema.catalogue import ABOUT
from stages.core.schema.types import INT, TEXT, TEXTS, Schema
from stages.core.sources.values import as_text, cast_column, is_unreadable

SUFFIX = ".info.json"
COLUMNS: Schema = {"url": TEXT, **{column: ABOUT[column] for column in NAMES}}
MOST_BYTES = 16 << 20  # all formats of a video take up to about 10 MB, its comments hundreds
AT_ONCE = 4  # read in parallel, of which each may take 25 times its bytes in memory

log = logging.getLogger("reelmill")


class Sidecar(NamedTuple):
    """Its values of COLUMNS as texts, and what of it could not be read."""

    texts: Mapping[str, str | None] = {}
    error: ItemError | None = None


def read(files: Sequence[Path | None]) -> tuple[pl.DataFrame, Counter[str]]:
    """A row of COLUMNS for each file, null for None; and the number of sidecars that lost something, by reason.

    A sidecar of 400 kB takes a millisecond of CPU.
    """
    with ThreadPoolExecutor(AT_ONCE) as pool:
        sidecars = list(pool.map(lambda file: read_sidecar(file) if file else Sidecar(), files))
    texts = pl.DataFrame([sidecar.texts for sidecar in sidecars], dict.fromkeys(COLUMNS, TEXT))
    texts = texts.with_columns(pl.all().str.strip_chars())
    bad = [
        pl.when(is_unreadable(column, TEXT, kind)).then(pl.format("{}={}", pl.lit(column), column))
        for column, kind in COLUMNS.items()
    ]
    lost, first = Counter[str](), dict[str, str]()
    for file, sidecar, value in zip(files, sidecars, texts.select(pl.coalesce(bad)).to_series(), strict=True):
        if error := sidecar.error or (ItemError("bad_value", f"{file}: {value[:80]}") if value else None):
            lost[reason := f"sidecar_{error.code}"] += 1
            first.setdefault(reason, error.detail)
    for reason, detail in first.items():
        log.warning("%s: %s%s", reason, detail, f" and {lost[reason] - 1:,} more" if lost[reason] > 1 else "")
    return texts.select(read_column(column, kind) for column, kind in COLUMNS.items()), lost


def read_column(column: str, kind: pl.DataType) -> pl.Expr:
    """The texts as CATALOGUE has them; a count below 0 is a site's for one that it does not know."""
    values = cast_column(column, TEXT, kind)
    if column == "url":
        return pl.when(values.str.contains("^https?://")).then(values).alias(column)
    return pl.when(values >= 0).then(values).alias(column) if kind == INT else values


def read_sidecar(file: Path) -> Sidecar:
    try:
        status = file.stat()
        if not S_ISREG(status.st_mode):
            return Sidecar(error=ItemError("unreadable", f"{file} is not a file"))
        if status.st_size > MOST_BYTES:
            return Sidecar(error=ItemError("too_large", f"{file}: {status.st_size:,} bytes, of {MOST_BYTES:,} at most"))
        info = json.loads(file.read_bytes())
        if not isinstance(info, dict):
            return Sidecar(error=ItemError("bad_value", f"{file} is not an object"))
        return chosen(file, info)
    except OSError as error:
        return Sidecar(error=ItemError("unreadable", f"{file}: {error}"))
    except (ValueError, RecursionError) as error:
        return Sidecar(error=ItemError("bad_value", f"{file}: {error}"))


def chosen(file: Path, info: Info) -> Sidecar:
    """The values of COLUMNS, but for lists and objects where there can be none."""
    values = {"url": info.get("webpage_url"), **about_values(info)}
    odd = [
        name
        for name, value in values.items()
        if isinstance(value, dict) or (isinstance(value, list) and COLUMNS[name] != TEXTS)
    ]
    error = ItemError("bad_value", f"{file}: {odd[0]} is a {type(values[odd[0]]).__name__}") if odd else None
    return Sidecar({name: as_text(value) for name, value in values.items() if name not in odd}, error)
