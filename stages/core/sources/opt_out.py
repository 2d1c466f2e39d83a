"""The opt-out list: video ids, channel ids and URLs that a catalogue must not contain.

One per line, or a table with columns `video_id`, `channel_id`, `url`. A YouTube video matches by its id and by each of
its addresses.
"""

from pathlib import Path

import polars as pl
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from slurm.errors import InputError
from stages.core.schema.types import TEXT
from stages.core.sources import youtube
from stages.core.sources.tables import LINE, MARKS, SUFFIXES, WHY, scan, why_column
from stages.core.sources.values import cast_column

COLUMNS = ("video_id", "channel_id", "url", LINE)


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class OptOut:
    path: str | None


def read_opt_out(path: str) -> pl.Series:
    """The distinct ids and URLs of the list; YouTube URLs of a video or channel are replaced by its id.

    Raises InputError.
    """
    if not Path(path).is_file() or Path(path).suffix.lower() not in SUFFIXES:
        raise InputError(f"opt_out.path={path}: not a file with one of the suffixes {', '.join(sorted(SUFFIXES))}")
    table = scan(path)
    schema = table.collect_schema()
    named = [column for column in COLUMNS if column in schema]
    if not named:
        raise InputError(
            f"opt_out.path={path} has none of the columns {', '.join(COLUMNS[:3])}; it has: "
            f"{', '.join(column for column in schema if column not in MARKS)}"
        )
    try:
        texts = (cast_column(column, schema[column], TEXT).str.strip_chars() for column in named)
        columns = table.select(*texts, why_column(schema).alias(WHY)).collect()
    except pl.exceptions.PolarsError as error:
        raise InputError(f"opt_out.path={path} cannot be read: {error}") from error
    entry = pl.col("entry")
    if len(bad := columns[WHY].drop_nulls()):  # who wants to be left out may stand in it
        raise InputError(f"opt_out.path={path} cannot be read: {bad[0]}")
    entries = pl.DataFrame({"entry": pl.concat(columns.drop(WHY).get_columns()).drop_nulls()})
    entries = entries.filter(~entry.str.contains("^(#|$)"))
    if len(names := entries.filter(entry.str.contains(youtube.NAME))):
        raise InputError(
            f"opt_out.path={path}: {names.item(0, 0)} is a channel's handle, which catalogues do not contain: "
            f"write its id (UC…), or https://www.youtube.com/channel/UC…"
        )
    return entries.select(pl.coalesce(youtube.video_id(entry), youtube.channel_id(entry), entry)).to_series().unique()


def is_listed(entries: pl.Series) -> pl.Expr:
    """Whether a row of CATALOGUE belongs to a video or channel in the list."""
    key, url = pl.col("video_id"), pl.col("url")
    failed = key.str.extract("^(.+)#")  # the video of an unreadable line, see lvd2m.py
    names = (key, failed, pl.col("channel_id"), url, youtube.video_id(url))
    return pl.any_horizontal(name.is_in(entries.implode()).fill_null(False) for name in names)
