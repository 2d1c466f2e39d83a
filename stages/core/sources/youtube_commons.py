"""YouTube-Commons: transcripts of videos under a CC BY licence (https://huggingface.co/datasets/PleIAs/YouTube-Commons).

Its Parquet files have a row per language that a video was translated into. Their columns differ: the method of language
detection is in `source_language` in some, in `language_id_method` in others.
"""

import os
from collections import Counter
from typing import Annotated, Literal

import polars as pl
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from slurm.errors import InputError
from stages.core.schema.catalogue import ABOUT
from stages.core.schema.types import INT, TEXT
from stages.core.sources import tables, youtube
from stages.core.sources.catalogue import Catalogue
from stages.core.sources.folder import video_id
from stages.core.sources.unpacked import check_unpacked
from stages.core.sources.values import cast_column
from stages.core.storage import input_files

SUFFIXES = {".parquet"}
AT_ONCE_BYTES = 512 << 20  # of files read in parallel; their kept rows are held in memory
ROW = "_row"
METHODS = ("source_language", "language_id_method")
COLUMNS = {  # catalogue's column → theirs
    "title": "title",
    "description": "description",
    "channel": "channel",
    "channel_id": "channel_id",
    "tags": "tags",
    "language": "original_language",
    "duration_s": "duration_string",
    "views": "view_count",
    "likes": "like_count",
    "comments": "comment_count",
    "followers": "channel_follower_count",
    "age_limit": "age_limit",
    "upload_date": "date",
    "licence": "license",
    "transcript": "text",
    "words": "word_count",
}
NEEDED = ("video_id", "text", "original_language", "transcription_language", "word_count")


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Options:
    """Filters; None: not applied."""

    name: Literal["youtube_commons"]
    original_language: str | None
    transcription_language: str | None
    source_language: str | None
    words_above: Annotated[int, Field(ge=0)] | None


def check(path: str, options: Options) -> None:
    input_files.check(path)


def read(path: str, options: Options) -> Catalogue:
    """The rows that pass the filters, each video once: the first in the order of the files.

    The files are read twice: first, file by file, the narrow columns that the filters need; then, when the rows are
    written, the wide ones. A row without a YouTube id fails; unreadable values of other columns become null.
    """
    files = input_files.list_files(path, SUFFIXES)
    out: Counter[str] = Counter()
    passed = []
    for number, file in enumerate(files):
        table, schema = scan(file)
        fails = exclusions(schema, options)
        why = [pl.when(fail).then(pl.lit(reason)) for reason, fail in fails.items()]
        rows = table.select("video_id", ROW, out=pl.coalesce(*why, pl.lit(None, TEXT))).collect()
        out.update({reason: int((rows["out"] == reason).sum()) for reason in fails})
        passed.append(rows.filter(pl.col("out").is_null()).select("video_id", ROW, file=pl.lit(number)))
    ids = pl.concat(passed).filter(youtube.is_id(pl.col("video_id")))
    twice = ids.filter(~pl.col("video_id").is_first_distinct())
    out["duplicate"] = len(twice)
    repeats = [twice.filter(file=number)[ROW] for number in range(len(files))]
    parts = [catalogue_rows(file, options, repeated) for file, repeated in zip(files, repeats, strict=True)]
    largest = max(input_files.size(file) for file in files)
    at_once = max(1, min(len(os.sched_getaffinity(0)), AT_ONCE_BYTES // max(1, largest)))
    return Catalogue(tables.concat_in_order(parts, at_once), left_out={why: n for why, n in out.items() if n})


def scan(file: str) -> tuple[pl.LazyFrame, pl.Schema]:
    """The file's rows, numbered from 1 in ROW, and its schema. Raises InputError if a needed column is missing."""
    check_unpacked(file, {*NEEDED, *COLUMNS.values()})
    table = tables.scan(file, ROW)
    schema = table.collect_schema()
    for column in NEEDED:
        if column not in schema:
            raise InputError(f"{file} has no column {column!r}; it has: {', '.join(list(schema)[1:])}")
    return table, schema


def exclusions(schema: pl.Schema, options: Options) -> dict[str, pl.Expr]:
    """Reason → whether it excludes a row; the first that applies counts."""
    method = pl.coalesce(*(c for c in METHODS if c in schema), pl.lit(None, TEXT))
    filters = [
        (pl.col("original_language"), options.original_language),
        (pl.col("transcription_language"), options.transcription_language),
        (method, options.source_language),
    ]
    languages = [column.eq_missing(pl.lit(only)) for column, only in filters if only is not None]
    words, above = cast_column("word_count", schema["word_count"], INT), options.words_above
    by_language = {"language": ~pl.all_horizontal(languages)} if languages else {}
    return by_language | (
        {"words_unknown": words.is_null(), "too_few_words": words <= above} if above is not None else {}
    )


def catalogue_rows(file: str, options: Options, repeated: pl.Series) -> pl.LazyFrame:
    """The rows of a file that pass the filters, as columns of CATALOGUE; without the row numbers `repeated`."""
    table, schema = scan(file)
    out = list(exclusions(schema, options).values())
    if len(repeated):
        out.append(pl.col(ROW).is_in(repeated.implode()))
    key, bad = pl.col("video_id"), ~youtube.is_id(pl.col("video_id")).fill_null(False)
    about = {
        name: cast_column(theirs, schema[theirs], ABOUT[name]) if theirs in schema else pl.lit(None, ABOUT[name])
        for name, theirs in COLUMNS.items()
    }
    return table.filter(*(~fails for fails in out)).select(
        video_id=pl.when(bad).then(pl.format("{}#{}", pl.lit(video_id(file)), ROW)).otherwise(key),
        source=pl.lit("youtube_commons"),
        url=pl.when(~bad).then(youtube.WATCH + key),
        **about,
        error=pl.when(bad).then(pl.lit("bad_value")),
        error_detail=pl.when(bad).then(pl.format("{}: row {}: video_id={}", pl.lit(file), ROW, key.fill_null(""))),
    )
