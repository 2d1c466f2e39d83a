"""The opt-out list: video ids, channel ids and URLs that a catalogue must not contain.

One per line, or a table with columns `video_id`, `channel_id`, `url`. A YouTube video matches by its id and by each of
its addresses. What was taken out of the run stays out of its catalogue in the same way; of that only hashes are known.
"""

from collections.abc import Iterator
from pathlib import Path

import polars as pl
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from slurm.errors import InputError
from slurm.removals import Ledger
from stages.core.schema.types import TEXT
from stages.core.sources import youtube
from stages.core.sources.tables import LINE, MARKS, SUFFIXES, WHY, scan, why_column
from stages.core.sources.values import cast_column

COLUMNS = ("video_id", "channel_id", "url", LINE)


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class OptOut:
    path: str | None


def read_opt_out(path: str, key: str = "opt_out.path") -> pl.Series:
    """The distinct ids and URLs of the list; YouTube URLs of a video or channel are replaced by its id.

    Raises InputError, which names the `key` that the path was given by.
    """
    if not Path(path).is_file() or Path(path).suffix.lower() not in SUFFIXES:
        raise InputError(f"{key}={path}: not a file with one of the suffixes {', '.join(sorted(SUFFIXES))}")
    table = scan(path)
    schema = table.collect_schema()
    named = [column for column in COLUMNS if column in schema]
    if not named:
        raise InputError(
            f"{key}={path} has none of the columns {', '.join(COLUMNS[:3])}; it has: "
            f"{', '.join(column for column in schema if column not in MARKS)}"
        )
    try:
        texts = (cast_column(column, schema[column], TEXT).str.strip_chars() for column in named)
        columns = table.select(*texts, why_column(schema).alias(WHY)).collect()
    except pl.exceptions.PolarsError as error:
        raise InputError(f"{key}={path} cannot be read: {error}") from error
    if len(bad := columns[WHY].drop_nulls()):  # who wants to be left out may stand in it
        raise InputError(f"{key}={path} cannot be read: {bad[0]}")
    return named_by(pl.concat(columns.drop(WHY).get_columns()).drop_nulls(), f"{key}={path}")


def named_by(texts: pl.Series, where: str) -> pl.Series:
    """The distinct ids and URLs among these lines; YouTube URLs of a video or channel are replaced by its id.

    Raises InputError, which begins with `where` they stand, for the handle of a channel.
    """
    entry = pl.col("entry")
    entries = pl.DataFrame({"entry": texts}, schema={"entry": TEXT}).filter(~entry.str.contains("^(#|$)"))
    if len(names := entries.filter(entry.str.contains(youtube.NAME))):
        raise InputError(
            f"{where}: {names.item(0, 0)} is a channel's handle, which catalogues do not contain: "
            f"write its id (UC…), or https://www.youtube.com/channel/UC…"
        )
    return entries.select(pl.coalesce(youtube.video_id(entry), youtube.channel_id(entry), entry)).to_series().unique()


def names_of_rows() -> Iterator[pl.Expr]:
    """The columns by which a row of CATALOGUE may be named."""
    key, url = pl.col("video_id"), pl.col("url")
    failed = key.str.extract("^(.+)#")  # the video of an unreadable line, see lvd2m.py
    yield from (key, failed, pl.col("channel_id"), url, youtube.video_id(url))


def is_listed(entries: pl.Series) -> pl.Expr:
    """Whether a row of CATALOGUE belongs to a video or channel in the list."""
    return pl.any_horizontal(name.is_in(entries.implode()).fill_null(False) for name in names_of_rows())


def is_removed(ledger: Ledger) -> pl.Expr:
    """Whether a row of CATALOGUE belongs to a video or channel that was taken out of the run."""

    def held(values: pl.Series) -> pl.Series:
        return pl.Series(values.name, ledger.holds(values), pl.Boolean())

    columns = (*names_of_rows(), pl.col("path"))
    names = (column.map_batches(held, pl.Boolean(), is_elementwise=True) for column in columns)
    return pl.any_horizontal(*names) if ledger else pl.lit(False)
