"""A list of videos: a table with a column of paths, URLs or YouTube ids, or a text file with one per line.

Columns named as in CATALOGUE, or mapped to it by the config, are copied. A line that cannot be read, or one of
its values, becomes a failed row.
"""

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import polars as pl
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from slurm.errors import InputError
from stages.core.schema.catalogue import CATALOGUE
from stages.core.schema.types import INT, TEXT, Schema
from stages.core.sources import youtube
from stages.core.sources.catalogue import Catalogue
from stages.core.sources.folder import file_bytes, video_id
from stages.core.sources.tables import LINE, MARKS, SUFFIXES, error_column, scan, why_column
from stages.core.sources.unpacked import check_unpacked
from stages.core.sources.values import cast_column, is_unreadable, shown
from stages.core.storage import input_files

COPIED: Schema = {column: kind for column, kind in CATALOGUE.items() if column not in ("video_id", "path")}
ROW = "_row"


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Options:
    """The list's columns of addresses and of ids (None: found by name), and {column of CATALOGUE: the list's}."""

    name: Literal["urls"]
    column: str | None
    id: str | None
    columns: dict[str, str | None]


def check(path: str, options: Options) -> None:
    input_files.check(path)
    if Path(path).is_file() and Path(path).suffix.lower() not in SUFFIXES:
        raise InputError(f"input.path={path}: neither a folder nor one of {', '.join(sorted(SUFFIXES))}")


def read(path: str, options: Options) -> Catalogue:
    """A row for every line of every list; relative paths start at the folder of their list."""
    check(path, options)
    return Catalogue(pl.concat(scan_rows(file, options) for file in input_files.list_files(path, SUFFIXES)))


def scan_rows(file: str, options: Options) -> pl.LazyFrame:
    table = scan_lines(file)
    present = table.collect_schema()
    address, ids, others = choose_columns(file, present.names(), options)
    if file.lower().endswith(".parquet"):
        check_unpacked(file, {*address, *ids, *others.values()})
    text = {column: cast_column(column, present[column], TEXT).str.strip_chars() for column in (*address, *ids)}
    place = pl.coalesce(text[column] for column in address)
    key = text[ids[0]] if ids else pl.lit(None, TEXT)
    page = youtube.video_id(place)
    if address[0] != "path":  # a file name may look like an id
        page = pl.coalesce(page, pl.when(youtube.is_id(place)).then(place))
    copied = {
        name: cast_column(others[name], present[others[name]], kind) if name in others else pl.lit(None, kind)
        for name, kind in COPIED.items()
    }
    needed = {address[0]: place, **({ids[0]: key} if ids else {})}
    empty = [pl.when(value.is_null()).then(pl.lit(f"no {column}")) for column, value in needed.items()]
    bad = [
        pl.when(is_unreadable(column, present[column], COPIED[name])).then(
            pl.format("{}={}", pl.lit(column), shown(column, present[column]))
        )
        for name, column in others.items()
    ]
    line = pl.format("{}: row {}", pl.lit(file), ROW)
    id_choices = ["_key"] if ids else ["_page", map_values("_place", video_id)]
    return (
        table.select(
            **copied,
            _line=line,
            _place=place,
            _page=page,
            _key=key,
            _wrong=pl.coalesce(*empty, *bad),
            _error=error_column(present),
            _why=why_column(present),
        )
        .with_columns(**locate(file))
        .with_columns(
            video_id=pl.coalesce(*id_choices, map_values("_line", video_id)),
            source=pl.col("source").fill_null(Path(file).name),
            title=pl.coalesce("title", map_values("path", lambda path: Path(path).stem)),
            bytes=pl.coalesce("bytes", map_values("path", file_bytes, INT)),
            _unseen=map_values("path", hidden_fault),
        )
        .with_columns(
            error=pl.coalesce("_error", name_if("_wrong", "bad_value"), name_if("_unseen", "missing")),
            error_detail=pl.coalesce(
                pl.format("{}: {}", pl.lit(file), "_why"),
                pl.format("{}: {}", "_line", "_wrong"),
                pl.format("{}: {} {}", "_line", "path", "_unseen"),
            ),
        )
        .select(*CATALOGUE, "error", "error_detail")
    )


def scan_lines(file: str) -> pl.LazyFrame:
    """The list with row numbers from 1 in ROW; without the comments and blank lines of a text file."""
    table = scan(file, ROW)
    if LINE not in table.collect_schema():
        return table
    return table.with_columns(pl.col(LINE).str.strip_chars()).filter(~pl.col(LINE).str.contains("^(#|$)"))


def choose_columns(file: str, present: list[str], options: Options) -> tuple[list[str], list[str], dict[str, str]]:
    """The columns of addresses (most preferred first), of ids (at most one), and {column of CATALOGUE: the list's}.

    Raises InputError if the list lacks a column that is needed or configured.
    """
    usual: list[str] = [c for c in ("path", "url") if c in present] or [c for c in ("video_id", LINE) if c in present][
        :1
    ]
    address = [options.column] if options.column else usual or ["path"]
    ids = [options.id] if options.id else [c for c in ("video_id",) if c in present and c not in address]
    others = {**{c: c for c in COPIED if c in present}, **{c: name for c, name in options.columns.items() if name}}
    for column in (*address, *ids, *others.values()):
        if column not in present:
            raise InputError(
                f"{file} has no column {column!r}; it has: {', '.join(c for c in present if c not in {ROW, *MARKS})}. "
                f"Say source.column=… (paths, URLs or YouTube ids), source.id=… (ids), source.columns.NAME=… (others)"
            )
    return address, ids, others


def locate(file: str) -> dict[str, pl.Expr]:
    """`path` and `url` of the video at `_place`: a YouTube page, another URL, or a file relative to the list."""
    folder, place = file.rpartition("/")[0], pl.col("_place")
    is_path = pl.col("_page").is_null() & ~place.str.contains("://", literal=True)
    url = [youtube.WATCH + pl.col("_page"), pl.when(~is_path).then(place)]
    if input_files.is_remote(file):
        return {"path": pl.lit(None, TEXT), "url": pl.coalesce(*url, f"{folder}/" + place)}
    path = map_values("_place", lambda below: str(Path(folder, below)))
    return {"path": pl.when(is_path).then(path), "url": pl.coalesce(*url, "url")}


def name_if(column: str, code: str) -> pl.Expr:
    return pl.when(pl.col(column).is_not_null()).then(pl.lit(code))


def map_values(column: str, read: Callable[[str], object], kind: pl.DataType = TEXT) -> pl.Expr:
    return pl.col(column).map_elements(read, kind)


def hidden_fault(path: str) -> str | None:
    """Why it cannot be told whether a file is there; None if it is, or is not."""
    try:
        Path(path).stat()
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:  # told by find_fault, of every source
            return None
        return f"cannot be seen from here: {error.strerror}"
    return None
