"""A list of videos: a table with a column of paths, URLs or YouTube ids, or a text file with one a line.

Columns that bear the names of CATALOGUE, or that the config maps to them, are taken over. A line with a value that
cannot be read is a row that failed.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import polars as pl
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from slurm.errors import InputError
from stages.core.schema.catalogue import ABOUT, CATALOGUE
from stages.core.schema.types import INT, TEXT, Schema
from stages.core.sources import youtube
from stages.core.sources.folder import video_id
from stages.core.sources.found import Found
from stages.core.sources.tables import LINE, SUFFIXES, scan
from stages.core.sources.values import is_bad, typed
from stages.core.storage import input_files

TAKEN_OVER: Schema = {"source": TEXT, "url": TEXT, **ABOUT, "bytes": INT}
ROW = "_row"


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Options:
    """Columns of the list: of addresses, of ids, and those that become columns of CATALOGUE. None: by their names."""

    name: Literal["urls"]
    column: str | None
    id: str | None
    columns: dict[str, str | None]


def check(path: str, options: Options) -> None:
    input_files.check(path)
    if Path(path).is_file() and Path(path).suffix.lower() not in SUFFIXES:
        raise InputError(f"input.path={path}: neither a folder nor one of {', '.join(sorted(SUFFIXES))}")


def read(path: str, options: Options) -> Found:
    """A row for every line of every list; relative paths are below their list's own folder."""
    check(path, options)
    return Found(pl.concat(rows(file, options) for file in input_files.list_files(path, SUFFIXES)))


def rows(file: str, options: Options) -> pl.LazyFrame:
    table = lines(file)
    given = table.collect_schema()
    address, ids, others = columns(file, given.names(), options)
    text = {column: typed(column, given[column], TEXT).str.strip_chars() for column in (*address, *ids)}
    place = pl.coalesce(text[column] for column in address)
    key = text[ids[0]] if ids else pl.lit(None, TEXT)
    page = youtube.video_id(place)
    if address[0] != "path":  # a file may be called like an id
        page = pl.coalesce(page, pl.when(youtube.is_id(place)).then(place))
    taken_over = {
        name: typed(others[name], given[others[name]], kind) if name in others else pl.lit(None, kind)
        for name, kind in TAKEN_OVER.items()
    }
    needed = {address[0]: place, **({ids[0]: key} if ids else {})}
    empty = [pl.when(value.is_null()).then(pl.lit(f"no {column}")) for column, value in needed.items()]
    bad = [
        pl.when(is_bad(column, given[column], TAKEN_OVER[name])).then(pl.format("{}={}", pl.lit(column), column))
        for name, column in others.items()
    ]
    line = pl.format("{}: row {}", pl.lit(file), ROW)
    made = ["_key"] if ids else ["_page", each("_place", video_id)]
    return (
        table.select(**taken_over, _line=line, _place=place, _page=page, _key=key, _wrong=pl.coalesce(*empty, *bad))
        .with_columns(**located(file))
        .with_columns(
            video_id=pl.coalesce(*made, each("_line", video_id)),
            source=pl.col("source").fill_null(Path(file).name),
            title=pl.coalesce("title", each("path", lambda path: Path(path).stem)),
            bytes=pl.coalesce("bytes", each("path", size, INT)),
            error=pl.when(pl.col("_wrong").is_not_null()).then(pl.lit("bad_value")),
            error_detail=pl.format("{}: {}", "_line", "_wrong"),
        )
        .select(*CATALOGUE, "error", "error_detail")
    )


def lines(file: str) -> pl.LazyFrame:
    """The list with the number of every row, from 1; a text file without its comments and blank lines."""
    table = scan(file, ROW)
    if LINE not in table.collect_schema():
        return table
    return table.with_columns(pl.col(LINE).str.strip_chars()).filter(~pl.col(LINE).str.contains("^(#|$)"))


def columns(file: str, given: list[str], options: Options) -> tuple[list[str], list[str], dict[str, str]]:
    """The columns of addresses (first choice first), of ids (none, or one), and those that become others of CATALOGUE.

    Raises InputError if the list lacks one that is needed or asked for.
    """
    usual: list[str] = [c for c in ("path", "url") if c in given] or [c for c in ("video_id", LINE) if c in given][:1]
    address = [options.column] if options.column else usual or ["path"]
    ids = [options.id] if options.id else [c for c in ("video_id",) if c in given and c not in address]
    others = {**{c: c for c in TAKEN_OVER if c in given}, **{c: name for c, name in options.columns.items() if name}}
    for column in (*address, *ids, *others.values()):
        if column not in given:
            raise InputError(
                f"{file} has no column {column!r}; it has: {', '.join(c for c in given if c != ROW)}. "
                f"Say source.column=… (paths, URLs or YouTube ids), source.id=… (ids), source.columns.NAME=… (others)"
            )
    return address, ids, others


def located(file: str) -> dict[str, pl.Expr]:
    """Where the video of `_place` is: a page of YouTube's, another URL, or a file beside the list."""
    folder, place = file.rpartition("/")[0], pl.col("_place")
    is_path = pl.col("_page").is_null() & ~place.str.contains("://", literal=True)
    url = [youtube.WATCH + pl.col("_page"), pl.when(~is_path).then(place)]
    if input_files.is_remote(file):
        return {"path": pl.lit(None, TEXT), "url": pl.coalesce(*url, f"{folder}/" + place)}
    path = each("_place", lambda below: str(Path(folder, below)))
    return {"path": pl.when(is_path).then(path), "url": pl.coalesce(*url, "url")}


def each(column: str, read: Callable[[str], object], kind: pl.DataType = TEXT) -> pl.Expr:
    return pl.col(column).map_elements(read, kind)


def size(path: str) -> int | None:
    """Null bytes for a file that is not there: it is told when it is opened."""
    file = Path(path)
    return file.stat().st_size if file.is_file() else None
